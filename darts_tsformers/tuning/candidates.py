"""From what a trial draws to how a model is built."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from darts_tsformers.adapter.search_space import Options, Range, Space
from darts_tsformers.catalogue import forecasters
from darts_tsformers.tuning.task import Task
from darts_tsformers.workflow.settings import AUTO, Settings, choose_settings

if TYPE_CHECKING:
    import optuna

MODEL = "model"
LOOKBACK = "input_chunk_length"
_MARK = ": "


@dataclass(frozen=True)
class Candidates:
    """All ways to build a forecaster that may be tried.

    Attributes
    ----------
    task
        What is to be forecast.
    given
        Names of :func:`~darts_tsformers.catalogue.forecasters`, or ``"auto"`` for what is recommended.
    space
        What to try in place of what each class says; None for that.
    arguments
        Arguments of the classes that are the same in all trials.
    quantiles
        Quantiles to forecast; empty for a point forecast.
    epochs
        Most epochs of a trial; None for what is usual.
    seed
        Of initial weights and the order of windows.
    """

    task: Task
    given: Sequence[str]
    space: Space | None
    arguments: Mapping[str, Any]
    quantiles: Sequence[float]
    epochs: int | None
    seed: int

    @cached_property
    def recommended(self) -> Settings:
        """What would be built without tuning."""
        return self._settings(AUTO, None, {})

    @cached_property
    def models(self) -> list[str]:
        """Names of the models that are searched."""
        return list(dict.fromkeys(self.recommended.model if name == AUTO else name for name in self.given))

    def start(self, model: str) -> Settings:
        """Return where the search of a model begins: what would be built of it without tuning."""
        return self.recommended if model == self.recommended.model else self._settings(model, None, {})

    def spaces(self, model: str) -> Space:
        """Return what is tried of a model; where its search begins is part of it."""
        start = self.start(model)
        known = forecasters()[model].load()
        space = self.space
        if space is None:
            n_windows = start.steps_per_epoch * start.model_arguments["batch_size"]
            space = known.search_space(start.lookback, self.task.season, n_windows)
        longest = (self.task.ends[0][0] - self.task.horizon) // 2
        return {
            name: _around(values, _entry(start, name), longest if name == LOOKBACK else None)
            for name, values in space.items()
            if name not in self.arguments
        }

    def first_draw(self, model: str) -> dict[str, Any]:
        """Return what a trial would have to draw to be :meth:`start`."""
        drawn = {MODEL: model}
        for name, values in self.spaces(model).items():
            given = _entry(self.start(model), name)
            if given is not None and _holds(values, given):
                drawn[_key(model, name)] = given
        return drawn

    def draw(self, trial: "optuna.trial.BaseTrial") -> Settings:
        """Let a trial choose."""
        model = trial.suggest_categorical(MODEL, list(self.models))
        drawn = {}
        for name, values in self.spaces(model).items():
            key = _key(model, name)
            if isinstance(values, Range):
                drawn[name] = trial.suggest_float(key, values.low, values.high, log=values.log)
            else:
                drawn[name] = trial.suggest_categorical(key, list(values.values))
        return self.settings(model, drawn)

    def settings(self, model: str, drawn: Mapping[str, Any]) -> Settings:
        """Return how a model is built with what was drawn for it."""
        drawn = dict(drawn)
        return self._settings(model, drawn.pop(LOOKBACK, None), drawn)

    def _settings(self, model: str, lookback: int | None, drawn: Mapping[str, Any]) -> Settings:
        task = self.task
        base = nested(drawn, self.arguments)
        lookback = base.pop(LOOKBACK, lookback)
        if model != AUTO and self.recommended.recommendation is not None and model == self.recommended.model:
            base = dict(self.recommended.recommendation.best.arguments) | base
        return choose_settings(
            task.typical,
            task.horizon,
            model,
            future_covariates=None if task.future_covariates is None else task.future_covariates[0],
            lookback=lookback,
            season=task.season,
            epochs=self.epochs,
            quantiles=self.quantiles,
            seed=self.seed,
            model_arguments=base,
            n_series=len(task.series),
        )


def nested(drawn: Mapping[str, Any], given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return arguments, after others that are given; of ``"a.b"`` an entry ``"b"`` of a dictionary ``a``."""
    arguments = dict(given or {})
    for name, value in drawn.items():
        argument, _, entry = name.partition(".")
        arguments[argument] = {**arguments.get(argument, {}), entry: value} if entry else value
    return arguments


def drawn_by(trial: "optuna.trial.FrozenTrial") -> dict[str, Any]:
    """Return what a trial drew, by the names of arguments."""
    return {key.partition(_MARK)[2]: value for key, value in trial.params.items() if key != MODEL}


def _key(model: str, name: str) -> str:
    return f"{model}{_MARK}{name}"


def _entry(settings: Settings, name: str) -> Any:
    """Return what a model of these settings has for an argument, or for an entry of it; None for nothing."""
    if name == LOOKBACK:
        return settings.lookback
    argument, _, entry = name.partition(".")
    default = inspect.signature(forecasters()[settings.model].load()).parameters[argument].default
    given = settings.model_arguments.get(argument, default)
    return given.get(entry) if entry and isinstance(given, Mapping) else given


def _around(values: Options | Range, start: Any, most: int | None) -> Options | Range:
    """Add where the search begins to some options, and leave out those above a limit."""
    if isinstance(values, Range):
        return values
    kept = [one for one in values.values if most is None or one <= most or one == start]
    return Options((*kept, *([start] if start is not None and start not in kept else [])))


def _holds(values: Options | Range, given: Any) -> bool:
    return given in values.values if isinstance(values, Options) else values.low <= given <= values.high
