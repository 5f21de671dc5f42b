"""Docstrings of the forecasters: what an argument means is said once, where it belongs."""

import inspect
import textwrap

from darts_tsformers.adapter.docs import compose_docstring, parameters_of
from darts_tsformers.models import TSFormerModel

NOTES = """
Notes
-----
A panel or a hierarchy trains one network on all its instances. ``X`` is known in the future: forecasting takes its rows
at the steps to forecast. NaN in ``y``, and in ``X`` up to the cutoff, means not observed; so does a step without a row.
After ``pretrain`` on a panel, ``fit`` keeps the weights and takes in the series to forecast. ``update`` trains anew on
all the data seen, unless ``update_params=False`` or the forecaster is pretrained. Forecasts are made in single
precision and are the same each time.
"""


def compose(
    own: str | None, model_class: type[TSFormerModel], shared: str | None, constructor: inspect.Signature
) -> str:
    """Put parameters and notes into the docstring of a forecaster.

    Parameters
    ----------
    own
        Its docstring: a summary, examples.
    model_class
        Its Darts model, whose network describes its own arguments.
    shared
        The docstring that describes the arguments of every forecaster.
    constructor
        The signature of its ``__init__``.
    """
    texts = parameters_of(model_class.network_class.__doc__ or "") | parameters_of(shared or "")
    entries = "\n".join(f"{names}\n{textwrap.indent(text, '    ')}" for names, text in texts.items())
    arguments = [parameter for parameter in constructor.parameters.values() if parameter.name != "self"]
    summary, _, examples = inspect.cleandoc(own or "").partition("\nExamples\n")
    return compose_docstring(
        f"{summary}{NOTES}\nExamples\n{examples}",
        f"Parameters\n----------\n{entries}\n",
        inspect.Signature(arguments),
    )
