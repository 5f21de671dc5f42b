"""Masked parts of the look-back, guessed from what is left."""

from dataclasses import replace

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from darts_tsformers.checks import require_flag, require_one_of, require_probability
from darts_tsformers.networks import Lesson, Network, Training
from darts_tsformers.pretraining.encoder import token_width
from darts_tsformers.pretraining.objective import Objective
from darts_tsformers.window import Window
from darts_tsformers.window.missing import bridge_gaps

MASKS = ("random", "last")
EVALUATION_SEED = 0
"""Of what is hidden in evaluation."""


class Masked(Objective, name="masked"):
    r"""Guess patches that are hidden, or whole variates where a token is a variate.

    Of the :math:`N` patches of a component :math:`\lfloor N (1 - r) \rfloor` stay, at least one; all steps of the
    others are shown as 0, the mean of the window, wherever they are seen: what patches overlap is hidden in each of
    them, and a gap is bridged by what is left. A linear map of the token of each hidden patch, and of no other, is the
    guess of its steps.

    A network whose tokens are variates sees some of them as a whole replaced by a series that stands for any window of
    that variate: a learned one, 0 at the start, without which a network that has no order of the variates could not
    tell which of them to guess. It needs two components or more.

    The loss is the mean over what is hidden and was observed, each window measured by its own spread; as it may be any
    loss or likelihood, the map gives the parameters of one.

    Parameters
    ----------
    network
        To pre-train.
    mask_ratio
        Share of the patches that is hidden (``r``), above 0 and below 1.
    mask
        Which: ``"random"`` ones, others for each window and component; or the ``"last"``, as in a forecast, which
        variates do not have.
    channel_consistent
        Whether the same random patches are hidden in all components of a window. Of no effect on variates.
    head_dropout
        On tokens before the map.

    Raises
    ------
    ValueError
        If a setting breaks its rule, or there is but one patch or variate.

    Notes
    -----
    Nie et al., "A Time Series is Worth 64 Words", ICLR 2023, section 3.2, whose patches do not overlap (``stride =
    patch_length``, no padding): then this is theirs, the loss included. Windows are normalised before parts are hidden,
    as in their code, so that level and spread are those of the whole. Where patches overlap their code hides each patch
    but leaves its steps in the others. Masked variates are ours.

    Examples
    --------
    Two of five patches of each of three components, by their last guess of five steps each:

    >>> import torch
    >>> from darts_tsformers.networks import PatchTST
    >>> from darts_tsformers.pretraining import Masked
    >>> from darts_tsformers.window import Sizes, Window
    >>> network = PatchTST(Sizes(25, 6, n_targets=3), patch_length=5, stride=5, pad_end=False, d_model=8)
    >>> (lesson,) = Masked(network, mask_ratio=0.4)(network, Window(torch.randn(2, 25, 3))).lessons
    >>> lesson.forecast.shape, lesson.steps.shape
    (torch.Size([2, 10, 3, 1]), torch.Size([2, 10, 3]))
    """

    steps: Tensor

    def __init__(
        self,
        network: Network,
        *,
        mask_ratio: float = 0.4,
        mask: str = "random",
        channel_consistent: bool = False,
        head_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        require_probability(mask_ratio=mask_ratio, head_dropout=head_dropout)
        if mask_ratio == 0:
            raise ValueError(f"mask_ratio={mask_ratio!r} must be above 0")
        require_one_of(MASKS, mask=mask)
        require_flag(channel_consistent=channel_consistent)
        self.mask_ratio, self.mask, self.channel_consistent = mask_ratio, mask, channel_consistent
        sizes, steps = network.sizes, network.token_steps
        self.hides_variates = steps is None
        if steps is None:
            steps = torch.arange(sizes.input_length)[None]
            if mask != "random":
                raise ValueError(f"mask={mask!r} must be 'random' for a model whose tokens are whole components")
        n = sizes.n_targets if self.hides_variates else len(steps)
        if n < 2:
            what = "components" if self.hides_variates else "patches"
            raise ValueError(f"objective='masked' needs two {what} or more to hide some of them, but there is one")
        self.register_buffer("steps", steps, persistent=False)
        self.stand_in = nn.Parameter(torch.zeros(sizes.input_length, n)) if self.hides_variates else None
        self.n_parameters = sizes.n_parameters
        self.dropout = nn.Dropout(head_dropout)
        self.head = nn.Linear(token_width(network), steps.shape[1] * sizes.n_parameters)

    def forward(self, network: Network, window: Window) -> Training:
        """Hide, and guess what was hidden."""
        at, counts = self.drawn(window.target)
        steps = rearrange(self.steps[at], "B C K p -> B C (K p)")
        tokens = network.encode(self.hide(window, steps, counts))
        of_hidden = tokens.gather(2, at[..., None].expand(-1, -1, -1, tokens.shape[-1]))
        steps = rearrange(steps, "B C T -> B T C")
        return Training(lessons=[Lesson("masked", self.guess(of_hidden), steps, counts=counts)])

    def drawn(self, target: Float[Tensor, "B L C"]) -> tuple[Int[Tensor, "B C K"], Bool[Tensor, "B 1 C"] | None]:
        """Draw which patches are hidden; or take the one patch that a variate is, and say of which variates it is."""
        batch, _, n_targets = target.shape
        if self.hides_variates:
            hidden = hidden_of(self._scores(batch, n_targets), self.mask_ratio)
            counts = torch.zeros(batch, n_targets, dtype=torch.bool).scatter(1, hidden, True)
            return torch.zeros_like(counts, dtype=torch.long, device=target.device)[..., None], counts[:, None].to(
                target.device
            )
        n_patches = len(self.steps)
        scores = self._scores(batch, 1 if self.channel_consistent else n_targets, n_patches)
        if self.mask == "last":
            scores = torch.arange(n_patches).expand_as(scores)
        return hidden_of(scores, self.mask_ratio).expand(-1, n_targets, -1).to(target.device), None

    def hide(self, window: Window, steps: Int[Tensor, "B C T"], counts: Bool[Tensor, "B 1 C"] | None) -> Window:
        """Put what stands for them where steps are hidden; no gap is bridged to them."""
        target = window.target
        everywhere = target.new_ones(steps.shape, dtype=torch.bool)
        hides = everywhere if counts is None else counts.mT.expand_as(steps)
        hidden = torch.zeros_like(target.mT, dtype=torch.bool).scatter(-1, steps, hides).mT
        if window.missing is not None:
            target = bridge_gaps(target, window.missing | hidden)
        return replace(window, target=torch.where(hidden, self._stand_in(target), target))

    def guess(self, tokens: Float[Tensor, "B C K D"]) -> Float[Tensor, "B T C Q"]:
        """Return the steps that tokens stand for, one token after the other."""
        out = self.head(self.dropout(tokens))
        return rearrange(out, "B C K (p Q) -> B (K p) C Q", Q=self.n_parameters)

    def _stand_in(self, target: Float[Tensor, "B L C"]) -> Float[Tensor, "#L #C"]:
        """Return what is shown in place of what is hidden; where components are drawn, the same for all."""
        if self.stand_in is None:
            return target.new_zeros(1, 1)
        is_drawn = target.shape[-1] != self.stand_in.shape[-1]
        return (self.stand_in.mean(dim=-1, keepdim=True) if is_drawn else self.stand_in).to(target.dtype)

    def _scores(self, *shape: int) -> Float[Tensor, "..."]:
        generator = None if self.training else torch.Generator().manual_seed(EVALUATION_SEED)
        return torch.rand(shape, generator=generator, dtype=torch.float32, device="cpu")


def hidden_of(scores: Float[Tensor, "*B N"], ratio: float) -> Int[Tensor, "*B K"]:
    """Return which of ``N`` are hidden: all but those of the lowest scores; of two or more at least one, and not all.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.pretraining.masked import hidden_of
    >>> hidden_of(torch.tensor([0.7, 0.1, 0.9, 0.4, 0.2]), ratio=0.4)
    tensor([0, 2])
    """
    n = scores.shape[-1]
    n_kept = min(max(int(n * (1 - ratio)), 1), n - 1)
    return scores.argsort(dim=-1, stable=True)[..., n_kept:]
