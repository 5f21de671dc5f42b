"""Class docstrings and signatures put together from the parts that models share."""

import inspect
from collections.abc import Callable
from typing import Any

from darts.models.forecasting.pl_forecasting_module import PLForecastingModule
from darts.models.forecasting.torch_forecasting_model import DEFAULT_DARTS_FOLDER, TorchForecastingModel

from darts_tsformers.adapter.arguments import DOCS, DartsArguments
from darts_tsformers.docstrings import parameters_of, parameters_section

SHARED: dict[str, str] = {
    "input_chunk_length": "Steps looked back on (``L``).",
    "output_chunk_length": "Steps forecast at once (``H``). A longer forecast is rolled out step by step of ``H``.",
    "output_chunk_shift": "Steps left out between the last one seen and the first one forecast.",
    "use_instance_norm": (
        "Whether the network sees each window of the target at its own level and spread; undone for point forecasts "
        'and for every likelihood of Darts. ``"magnitude"`` divides each window by the mean of its absolute values '
        'alone. Of a model that streams, ``"running"`` shows each step at level and spread '
        "of what was seen up to it, which a stream needs unless it is False."
    ),
    "instance_norm_affine": "Whether that normalisation learns a scale and a bias for each component.",
    "train_variates": (
        "Number (int) or share (float) of the target's components drawn anew for each training batch; the loss is on "
        "those alone, validation and prediction are on all. None for all."
    ),
    "min_input_chunk_length": (
        "Fewest steps a series must have; a shorter look-back is filled up on the left as not observed. "
        "None for the full look-back."
    ),
    "recompute": (
        "Whether the backward pass computes what the layers kept anew: a training step takes less memory and more time."
    ),
    "use_static_covariates": "Whether static covariates of the series, if there are any, are used.",
    "hub_model_name": "Repository with the weights on the Hugging Face hub. None for ``local_dir``, or to train anew.",
    "hub_model_revision": "Its branch, tag or commit.",
    "local_dir": "Folder with ``config.json`` and ``model.safetensors``; nothing is downloaded then.",
    "accept_license": (
        "Whether you have read the licence of the published weights and accept it; they are not loaded otherwise. "
        "To train anew it does not matter."
    ),
    "categorical_embedding_sizes": (
        "Static covariates that are categories, coded ``0, 1, ...``: name to cardinality, or to cardinality and width "
        'of the embedding, as in ``{"store": (54, 8)}``.'
    ),
}


RAISES = """
Raises
------
ValueError
    If an argument breaks its rule; the message names it, its value and the rule.
"""


def compose_docstring(own: str, network: str, signature: inspect.Signature) -> str:
    """Put the parameters that ``signature`` names into a model's own docstring.

    Their texts come from the shared parts, from the network's docstring, and from the arguments of Darts.
    """
    texts: dict[str, str] = {}
    for names, text in parameters_of(network).items():
        texts |= dict.fromkeys(names.split(", "), text)
    texts |= SHARED | DOCS
    undocumented = [name for name in signature.parameters if name not in texts]
    if undocumented:
        raise TypeError(f"argument {undocumented[0]!r} must be documented under Parameters in the network's docstring")
    section = parameters_section({name: texts[name] for name in signature.parameters})
    summary, _, rest = inspect.cleandoc(own).partition("\n\nNotes\n")
    return f"{summary}\n\n{section}{RAISES}" + (f"\nNotes\n{rest}" if rest else "")


def full_signature(own: inspect.Signature) -> inspect.Signature:
    """Replace ``**kwargs`` by the keyword arguments of Darts, with Darts' defaults."""
    defaults = _defaults(TorchForecastingModel.__init__) | _defaults(PLForecastingModule.__init__)
    defaults["work_dir"] = DEFAULT_DARTS_FOLDER  # Darts' own default is this folder in whatever was the current one
    explicit = [p for p in own.parameters.values() if p.name != "self" and p.kind is not p.VAR_KEYWORD]
    types = DartsArguments.__annotations__
    darts = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=types[name])
        for name in DOCS
    ]
    return inspect.Signature([*explicit, *darts])


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    return {p.name: p.default for p in inspect.signature(function).parameters.values()}
