"""Try classical forecasters, where each search begins, and then what the study draws, until time is up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, TypeAlias

from darts_tsformers.tuning import classical, fitting
from darts_tsformers.tuning.candidates import MODEL, Candidates, drawn_by
from darts_tsformers.workflow.process import few_threads, quiet_libraries
from darts_tsformers.workflow.settings import Settings

if TYPE_CHECKING:
    import optuna

Tell: TypeAlias = "Callable[[optuna.trial.FrozenTrial], None]"

NAME, EPOCHS, SECONDS, WHY, START = "name", "epochs", "seconds", "why", "start"
"""What is written down of a trial beside what it drew and its error."""


@dataclass(frozen=True)
class Limits:
    """When a search ends.

    Attributes
    ----------
    deadline
        Reading of ``perf_counter``.
    n_trials
        Most trials of forecasters, of all times that the study was opened; None for any number.
    """

    deadline: float
    n_trials: int | None

    def reached(self, study: "optuna.Study") -> bool:
        """Whether it is time to end, and a forecaster was tried."""
        ended = [trial for trial in study.trials if trial.state.is_finished()]
        done = sum(trial.user_attrs.get(NAME) not in classical.NAMES for trial in ended)
        return done > 0 and (perf_counter() >= self.deadline or (self.n_trials is not None and done >= self.n_trials))


def search(study: "optuna.Study", candidates: Candidates, limits: Limits, tell: Tell) -> None:
    """Add trials to a study; ``tell`` hears of each. The first forecaster is tried even if time is up by then."""
    with quiet_libraries(), few_threads(candidates.task.typical.n_components):
        _try_classical(study, candidates, tell)
        _enqueue_starts(study, candidates)
        while not limits.reached(study):
            _try_forecaster(study, candidates, limits.deadline, tell)


def settings_of(trial: "optuna.trial.FrozenTrial", candidates: Candidates) -> Settings:
    """Return how the forecaster of a trial that was made is built."""
    model, drawn = trial.user_attrs[MODEL], drawn_by(trial)
    return candidates.settings(model, drawn) if drawn else candidates.start(model)


def _try_classical(study: "optuna.Study", candidates: Candidates, tell: Tell) -> None:
    known = {trial.user_attrs.get(NAME) for trial in study.trials}
    for name in classical.NAMES:
        if name not in known:
            trial = study.ask()
            trial.set_user_attr(NAME, name)
            with _ending(study, trial, tell) as found:
                found.append(classical.error(candidates.task, name))


def _enqueue_starts(study: "optuna.Study", candidates: Candidates) -> None:
    """Let the first trials be what is recommended, and where the search of each model begins."""
    known = {trial.user_attrs.get(START) for trial in study.trials}
    for model in dict.fromkeys([candidates.recommended.model, *candidates.models]):
        if model not in known:
            draw = candidates.first_draw(model) if model in candidates.models else {}
            study.enqueue_trial(draw, user_attrs={START: model})


def _try_forecaster(study: "optuna.Study", candidates: Candidates, deadline: float, tell: Tell) -> None:
    """Try the next one: where a search begins, and is not pruned, or what is drawn."""
    trial = study.ask()
    start = trial.user_attrs.get(START)
    with _ending(study, trial, tell) as found:
        settings = candidates.draw(trial) if start is None or start in candidates.models else candidates.start(start)
        trial.set_user_attr(NAME, settings.model_class)
        trial.set_user_attr(MODEL, settings.model)
        fitted = fitting.fit(candidates.task, settings, deadline, trial, may_prune=start is None)
        trial.set_user_attr(EPOCHS, fitted.epochs)
        if not fitted.is_pruned:
            found.append(fitting.error(candidates.task, settings, fitted.model))


@contextmanager
def _ending(study: "optuna.Study", trial: "optuna.Trial", tell: Tell) -> Iterator[list[float]]:
    """Tell a study the error that is put in the list; that the trial was pruned if none is; or why it failed."""
    from optuna.trial import TrialState

    found: list[float] = []
    begin = perf_counter()
    state = TrialState.FAIL
    try:
        yield found
        state = TrialState.COMPLETE if found else TrialState.PRUNED
    except ValueError as error:
        trial.set_user_attr(WHY, str(error))
    finally:
        trial.set_user_attr(SECONDS, perf_counter() - begin)
        study.tell(trial, *found, state=state)
    tell(study.trials[trial.number])
