"""From the class of a Darts model to the class of its sktime forecaster."""

import inspect
from typing import Any

from darts_tsformers.models import TSFormerModel
from darts_tsformers.sktime._docs import compose
from darts_tsformers.sktime._forecaster import TSFormerForecaster

HOME = "darts_tsformers.sktime"
WITHOUT_A_PLACE = {"output_chunk_shift", "use_static_covariates", "categorical_embedding_sizes"}
"""What sktime has no place for: the horizon says which steps are wanted, and there are no static covariates."""
MADE: dict[type[TSFormerModel], type[TSFormerForecaster]] = {}


def forecaster_class(model_class: type[TSFormerModel], name: str) -> type[TSFormerForecaster]:
    """Return the sktime forecaster of a Darts model, the same one each time.

    It pickles by its import path, so ``name`` must be found in ``darts_tsformers.sktime``.
    """
    if model_class not in MADE:
        MADE.setdefault(model_class, _make(model_class, name))  # another thread may have made it by now
    return MADE[model_class]


def _make(model_class: type[TSFormerModel], name: str) -> type[TSFormerForecaster]:
    signature = _signature(model_class)

    def __init__(self: TSFormerForecaster, /, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        try:
            bound = signature.bind(self, *args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}.__init__() {error}") from None
        bound.apply_defaults()
        TSFormerForecaster.__init__(**bound.arguments)

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    __init__.__qualname__ = f"{name}.__init__"
    __init__.__module__ = HOME
    return type(
        name,
        (TSFormerForecaster,),
        {
            "__module__": HOME,
            "__doc__": compose(name, model_class, TSFormerForecaster.__doc__, signature),
            "__init__": __init__,
            "model_class": model_class,
        },
    )


def _signature(model_class: type[TSFormerModel]) -> inspect.Signature:
    """Join the arguments that are the model's own and those of every forecaster."""
    joined = {
        name: parameter
        for function in (model_class.__init__, TSFormerForecaster.__init__)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD and name not in WITHOUT_A_PLACE
    }
    return inspect.Signature(list(joined.values()), return_annotation=None)
