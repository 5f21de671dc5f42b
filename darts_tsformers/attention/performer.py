"""Performer: softmax attention estimated by positive random features."""

import math
from functools import lru_cache, partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from darts_tsformers.attention._features import FeatureAttention, FeatureMaps, widened
from darts_tsformers.checks import require_at_least, require_one_of

KERNELS = ("relu", "softmax")
EVALUATION_SEED = 0
LEAST = {"softmax": 1e-4, "relu": 1e-3}  # what is added to each feature: no sum of them is zero
LARGEST_EXPONENT = 60.0  # in single precision, products and sums of such exponentials are finite


class PerformerAttention(FeatureAttention):
    r"""FAVOR+: random features whose products are, on average, the exponentials of a softmax.

    .. math::

        \phi(x) = \frac{1}{\sqrt m}
        \exp\!\left(\omega_r^\top x' - \tfrac{1}{2} \lVert x' \rVert^2 - s\right)_{r = 1 \dots m} + \delta,
        \qquad x' = x / e^{1/4}

    .. math::

        o_i = \frac{\sum_j \phi(q_i)^\top \phi(k_j) v_j}{\sum_j \phi(q_i)^\top \phi(k_j)}

    The :math:`\omega_r` are Gaussian, and orthogonal in groups of e, which lowers the variance. With more features the
    output nears that of softmax attention; its error falls as :math:`1 / \sqrt m`, and grows fast with the norms.

    In training the features are drawn anew in each pass, so that the network cannot lean on one draw; in evaluation
    they are a fixed function of ``m`` and ``e``.

    Cost: O((L + M) m e) time, O((L + M) (m + e)) memory.

    Parameters
    ----------
    n_features
        Random features ``m``. By default :math:`e \ln e`, rounded down, at least 1.
    kernel
        ``"softmax"``: the features above. ``"relu"``: :math:`\max(\omega_r^\top x', 0) + 10^{-3}`, which estimate
        another kernel and vary less.

    Raises
    ------
    ValueError
        If ``n_features`` is below 1, or ``kernel`` is neither of the two.

    Notes
    -----
    Choromanski et al., "Rethinking Attention with Performers", ICLR 2021, lemma 1 and theorem 2; :math:`\delta` is
    :math:`10^{-4}`, and :math:`s` keeps the exponentials finite: for a query its largest exponent, for keys the
    largest of all keys of the head, as in performer-pytorch. Deviation: when causal that largest would let later keys
    into earlier rows, by :math:`\delta`; there :math:`s` of the keys is a constant, zero unless the :math:`\omega_r`
    are so long that exponentials could overflow. Nor is there the :math:`10^{-6}` that the package adds to each sum of
    features. All heads share their features. As in the package, a key whose features are all below :math:`\delta`,
    with :math:`\lVert x' \rVert^2` above about 20, is seen like every other of its kind: with long queries and keys the
    weights come near to uniform, where those of a softmax would be sharp.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.attention import PerformerAttention
    >>> q, k, v = torch.randn(3, 2, 4, 512, 16)  # each (B, h, L, e)
    >>> PerformerAttention(n_features=64)(q, k, v)[0].shape
    torch.Size([2, 4, 512, 16])
    """

    def __init__(self, n_features: int | None = None, *, kernel: str = "softmax") -> None:
        super().__init__()
        if n_features is not None:
            require_at_least(1, n_features=n_features)
        require_one_of(KERNELS, kernel=kernel)
        self.n_features = None if n_features is None else int(n_features)
        self.kernel = kernel

    def feature_maps(self, q: Float[Tensor, "*h L e"], *, causal: bool) -> FeatureMaps:
        """Return the maps of queries and keys to features of one draw."""
        rows = drawn(self._count(q.shape[-1]), q.shape[-1], training=self.training)
        projection = torch.tensor(rows.tolist(), dtype=widened(q).dtype, device=q.device)
        if self.kernel == "relu":
            of_both = partial(relu_features, projection=projection)
            return FeatureMaps(of_both, of_both, len(rows))
        constant = exponent_to_take_off(rows) if causal else None
        of_keys = partial(softmax_features, projection=projection, of_keys=True, constant=constant)
        return FeatureMaps(partial(softmax_features, projection=projection), of_keys, len(rows))

    def _count(self, width: int) -> int:
        return max(1, int(width * math.log(width))) if self.n_features is None else self.n_features


def softmax_features(
    x: Float[Tensor, "*h L e"],
    projection: Float[Tensor, "m e"],
    *,
    of_keys: bool = False,
    constant: float | None = None,
) -> Float[Tensor, "*h L m"]:
    """Return positive features; each query takes its own largest product off, all keys of a head theirs.

    With a ``constant`` that is taken off instead.
    """
    x = x / x.shape[-1] ** 0.25
    products = x @ projection.mT
    shift = products.detach().amax((-2, -1) if of_keys else -1, keepdim=True) if constant is None else constant
    taken_off = x.square().sum(-1, keepdim=True) / 2 + shift + math.log(projection.shape[0]) / 2
    return (products - taken_off).exp() + LEAST["softmax"] / math.sqrt(projection.shape[0])


def relu_features(x: Float[Tensor, "*h L e"], projection: Float[Tensor, "m e"]) -> Float[Tensor, "*h L m"]:
    """Return the positive parts of random projections."""
    return torch.relu(x / x.shape[-1] ** 0.25 @ projection.mT) + LEAST["relu"]


def exponent_to_take_off(rows: np.ndarray) -> float:
    """Return what keeps the exponents of any keys at most 60: half the square of the longest row bounds them."""
    return max(0.0, float(np.square(rows).sum(-1).max()) / 2 - LARGEST_EXPONENT)


def drawn(n_features: int, width: int, *, training: bool) -> np.ndarray:
    """Draw a projection: in training by a seed of torch's default generator, in evaluation always the same."""
    return _draw(n_features, width, int(torch.randint(2**31, ()))) if training else _fixed(n_features, width)


@lru_cache(maxsize=64)
def _fixed(n_features: int, width: int) -> np.ndarray:
    return _draw(n_features, width, EVALUATION_SEED)


def _draw(n_features: int, width: int, seed: int) -> np.ndarray:
    """Draw rows that are orthogonal in groups of ``width``, as long as Gaussian ones are."""
    random = np.random.RandomState(seed)
    groups = []
    for _ in range(-(-n_features // width)):
        q, r = np.linalg.qr(random.standard_normal((width, width)))
        groups.append((q * np.sign(np.diag(r))).T)  # so that all directions are alike
    lengths = np.linalg.norm(random.standard_normal((n_features, width)), axis=-1, keepdims=True)
    rows: np.ndarray = np.concatenate(groups)[:n_features] * lengths
    return rows
