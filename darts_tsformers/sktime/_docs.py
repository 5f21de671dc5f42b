"""Docstrings of the forecasters: what a model is, and what an argument means, is said once, where it belongs."""

import inspect

from darts_tsformers.adapter.docs import compose_docstring
from darts_tsformers.docstrings import parameters_of, parameters_section
from darts_tsformers.models import TSFormerModel

NOTES = """
A panel or a hierarchy trains one network on all its instances. ``X`` is known in the future: forecasting takes its rows
at the steps to forecast. NaN in ``y``, and in ``X`` up to the cutoff, means not observed; so does a step without a row.
After ``pretrain`` on a panel, ``fit`` keeps the weights and takes in the series to forecast; with ``pretraining`` it
trains on from them. ``update`` trains anew on all the data seen, unless ``update_params=False`` or ``fit`` keeps
weights. Forecasts are made in single precision and are the same each time.
"""

EXAMPLE = """
>>> from sktime.datasets import load_airline
>>> from darts_tsformers.sktime import {name}
>>> y = load_airline()
>>> forecaster = {name}(36, 12, n_epochs=1, random_state=0{more})
>>> forecaster.fit(y, fh=range(1, 13)).predict().index[-1]
Period('1961-12', 'M')
>>> forecaster.predict_interval(coverage=0.9).shape
(12, 2)
"""


def compose(name: str, model_class: type[TSFormerModel], shared: str | None, constructor: inspect.Signature) -> str:
    """Write the docstring of a forecaster.

    Parameters
    ----------
    name
        Its name.
    model_class
        Its Darts model, which says what it is; the network describes its own arguments.
    shared
        The docstring that describes the arguments of every forecaster.
    constructor
        The signature of its ``__init__``.
    """
    texts = parameters_of(model_class.network_class.__doc__ or "") | parameters_of(shared or "")
    more = ', backbone="none"' if "backbone" in constructor.parameters else ""  # which downloads nothing
    arguments = [parameter for parameter in constructor.parameters.values() if parameter.name != "self"]
    return compose_docstring(
        f"{summary_of(model_class)}\n\nSee :class:`darts_tsformers.{model_class.__name__}`.\n\n"
        f"Notes\n-----{NOTES}{_beyond_forecasting(model_class)}\n"
        f"Examples\n--------{EXAMPLE.format(name=name, more=more)}",
        parameters_section(texts),
        inspect.Signature(arguments),
    )


def summary_of(documented: type) -> str:
    """Return what a docstring says before its first section."""
    return inspect.cleandoc(documented.__doc__ or "").partition("\n\nParameters\n")[0]


def _beyond_forecasting(model_class: type[TSFormerModel]) -> str:
    """Name the methods that a model has and others do not, each with what it does."""
    own = [cls for cls in model_class.__mro__ if issubclass(cls, TSFormerModel)]
    methods = {
        name: inspect.cleandoc(member.__doc__ or "").partition("\n")[0]
        for cls in own
        for name, member in vars(cls).items()
        if inspect.isfunction(member) and not name.startswith("_") and not hasattr(TSFormerModel, name)
    }
    return "".join(f"\n``model_.darts.{name}``: {text[:1].lower()}{text[1:]}\n" for name, text in methods.items())
