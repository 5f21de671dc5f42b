"""Windows told apart by views of them that are learnt."""

from darts_tsformers.layers.contrastive.augmentation import Augmenter
from darts_tsformers.layers.contrastive.contrast import Contrast
from darts_tsformers.networks import Network, Training
from darts_tsformers.pretraining.objective import Objective
from darts_tsformers.window import Window

KERNELS = (1, 2, 4, 8)
N_BLOCKS = 4


class Contrastive(Objective, name="contrastive"):
    """Tell which view is of which window, while the views learn what matters: parametric augmentation.

    Each variable over the look-back has a view of its own: some values are left out, the others scaled. The network
    learns to tell each component of each window of a batch from all others, by the largest value of each feature of its
    tokens; and, with four tokens or more, which piece of it follows which. See
    :class:`~darts_tsformers.layers.contrastive.contrast.Contrast`. The losses are penalties: the user's loss and sample
    weights do not apply. They depend on which windows share a batch; a batch of one teaches nothing.

    The known future is never hidden: a network that mixes it into its tokens can tell windows apart by it.

    Parameters
    ----------
    network
        To pre-train.
    d_augmenter
        Channels of the network that makes the views.
    hard_mask
        Whether a value is in a view or not; else it may be there in part.
    hide_rate
        Share of the steps that are hidden from the encoder besides.
    temperature
        Of the contrast between windows; small ones look at the most similar.
    local_weight
        Weight of the contrast within a window; 0 for none.
    kept_weight, consistency_weight
        How much it counts that views keep more than 0.4 of the values, and that masks flicker.

    Raises
    ------
    ValueError
        If a setting breaks its rule.

    Notes
    -----
    Zheng et al., "Parametric Augmentation for Time Series Contrastive Learning", ICLR 2024. The encoder of the paper is
    that of :class:`~darts_tsformers.networks.AutoTCL`; here it is that of any network.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.networks import PatchTST
    >>> from darts_tsformers.pretraining import Contrastive
    >>> from darts_tsformers.window import Sizes, Window
    >>> network = PatchTST(Sizes(25, 6, n_targets=3), patch_length=5, stride=5, d_model=8, n_heads=2)
    >>> sorted(Contrastive(network)(network, Window(torch.randn(2, 25, 3))).penalties)
    ['consistency', 'contrast', 'local', 'relevance', 'sparsity']
    """

    def __init__(
        self,
        network: Network,  # noqa: ARG002
        *,
        d_augmenter: int = 16,
        hard_mask: bool = True,
        hide_rate: float | int = 0.5,
        temperature: float | int = 1.0,
        local_weight: float | int = 0.72,
        kept_weight: float | int = 0.2,
        consistency_weight: float | int = 0.002,
    ) -> None:
        super().__init__()
        augmenter = Augmenter(
            1, d_hidden=d_augmenter, d_model=d_augmenter, n_blocks=N_BLOCKS, kernels=KERNELS, hard=hard_mask
        )
        self.contrast = Contrast(
            augmenter,
            temperature=temperature,
            local_weight=local_weight,
            hide_rate=hide_rate,
            kept_weight=kept_weight,
            consistency_weight=consistency_weight,
        )

    def forward(self, network: Network, window: Window) -> Training:
        """Tell windows apart."""
        return Training(penalties=self.contrast(network.encode, network, window))
