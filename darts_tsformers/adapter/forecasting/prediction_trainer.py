"""The trainer that forecasts, made once: to make one takes longer than most forecasts."""

from typing import Any

from pytorch_lightning import Trainer


class PredictionTrainer:
    """Keeps the trainer of the last forecast, for the next that is made with the same arguments."""

    def __init__(self) -> None:
        self._trainer: Trainer | None = None
        self._made_with: dict[str, Any] = {}

    def keep(self, trainer: Trainer, **arguments: Any) -> None:
        """Remember a trainer and what it was made with."""
        self._trainer, self._made_with = trainer, _as_they_are(arguments)

    def again(self, **arguments: Any) -> Trainer | None:
        """Return the trainer if it was made with these arguments, and ended its last forecast well."""
        is_fit = self._trainer is not None and self._trainer.state.finished
        return self._trainer if is_fit and self._made_with == _as_they_are(arguments) else None


def _as_they_are(arguments: dict[str, Any]) -> dict[str, Any]:
    """Copy lists, which their owner may change."""
    return {name: list(value) if isinstance(value, list) else value for name, value in arguments.items()}
