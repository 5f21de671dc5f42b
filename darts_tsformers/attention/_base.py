"""What every attention mechanism is: one signature, and a statement of what it can do."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.execution.rows import take_rows


@dataclass(frozen=True)
class HeadSizes:
    """What a layer tells a mechanism that has parameters of its own.

    Attributes
    ----------
    n_heads
        Heads (``h``).
    d_head
        Width of queries and keys of one head (``e``).
    n_queries, n_keys
        The most queries and keys that the layer will bring (``L``, ``M``).

    Examples
    --------
    >>> from darts_tsformers.attention import HeadSizes, build_attention
    >>> build_attention("full", HeadSizes(n_heads=2, d_head=8, n_queries=96, n_keys=96))
    FullAttention()
    """

    n_heads: int
    d_head: int
    n_queries: int
    n_keys: int


class Attention(nn.Module, ABC):
    """A map from queries, keys and values to outputs, head by head.

    A mechanism holds no projections: a layer projects, splits heads and applies dropout. It keeps its constructor
    arguments as attributes of the same names, so that :meth:`config` can rebuild it. In a forecast it treats each
    sample by itself, and may be given a batch in parts.

    Attributes
    ----------
    supports_causal
        Whether ``causal=True`` is defined: row ``i`` of the output depends on keys and values up to ``i`` only.
    strictly_causal
        Whether, when causal, nothing at all about row ``i`` depends on later positions: not even how it is computed.
    supports_cross
        Whether queries and keys may differ in length.
    exact_weights
        Whether the weights returned are those that made the output, or a reconstruction.
    width_power
        Scores are divided by the width of the queries to this power: 0.5 for its root.

    Examples
    --------
    A mechanism of one's own, here the mean of all values, can serve every encoder:

    >>> import torch
    >>> from darts_tsformers.attention import Attention
    >>> class MeanAttention(Attention):
    ...     supports_causal = False
    ...
    ...     def forward(self, q, k, v, *, causal=False, need_weights=False):
    ...         weights = q.new_full((*q.shape[:-1], k.shape[-2]), 1 / k.shape[-2])
    ...         return weights @ v, weights if need_weights else None
    >>> v = torch.arange(12.0).view(1, 1, 4, 3)
    >>> MeanAttention()(v, v, v)[0][0, 0, 0]
    tensor([4.5000, 5.5000, 6.5000])
    """

    supports_causal: ClassVar[bool] = True
    strictly_causal: ClassVar[bool] = True
    supports_cross: ClassVar[bool] = True
    exact_weights: ClassVar[bool] = True
    width_power: ClassVar[float] = 0.5

    def fit_to(self, sizes: HeadSizes) -> None:
        """Make the parameters that a mechanism has of its own, for the layer it serves; by default there are none.

        Called once, when the layer is made. Shorter inputs are served later on, longer ones refused by
        :meth:`require_fit`.
        """

    def require_fit(self, sizes: HeadSizes | None, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"]) -> None:
        """Raise ``ValueError`` unless queries and keys are as :meth:`fit_to` was told, or fewer."""
        name = type(self).__name__
        if sizes is None:
            raise ValueError(f"{name} has parameters of its own: call fit_to, or give build_attention the sizes, first")
        given = HeadSizes(q.shape[1], q.shape[3], q.shape[2], k.shape[2])
        for what, most in vars(sizes).items():
            got = getattr(given, what)
            if what in ("n_heads", "d_head") and got != most:
                raise ValueError(f"{name} was made for {what}={most}, not {got}")
            if got > most:
                raise ValueError(f"{name} was made for at most {what}={most}, not {got}")

    @abstractmethod
    def forward(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h M e"],
        v: Float[Tensor, "B h M f"],
        *,
        causal: bool = False,
        need_weights: bool = False,
    ) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L M"] | None]:
        """Attend; the weights come back only when ``need_weights``, and are None otherwise."""

    def row(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h L e"],
        v: Float[Tensor, "B h L f"],
        row: int,
    ) -> Float[Tensor, "B h 1 f"]:
        """Attend causally from one row alone; what stands in later rows has no effect if strictly causal.

        The whole is computed here; a mechanism that can do with less overrides this.
        """
        return self(q, k, v, causal=True)[0][..., row : row + 1, :]

    def row_of_each(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h L e"],
        v: Float[Tensor, "B h L f"],
        rows: Int[Tensor, " B"],
    ) -> Float[Tensor, "B h 1 f"]:
        """Do as :meth:`row`, from a row of its own in each sample."""
        return take_rows(self(q, k, v, causal=True)[0], rows[:, None], dim=2)

    def row_weights(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h L e"], row: int
    ) -> Float[Tensor, "B h 1 L"]:
        """Return the weights of :meth:`row`, zero on later rows. O(L^2) unless overridden: for explanations."""
        weights = self(q, k, k, causal=True, need_weights=True)[1]
        return weights[..., row : row + 1, :]

    def details(
        self,
        q: Float[Tensor, "B h L e"],  # noqa: ARG002
        k: Float[Tensor, "B h M e"],  # noqa: ARG002
        *,
        kinds: Collection[str],  # noqa: ARG002
        causal: bool = False,  # noqa: ARG002
    ) -> dict[str, dict[str, Tensor]]:
        """Return what there is to say of a pass beyond its weights, by kind and name; by default nothing.

        The kinds and their tensors are those of :data:`darts_tsformers.recording.KINDS`. Those that are not
        among ``kinds`` are not computed.
        """
        return {}

    def distance_groups(self, length: int) -> dict[str, list[int]]:  # noqa: ARG002
        """Name the distances that the pattern of the mechanism is made of; empty if it sees all alike."""
        return {}

    def last_rows(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h L e"],
        v: Float[Tensor, "B h L f"],
        n: int,
        *,
        causal: bool = False,
        need_weights: bool = False,
    ) -> tuple[Float[Tensor, "B h n f"], Float[Tensor, "B h n L"] | None]:
        """Attend from the last ``n`` rows alone.

        The whole is computed here; a mechanism that can do with less overrides this.
        """
        out, weights = self(q, k, v, causal=causal, need_weights=need_weights)
        return out[..., -n:, :], None if weights is None else weights[..., -n:, :]

    def config(self) -> dict[str, Any]:
        """Return the constructor arguments that rebuild this mechanism."""
        named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        parameters = inspect.signature(type(self).__init__).parameters.values()
        names = [p.name for p in parameters if p.kind in named and p.name != "self"]
        unknown = [name for name in names if not hasattr(self, name)]
        if unknown:
            raise AttributeError(
                f"{type(self).__qualname__} must keep its argument {unknown[0]!r} as an attribute of that name"
            )
        return {name: getattr(self, name) for name in names}
