"""Linformer: keys and values are projected to few, once, and attended exactly."""

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.attention._base import Attention, HeadSizes
from darts_tsformers.attention.full import _widened
from darts_tsformers.checks import require_at_least, require_flag


class LinformerAttention(Attention):
    r"""Softmax attention to a fixed number of learnt mixtures of the keys.

    .. math:: O = \mathrm{softmax}\!\left(Q (E^\top K)^\top / \sqrt{e}\right) F^\top V

    :math:`E` and :math:`F`, of shape (M, r), mix the steps; all heads share them. Fewer keys than M take the first
    rows. A mixture has the future in it: there is no causal form.

    The map from steps to steps is :math:`A F^\top` with the map A to mixtures: it made the output, but its entries may
    be negative and its rows need not sum to 1.

    Cost: O((L + M) r e) time, O((L + M) e + L r) memory.

    Parameters
    ----------
    n_mixtures
        Mixtures ``r`` of the keys, at least 1; with more than there are keys nothing is saved.
    shared
        Mix keys and values alike: F is E.

    Raises
    ------
    ValueError
        If ``n_mixtures`` is below 1 or ``shared`` is no flag.

    Notes
    -----
    Wang et al., "Linformer: Self-Attention with Linear Complexity", arXiv 2006.04768, 2020, equation 7; ``r`` is the
    paper's k. Projections are uniform at first within :math:`\pm 1 / \sqrt{r}`, as in the package linformer.

    Examples
    --------
    It is made for a number of keys, and serves up to so many:

    >>> import torch
    >>> from darts_tsformers.attention import HeadSizes, LinformerAttention, build_attention
    >>> linformer = build_attention(LinformerAttention(n_mixtures=8), HeadSizes(4, 16, n_queries=512, n_keys=512))
    >>> q, k, v = torch.randn(3, 2, 4, 300, 16)  # each (B, h, L, e)
    >>> linformer(q, k, v)[0].shape
    torch.Size([2, 4, 300, 16])
    """

    supports_causal: ClassVar[bool] = False

    def __init__(self, n_mixtures: int = 32, *, shared: bool = False) -> None:
        super().__init__()
        require_at_least(1, n_mixtures=n_mixtures)
        require_flag(shared=shared)
        self.n_mixtures = int(n_mixtures)
        self.shared = shared
        self.sizes: HeadSizes | None = None

    def fit_to(self, sizes: HeadSizes) -> None:
        """Make the projections, for up to so many keys."""
        self.sizes = sizes

        def projection() -> nn.Parameter:
            return nn.Parameter(torch.empty(sizes.n_keys, self.n_mixtures).uniform_(-1, 1) / math.sqrt(self.n_mixtures))

        self.mix_keys = projection()
        self.mix_values = None if self.shared else projection()

    def forward(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h M e"],
        v: Float[Tensor, "B h M f"],
        *,
        causal: bool = False,
        need_weights: bool = False,
    ) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L M"] | None]:
        """Attend to the mixtures; the map to steps is formed only when ``need_weights``.

        Raises
        ------
        ValueError
            If ``causal``, or if queries and keys do not fit the layer that the mechanism was made for.
        """
        if causal:
            raise ValueError("causal=True is undefined for Linformer: its mixtures of keys have the future in them")
        self.require_fit(self.sizes, q, k)
        of_keys, of_values = self._mixing(k.shape[-2])
        keys, values = of_keys.mT.to(k) @ k, of_values.mT.to(v) @ v
        out = F.scaled_dot_product_attention(q, keys, _widened(values, q.shape[-1]))[..., : v.shape[-1]]
        if not need_weights:
            return out, None
        return out, (q @ keys.mT / math.sqrt(q.shape[-1])).softmax(-1) @ of_values.mT.to(q)

    def _mixing(self, n_keys: int) -> tuple[Float[Tensor, "M r"], Float[Tensor, "M r"]]:
        of_keys = self.mix_keys[:n_keys]
        return of_keys, of_keys if self.mix_values is None else self.mix_values[:n_keys]
