"""The shared path around a network that streams: the same whether a history comes at once or row by row."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from jaxtyping import Float, Int
from torch import Tensor, arange, nn

from darts_tsformers.networks._forecaster import Forecaster
from darts_tsformers.networks._network import Feed, Network, first_parameter
from darts_tsformers.networks._streaming import StreamingNetwork, require_norm, streams
from darts_tsformers.window import Window
from darts_tsformers.window.covariates import mean_from
from darts_tsformers.window.instance_norm import Statistics
from darts_tsformers.window.missing import add_offset, carry_forward, fill_gaps, gaps_of, start_of
from darts_tsformers.window.running_norm import RunningNorm, Seen
from darts_tsformers.window.statics import StaticFeatures
from darts_tsformers.window.units import fixed_statistics


@dataclass(frozen=True)
class Memory:
    """What the shared path keeps of the rows before.

    Attributes
    ----------
    row
        The last one as the network saw it.
    target, past, historic_future
        Of each component the last value that was observed, which gaps are filled by.
    seen
        Statistics of the target; None if it is not normalised.
    n_rows
        How many rows ``level`` is the mean of, at most the look-back.
    level
        Mean of the covariates that the shared head takes; None if there is no head for any.
    """

    row: Window
    target: Float[Tensor, "B 1 C"]
    past: Float[Tensor, "B 1 P"] | None
    historic_future: Float[Tensor, "B 1 F"] | None
    seen: Seen | None
    n_rows: Float[Tensor, "B 1"]
    level: Float[Tensor, "B K"] | None


@dataclass(frozen=True)
class Followed:
    """What is kept of a series that is followed.

    Attributes
    ----------
    state
        Of the network.
    memory
        Of the shared path.
    """

    state: Any
    memory: Memory


class StreamingForecaster(Forecaster):
    """A forecaster that reads a series as it comes.

    Nothing that it makes of a row depends on a later one: the target is normalised by what was seen so far, or not at
    all, and a gap is the last value observed before it, plus the learned offset. So a history can be read by
    :meth:`begin`, each further row by :meth:`advance`, and :meth:`ahead` gives the forecast that :meth:`forward` makes
    of the whole. Rows before anything of the target was observed are left out, covariates included.

    Histories longer than ``sizes.input_length``: the normalisation, and the level of covariates that the shared head
    sees, weigh what is older than that less and less; what the network does is up to it.

    Parameters
    ----------
    network
        The architecture.
    normalise
        Whether the network sees each row at the level and spread of the rows up to it.
    instance_norm_affine, restore_rules, statics
        As for :class:`~darts_tsformers.networks.Forecaster`.

    Raises
    ------
    ValueError
        If the network does not stream, or there are not as many rules as likelihood parameters.
    """

    def __init__(
        self,
        network: Network,
        *,
        normalise: bool = True,
        instance_norm_affine: bool = False,
        restore_rules: Sequence[str] = ("location",),
        statics: StaticFeatures | None = None,
    ) -> None:
        if not streams(network):
            raise ValueError(f"network={type(network).__name__} must be one that streams")
        super().__init__(network, use_instance_norm=False, restore_rules=restore_rules, statics=statics)
        n_targets = network.sizes.n_targets
        self.instance_norm = RunningNorm(n_targets, affine=instance_norm_affine) if normalise else None

    def begin(self, window: Window) -> Followed:
        """Read a history, of which something of each sample's target was observed."""
        seen, memory = self._read(window, None)
        return Followed(self._network.begin(seen), memory)

    def advance(self, followed: Followed, row: Window) -> Followed:
        """Read one more row, a window of one step. What was followed so far is used up."""
        seen, memory = self._read(row, followed.memory)
        return Followed(self._network.advance(followed.state, seen), memory)

    def ahead(
        self, followed: Followed, future: Float[Tensor, "B H F"] | None, feed: Feed = first_parameter
    ) -> Float[Tensor, "B H C Q"]:
        """Forecast in data units; ``feed`` is in them as well."""
        memory = followed.memory
        statistics = self._statistics(memory)
        known = self._known(self._in_units(future), memory)
        fed = (self._fed(feed, statistics),) if self.network.feeds_on_itself else ()
        out = self._network.ahead(followed.state, known, memory.row.static, *fed)
        out = self._with_covariates(out, replace(memory.row, future=known), memory.level)
        return self._restored(out, statistics)

    @property
    def _network(self) -> StreamingNetwork[Any]:
        return cast(StreamingNetwork[Any], self.network)

    def _seen(self, window: Window) -> tuple[Window, Statistics]:
        seen, memory = self._read(window, None)
        statistics = self._statistics(memory)
        followed = self._followed(window.future_target, self._mean(window.target, statistics), statistics)
        return replace(
            seen, future=self._known(self._in_units(window.future), memory), future_target=followed
        ), statistics

    def _statistics(self, memory: Memory) -> Statistics:
        if memory.seen is None:
            return fixed_statistics(self.target_unit, memory.target)
        return cast(RunningNorm, self.instance_norm).statistics(memory.seen)

    def _mean(self, target: Float[Tensor, "B L C"], statistics: Statistics) -> Float[Tensor, "B 1 C"]:
        """Return the mean of each look-back, in data units."""
        if self.instance_norm is not None:
            return statistics.mean
        return fill_gaps(target).known_at_least(statistics.level).mean

    def _read(self, window: Window, memory: Memory | None) -> tuple[Window, Memory]:
        """Return what the network sees of rows that follow on what is in memory, and what is in it by then."""
        start = start_of(window.target) if memory is None else None
        window = self.covariate_units(window)
        values, last, seen = self._read_target(window.target, memory)
        offsets = self.missing_covariates
        past_before, known_before = (None, None) if memory is None else (memory.past, memory.historic_future)
        past, last_past = _carried(window.past, offsets.past_offset, start, past_before)
        known, last_known = _carried(window.historic_future, offsets.future_offset, start, known_before)
        read = Window(values, past, known, static=self._static(window, memory), start=start)
        n_rows, level = self._level(read, memory)
        row = replace(
            read,
            target=values[:, -1:],
            past=None if past is None else past[:, -1:],
            historic_future=None if known is None else known[:, -1:],
            start=None,
        )
        return read, Memory(row, last, last_past, last_known, seen, n_rows, level)

    def _read_target(
        self, target: Float[Tensor, "B T C"], memory: Memory | None
    ) -> tuple[Float[Tensor, "B T C"], Float[Tensor, "B 1 C"], Seen | None]:
        """Return the target as the network sees it, the last value observed, and the statistics."""
        missing = gaps_of(target)
        before, seen = (None, None) if memory is None else (memory.target, memory.seen)
        if isinstance(self.instance_norm, RunningNorm):
            faded = None if seen is None else seen.fading(self.network.sizes.input_length - 1)
            _, unit = self.target_unit.of(target.shape[-1])
            target, seen = self.instance_norm.read(target, missing, faded, unit)
        else:
            target = fixed_statistics(self.target_unit, target).normalised(target)
        values = carry_forward(target, missing, before)
        return add_offset(values, missing, self.missing_offset), values[:, -1:], seen

    def _in_units(self, future: Float[Tensor, "B H F"] | None) -> Float[Tensor, "B H F"] | None:
        return None if future is None else self.covariate_units(Window(future[..., :0], future=future)).future

    def _known(self, future: Float[Tensor, "B H F"] | None, memory: Memory) -> Float[Tensor, "B H F"] | None:
        return _carried(future, self.missing_covariates.future_offset, None, memory.historic_future)[0]

    def _static(self, window: Window, memory: Memory | None) -> Float[Tensor, "B V S"] | None:
        if memory is not None:
            return memory.row.static
        return None if window.static is None else self.statics(window.static)

    def _level(self, read: Window, memory: Memory | None) -> tuple[Float[Tensor, "B 1"], Float[Tensor, "B K"] | None]:
        """Return how many rows were read, and the mean of their covariates that the shared head takes."""
        length = read.target.shape[1]
        whole = read.target.new_full((read.target.shape[0], 1), length)
        n_rows = whole if read.start is None else whole - read.start[:, None]
        known = None if self.covariate_head is None else self.covariate_head.known_covariates(read)
        level = None if known is None else mean_from(known, read.start)
        if memory is None:
            return n_rows, level
        n_before = memory.n_rows.clamp_max(self.network.sizes.input_length - n_rows)
        n = n_before + n_rows
        if level is not None and memory.level is not None:
            level = (memory.level * n_before + level * n_rows) / n
        return n, level


def _carried(
    x: Float[Tensor, "B T P"] | None,
    offset: nn.Parameter | None,
    start: Int[Tensor, " B"] | None,
    before: Float[Tensor, "B 1 P"] | None,
) -> tuple[Float[Tensor, "B T P"] | None, Float[Tensor, "B 1 P"] | None]:
    """Fill the gaps of covariates and mark them; return the last values observed as well."""
    if x is None or offset is None:
        return None, None
    missing = gaps_of(x)
    if start is not None:
        earlier = (arange(x.shape[1], device=x.device) < start[:, None])[..., None].expand_as(x)
        missing = earlier if missing is None else missing | earlier
    filled = carry_forward(x, missing, before)
    return add_offset(filled, missing, offset), filled[:, -1:]


def build_forecaster(
    network: Network, *, use_instance_norm: bool | str, restore_rules: Sequence[str], **shared: Any
) -> Forecaster:
    """Put a network behind the shared path: the one that streams, unless network or normalisation stand against it."""
    require_norm(use_instance_norm, network)
    if streams(network) and use_instance_norm in (False, "running"):
        normalise = use_instance_norm == "running"
        return StreamingForecaster(network, normalise=normalise, restore_rules=restore_rules, **shared)
    return Forecaster(network, use_instance_norm=use_instance_norm, restore_rules=restore_rules, **shared)
