"""MambaMixer for time series (TSM2): patches mixed by Mamba over time and over variates, with weighted skips."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.checks import require_flag, require_one_of, require_probability
from darts_tsformers.layers.recurrent.auxiliary_inputs import AuxiliaryInputs
from darts_tsformers.layers.recurrent.bidirectional import BidirectionalMamba
from darts_tsformers.layers.recurrent.mamba_mixer import MambaMixerStack, TimeMixer
from darts_tsformers.layers.recurrent.variate_order import ORDERS, scan_order
from darts_tsformers.layers.transformer.patching import Patching
from darts_tsformers.networks._network import Network
from darts_tsformers.networks._variates import LAYOUT
from darts_tsformers.recording.layout import Layout, patches
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS


class MambaMixer(Network, name="mambamixer"):
    """Selective mixing over time and over variates.

    Each variate is cut into patches, and each patch is a token. In each layer a Mamba block goes over the patches of a
    variate, from the oldest to the latest, and two go over the variates of a patch, from either end; what each of the
    two mixers is given is a learned average of what all before it have put out. A linear map of all patches of a target
    is its forecast. No parameter depends on the number of variates.

    The order of the variates matters, as in :class:`~darts_tsformers.networks.SMamba`.

    Covariates: past covariates, and the past of the future ones, are further variates, each with
    a mark of its own that starts at zero.
    The known future is put behind the look-back of each variate, as many steps again, and so are static covariates.

    Cost: O((C + P + F) L / stride) for the mixers, O((H F)^2) for the known future.

    Parameters
    ----------
    patch_length
        Steps of a patch. None for 16, or for the look-back if it is shorter.
    stride
        Steps between the starts of two patches.
    pad_end
        Whether the last value is repeated ``stride`` times first. Otherwise steps behind the last full patch, which are
        the latest ones, are left out.
    dropout
        Of what each mixer puts out, and of the tokens.
    residual
        Whether a mixer adds to what went into it, besides the learned average.
    variate_order
        In which order the blocks meet the targets, ``"given"`` or ``"correlation"``, as
        :class:`~darts_tsformers.networks.SMamba` has it.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Behrouz, Santacatterina and Zabih, "MambaMixer: Efficient Selective State Space Models with Dual Token and Channel
    Selection", 2024, where it is called TSM2. There is no code of the authors.

    Deviations: the two blocks over the variates are whole, each with a gate of its own, where the paper has one gate
    for both; positions are learned, as in the public replication, whose ``residual`` is an option; with a single patch
    there is no norm over patches, which would leave nothing of it. The average starts even.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import MambaMixer
    >>> network = MambaMixer(Sizes(input_length=48, output_length=6), d_model=16, d_state=4)
    >>> network(Window(target=torch.randn(2, 48, 3))).shape  # any number of components
    torch.Size([2, 6, 3, 1])
    >>> network.position.shape  # one token for each patch
    torch.Size([6, 16])
    """

    reads = ALL_KINDS

    def __init__(
        self,
        sizes: Sizes,
        *,
        patch_length: int | None = None,
        stride: int = 8,
        pad_end: bool = True,
        d_model: int = 64,
        n_encoder_layers: int = 2,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        dropout: float = 0.1,
        residual: bool = False,
        variate_order: str = "given",
    ) -> None:
        super().__init__(sizes)
        require_flag(pad_end=pad_end)
        require_probability(dropout=dropout)
        require_one_of(ORDERS, variate_order=variate_order)
        self.variate_order = variate_order
        self.auxiliary = AuxiliaryInputs(
            sizes.input_length,
            n_future=sizes.output_length * sizes.n_future,
            n_static=sizes.n_static,
            d_state=d_state,
            d_conv=d_conv,
        )
        patch_length = min(16, sizes.input_length) if patch_length is None else patch_length
        Patching(sizes.input_length, patch_length, stride)  # refuses patches longer than the look-back
        self.patching = Patching(self.auxiliary.length, patch_length, stride, pad_end=pad_end)
        self.n_of_look_back = min(-(-sizes.input_length // stride), self.patching.n_patches)
        self.stack = MambaMixerStack(
            d_model,
            n_layers=n_encoder_layers,
            n_recorded=self.n_of_look_back,
            d_state=d_state,
            d_conv=d_conv,
            expand=expand,
            dropout=dropout,
            residual=residual,
        )
        n_patches = self.patching.n_patches
        self.embedding = nn.Linear(patch_length, d_model)
        self.position = nn.Parameter(torch.empty(n_patches, d_model).uniform_(-0.02, 0.02))
        n_covariates = sizes.n_past + sizes.n_future
        self.marks = nn.Parameter(torch.zeros(n_covariates, 1, d_model)) if n_covariates else None
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(d_model)
        self.patch_norm = nn.LayerNorm(n_patches) if n_patches > 1 else nn.Identity()
        self.head = nn.Linear(n_patches * d_model, sizes.output_length * sizes.n_parameters)

    @property
    def width_tie(self) -> str | None:
        """Nothing: no parameter depends on the number of variates."""
        return None

    def attention_layers(self) -> list[str]:
        """Return the paths of the mixers, whose hidden attention is recorded."""
        return list(self.layouts())

    def layouts(self) -> dict[str, Layout]:
        """Return what the tokens stand for: patches of the look-back, component by component, and variables."""
        axis = patches(self.sizes.input_length, self.n_of_look_back, self.patching.patch_length, self.patching.stride)
        of = {TimeMixer: Layout((axis, axis), per_component=True), BidirectionalMamba: LAYOUT}
        mixers = self.stack.named_modules(prefix="stack")
        return {path: of[type(mixer)] for path, mixer in mixers if type(mixer) in of}

    def forward(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Forecast."""
        n_targets = window.target.shape[-1]
        order = scan_order(window.target, self.sizes.n_past, self.sizes.n_future, self.variate_order)
        tokens = self.embedding(self.patching(self._lengthened(window, order))) + self.position
        if self.marks is not None:
            tokens = tokens + F.pad(self.marks, (0, 0, 0, 0, n_targets, 0))
        tokens = self.stack(self.dropout(tokens), n_targets, order)[:, :n_targets]
        tokens = self.patch_norm(self.norm(tokens).mT).mT
        return rearrange(self.head(tokens.flatten(2)), "B C (H Q) -> B H C Q", Q=self.sizes.n_parameters)

    def _lengthened(self, window: Window, order: Int[Tensor, "B M"] | None) -> Float[Tensor, "B M T"]:
        """Return targets, past covariates and the past of the future ones, with what else is known behind each."""
        given = (window.target, window.past, window.historic_future)
        series = torch.cat([x for x in given if x is not None], dim=-1).mT
        n_variates, n_targets = series.shape[1], window.target.shape[-1]
        future, static = window.future, window.static
        if future is not None:
            future = future.flatten(1)[:, None].expand(-1, n_variates, -1)
        if static is not None:
            static = F.pad(static.expand(-1, n_targets, -1), (0, 0, 0, n_variates - n_targets))
        longer: Tensor = self.auxiliary(series, future, static, order)
        return longer
