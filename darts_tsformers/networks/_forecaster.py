"""The path that all architectures share, around the part that is their own."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.networks._lessons import Training
from darts_tsformers.networks._network import Feed, Network, first_parameter
from darts_tsformers.networks._paths import Noise
from darts_tsformers.networks._series import TrainingSeries
from darts_tsformers.networks._streaming import leaves_out_start
from darts_tsformers.networks._units import SeriesInUnits, measure
from darts_tsformers.recording import revise
from darts_tsformers.window import Window
from darts_tsformers.window.covariates import ALL_KINDS, CovariateHead
from darts_tsformers.window.instance_norm import InstanceNorm, Statistics
from darts_tsformers.window.magnitude_norm import MagnitudeNorm
from darts_tsformers.window.missing import (
    Filled,
    MissingCovariates,
    add_offset,
    bridge_gaps,
    fill_gaps,
    gaps_of,
    put_in,
    start_of,
)
from darts_tsformers.window.restore import restore
from darts_tsformers.window.statics import StaticFeatures
from darts_tsformers.window.units import CovariateUnits, Moments, Unit, fixed_statistics

NORMS: dict[bool | str, type[InstanceNorm]] = {True: InstanceNorm, "magnitude": MagnitudeNorm}
"""What ``use_instance_norm`` stands for, here; streaming knows one more."""


class Forecaster(nn.Module):
    """A network behind everything that has nothing to do with its architecture.

    NaN means *not observed*. A missing value of the target reaches the network as
    :func:`~darts_tsformers.window.missing.bridge_gaps` says, on the line between its neighbours, plus a learned offset,
    in normalised units and zero at the start; covariates alike. Where a network is fed what followed while it trains, a
    gap there is the mean of the look-back: a line would give away what comes. The window is normalised by what was
    observed, or else by the training part, as covariates and static numbers are; categories become embeddings. What the
    architecture has no place for acts through a shared head, and the raw output goes back to data units.

    Parameters
    ----------
    network
        The architecture, built for the numeric features that ``statics`` gives.
    use_instance_norm
        Whether the network sees each window at its own level and spread, and not at those of the training part;
        ``"magnitude"`` for windows divided by the mean of their absolute values alone.
    instance_norm_affine
        Whether the normalisation learns a scale and a bias per component.
    restore_rules
        For each likelihood parameter the name of the rule in :mod:`darts_tsformers.window.restore` that brings it back
        to data units.
    statics
        How static covariates become numbers. None if all are.

    Attributes
    ----------
    objective
        What it learns by instead of forecasts, see :mod:`darts_tsformers.pretraining`; None for none.

    Raises
    ------
    ValueError
        If there are not as many rules as likelihood parameters.

    Examples
    --------
    The level of the data passes through, and a gap is no obstacle:

    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import Forecaster, ITransformer
    >>> forecaster = Forecaster(ITransformer(Sizes(input_length=24, output_length=6), d_model=16)).eval()
    >>> target = torch.randn(2, 24, 3)
    >>> target[:, 3:9] = torch.nan
    >>> forecast = forecaster(Window(target))
    >>> forecast.shape
    torch.Size([2, 6, 3, 1])
    >>> torch.allclose(forecaster(Window(target + 100)), forecast + 100, atol=1e-3)
    True
    """

    def __init__(
        self,
        network: Network,
        *,
        use_instance_norm: bool | str = True,
        instance_norm_affine: bool = False,
        restore_rules: Sequence[str] = ("location",),
        statics: StaticFeatures | None = None,
    ) -> None:
        super().__init__()
        if len(restore_rules) != network.sizes.n_parameters:
            raise ValueError(
                f"restore_rules={tuple(restore_rules)} must name one rule for each of "
                f"n_parameters={network.sizes.n_parameters} likelihood parameters"
            )
        self.network = network
        self.objective: nn.Module | None = None
        self.restore_rules = tuple(restore_rules)
        self.instance_norm = (
            NORMS[use_instance_norm](
                network.sizes.n_targets, affine=instance_norm_affine, **vars(network.window_spread)
            )
            if use_instance_norm
            else None
        )
        self.target_unit = Unit(network.sizes.n_targets)
        self.covariate_units = CovariateUnits(network.sizes)
        self.missing_offset = nn.Parameter(torch.zeros(()))
        sizes = network.sizes
        self.missing_covariates = MissingCovariates(sizes.n_past, sizes.n_future, sizes.output_shift)
        self.statics = statics or StaticFeatures(sizes.n_static)
        head = CovariateHead(sizes, ALL_KINDS - network.reads)
        self.covariate_head = head if head.is_used else None

    def measure(
        self, series: Iterable[TrainingSeries], *, measures_target: bool = True, pools_target: bool = False
    ) -> Moments:
        """Learn the units of the training part, once, before the first training step.

        Without ``measures_target`` the target is taken as it is: it has no unit, or others have normalised it. With
        ``pools_target`` its components have one unit, as they must where some of them are drawn.

        Returns
        -------
        Mean and deviation of the components of the target, in data units.
        """
        measured = measure(series, self.network.sizes, self.statics.numeric)
        target = measured.target.pooled() if pools_target else measured.target
        if not self.network.in_data_units:
            self.covariate_units.past.learn(measured.past)
            self.covariate_units.future.learn(measured.future)
            self.statics.unit.learn(measured.static)
            if measures_target:
                self._measure_target(target)
        return target

    def prepare(self, series: Iterable[TrainingSeries]) -> None:
        """Let the network learn from the training part as a whole, in the units that were measured before."""
        target = self.target_unit if self.instance_norm is None else nn.Identity()
        units = self.covariate_units
        self.network.prepare(SeriesInUnits(series, target=target, past=units.past, future=units.future))

    def _measure_target(self, target: Moments) -> None:
        """Learn level and spread, or if windows have their own, what those of zeros are measured by."""
        if self.instance_norm is None:
            if not self.network.knows_units:
                self.target_unit.measure_by(target.spread, target.mean, about=target.mean)
        else:
            self.target_unit.measure_by(target.spread_within, target.mean)

    def forward(
        self, window: Window, feed: Feed = first_parameter, *, learns: bool = False
    ) -> Float[Tensor, "B H C Q"] | Training:
        """Forecast in data units; ``feed`` is in them as well. If it ``learns``, say all that it is to learn from."""
        seen, statistics = self._seen(window)
        if learns:
            return self._learnt_from(seen, statistics)
        out = self.network(seen, self._fed(feed, statistics)) if self.network.feeds_on_itself else self.network(seen)
        out = self._with_covariates(out, seen)
        for kind in ("trend", "stages"):
            revise(kind, lambda part: self._restored(part, statistics))
        return self._restored(out, statistics)

    def sample(self, window: Window, noise: Noise) -> Float[Tensor, "B H C"]:
        """Draw one path for each window, in data units."""
        seen, statistics = self._seen(window)
        path = self.network.sample(seen, noise).unsqueeze(-1)
        return self._restored(self._with_covariates(path, seen), statistics).squeeze(-1)

    def refine(self, window: Window, base: Float[Tensor, "B H C"], noise: Noise, **how: Any) -> Float[Tensor, "B H C"]:
        """Make one forecast for each window, in data units, more like what the network knows."""
        seen, statistics = self._seen(window)
        refined = self.network.refine(seen, statistics.normalised(base), noise, **how)
        return self._restored(refined.unsqueeze(-1), statistics).squeeze(-1)

    @property
    def learner(self) -> Any:
        """Whose lessons it learns from, and what they need: an objective's, if there is one."""
        return self.network if self.objective is None else self.objective

    def _learnt_from(self, seen: Window, statistics: Statistics) -> Training:
        """Return the parts of the loss. What covariates add through the head is in the horizon's forecast alone.

        By an objective each window is measured by its own spread: no series counts for more as its values are larger.
        """
        if self.objective is not None:
            lessons: Training = self.objective(self.network, seen)
            return lessons.map(lambda raw: self._restored(raw, statistics)).measured_by(statistics.size)
        training = self.network.learn(seen)
        if training.forecast is not None:
            training = replace(training, forecast=self._with_covariates(training.forecast, seen))
        elif self.covariate_head is not None:
            raise ValueError(
                f"reads={sorted(self.network.reads)} of {self.network.name} must be all kinds of covariates that are "
                "given, as it has no forecast in training: nothing would teach the shared head"
            )
        return training.map(lambda raw: self._restored(raw, statistics))

    def _seen(self, window: Window) -> tuple[Window, Statistics]:
        """Return what the network sees of a window, and what brings its output back to data units."""
        start = start_of(window.target) if leaves_out_start(self.network) else None
        window = replace(self.missing_covariates(self.covariate_units(window)), start=start)
        if window.static is not None:
            window = replace(window, static=self.statics(window.static))
        target = fill_gaps(window.target)
        if self.instance_norm is None:
            statistics = fixed_statistics(self.target_unit, window.target)
            target = target.known_at_least(statistics.level)
            normalised = statistics.normalised(target.values)
        else:
            _, unit = self.target_unit.of(window.target.shape[-1])
            normalised, statistics = self.instance_norm(target.values, target.missing, target.mean, unit)
        return self._completed(window, target, normalised, statistics), statistics

    def _completed(
        self, window: Window, target: Filled, values: Float[Tensor, "B L C"], statistics: Statistics
    ) -> Window:
        """Put in what the network sees of the target: of its past, and while training of what followed."""
        past = add_offset(bridge_gaps(values, target.missing), target.missing, self.missing_offset)
        future = self._followed(window.future_target, target.mean, statistics)
        return replace(window, target=past, future_target=future, missing=target.missing)

    def _followed(
        self, future: Float[Tensor, "B H C"] | None, mean: Float[Tensor, "B 1 C"], statistics: Statistics
    ) -> Float[Tensor, "B H C"] | None:
        """Return what followed as the network sees it, with the mean of the look-back in gaps."""
        if future is None:
            return None
        missing = gaps_of(future)
        future = put_in(mean, future, missing)
        return add_offset(statistics.normalised(future), missing, self.missing_offset)

    def _fed(self, feed: Feed, statistics: Statistics) -> Feed:
        """Let a network in normalised units feed on values that are chosen in data units."""

        def feed_normalised(raw: Float[Tensor, "B T C Q"]) -> Float[Tensor, "B T C"]:
            return statistics.normalised(feed(self._restored(raw, statistics)))

        return feed_normalised

    def _with_covariates(
        self, out: Float[Tensor, "B H C Q"], seen: Window, mean: Float[Tensor, "B K"] | None = None
    ) -> Float[Tensor, "B H C Q"]:
        if self.covariate_head is None:
            return out
        more = self.covariate_head(seen, mean)
        revise("trend", lambda trend: trend + more)
        return out + more

    def _restored(self, raw: Float[Tensor, "B T C Q"], statistics: Statistics) -> Float[Tensor, "B T C Q"]:
        return restore(raw, statistics, self.restore_rules)
