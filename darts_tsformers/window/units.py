"""Units of measurement: level and spread of columns over the training part, so that no model depends on them."""

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.instance_norm import Statistics


class Unit(nn.Module):
    r"""Show columns at the level and spread that they had in the training part.

    .. math:: z = (x - \mu) / \sigma

    Both are buffers, saved with the weights. Before anything is learnt, and in files of versions that had no units,
    they are 0 and 1, and values pass as they are. A column that was constant has a spread of 0 and is 0 whatever it is
    later: nothing was learnt of what follows from it. NaN stays NaN.

    Parameters
    ----------
    n_columns
        How many columns.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window.units import Moments, Unit
    >>> unit, moments = Unit(2), Moments(2)
    >>> moments.add(torch.tensor([[1010.0, 7.0], [1014.0, 7.0]]))
    >>> unit.learn(moments)
    >>> unit(torch.tensor([[1016.0, 8.0]]))
    tensor([[2., 0.]])
    """

    level: Tensor
    spread: Tensor

    def __init__(self, n_columns: int) -> None:
        super().__init__()
        self.register_buffer("level", torch.zeros(n_columns))
        self.register_buffer("spread", torch.ones(n_columns))

    def forward(self, x: Float[Tensor, "*N K"]) -> Float[Tensor, "*N K"]:
        """Return values in these units."""
        return (x - self.level) / self.spread.where(self.spread > 0, torch.inf)

    def of(self, n_columns: int) -> tuple[Tensor, Tensor]:
        """Return level and spread; for another number of columns than there were the mean of all, as one."""
        if n_columns == len(self.level):
            return self.level, self.spread
        return self.level.mean(dim=0, keepdim=True), self.spread.mean(dim=0, keepdim=True)

    def learn(self, moments: "Moments") -> None:
        """Take level and spread from what was seen."""
        self.level.copy_(moments.mean)
        self.spread.copy_(moments.spread)

    def measure_by(
        self, spread: Float[Tensor, " K"], mean: Float[Tensor, " K"], about: Float[Tensor, " K"] | float = 0.0
    ) -> None:
        """Measure a target ``about`` a level by a spread; where that is 0, by the size of its mean, or 1."""
        self.level.fill_(0.0).add_(torch.as_tensor(about).to(self.level))
        self.spread.copy_(spread.where(spread > 0, mean.abs().where(mean != 0, 1.0)))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Let files without units have none."""
        for name, value in {"level": torch.zeros_like, "spread": torch.ones_like}.items():
            state_dict.setdefault(prefix + name, value(getattr(self, name)))
        super()._load_from_state_dict(state_dict, prefix, *args)


class Moments:
    """Mean and deviation of columns that come in several tables, by what is not NaN; in double precision.

    Parameters
    ----------
    n_columns
        How many columns.
    """

    def __init__(self, n_columns: int) -> None:
        self.count, self.mean, self._squares, self._within = torch.zeros(4, n_columns, dtype=torch.float64)
        self._precision = 0.0

    def add(self, table: Float[Tensor, "T K"]) -> None:
        """Count in the rows of a table."""
        self._precision = max(self._precision, torch.finfo(table.dtype).eps)
        x = table.to("cpu", torch.float64)
        count = (~x.isnan()).sum(dim=0)
        mean = x.nansum(dim=0) / count.clamp_min(1)
        squares = (x - mean).square().nansum(dim=0)
        total = self.count + count
        step = mean - self.mean
        self._squares += squares + step.square() * self.count * count / total.clamp_min(1)
        self._within += squares
        self.mean += step * count / total.clamp_min(1)
        self.count = total

    @property
    def spread(self) -> Float[Tensor, " K"]:
        """Standard deviation of all values; 0 where it is but rounding."""
        return self._deviation(self._squares)

    @property
    def spread_within(self) -> Float[Tensor, " K"]:
        """Standard deviation about the means of the tables; 0 where it is but rounding."""
        return self._deviation(self._within)

    def pooled(self) -> "Moments":
        """Return the same of all columns taken for one, for each of them."""
        pooled = Moments(len(self.mean))
        pooled._precision = self._precision
        pooled.count += self.count.sum()
        pooled.mean += (self.count * self.mean).sum() / self.count.sum().clamp_min(1)
        pooled._squares += (self._squares + self.count * (self.mean - pooled.mean).square()).sum()
        pooled._within += self._within.sum()
        return pooled

    def _deviation(self, squares: Tensor) -> Tensor:
        deviation = (squares / self.count.clamp_min(1)).sqrt()
        return deviation.where(deviation > self._precision * self.mean.abs(), 0.0)


def fixed_statistics(unit: Unit, like: Float[Tensor, "B L C"]) -> Statistics:
    """Return what undoes a normalisation of a target by the training part, the same for each window."""
    wide = torch.promote_types(like.dtype, torch.float32)
    level, spread = (x.to(wide).expand(like.shape[0], 1, like.shape[2]) for x in unit.of(like.shape[2]))
    return Statistics(level, spread, level, level.abs() + spread, spread)


class CovariateUnits(nn.Module):
    """Units of past and future covariates.

    Parameters
    ----------
    sizes
        Sizes of the problem.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.past = Unit(sizes.n_past)
        self.future = Unit(sizes.n_future)

    def forward(self, window: Window) -> Window:
        """Return the window with covariates in these units."""
        units = {"past": self.past, "historic_future": self.future, "future": self.future}
        given = {name: getattr(window, name) for name, unit in units.items() if len(unit.level)}
        return replace(window, **{name: units[name](x) for name, x in given.items() if x is not None})
