"""What each model can do, read off the classes: ``python -m darts_tsformers.capabilities`` prints the table."""

import inspect
from collections.abc import Callable

import pandas as pd
import torch

from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.catalogue import by_model_name
from darts_tsformers.networks import Forecaster, Network, StreamingNetwork
from darts_tsformers.window import Sizes, Window

LENGTHS = (96, 24)


def capability_table() -> pd.DataFrame:
    """Return one row per public forecaster and one column per capability."""
    return pd.DataFrame([_capabilities(entry.load()) for entry in by_model_name().values()]).set_index("model")


def _capabilities(model_class: type[TSFormerModel]) -> dict[str, object]:
    make: Callable[..., TSFormerModel] = model_class
    model = make(*LENGTHS)
    with torch.device("meta"):
        network = _network(model_class)
    arguments = inspect.signature(model_class).parameters
    return {
        "model": model_class.__name__,
        "past covariates": model.supports_past_covariates,
        "future covariates": model.supports_future_covariates,
        "static covariates": model.supports_static_covariates,
        "several targets": model.supports_multivariate,
        "every likelihood of Darts": "likelihood" in arguments,
        "instance normalisation": "use_instance_norm" in arguments,
        "gaps": _forecasts_through_gaps(model_class),
        "short histories": "min_input_chunk_length" in arguments,
        "categories": "categorical_embedding_sizes" in arguments,
        "another number of targets at prediction": network.width_tie is None,
        "streams": issubclass(model_class.network_class, StreamingNetwork),
        "`attention=`": "attention" in arguments,
        "`train_variates=`": "train_variates" in arguments and network.width_tie is None,
    }


def _forecasts_through_gaps(model_class: type[TSFormerModel]) -> bool:
    forecaster = Forecaster(_network(model_class)).eval()
    target = torch.full((1, LENGTHS[0], 1), torch.nan)
    target[:, ::2] = 1.0
    return bool(forecaster(Window(target)).isfinite().all())


def _network(model_class: type[TSFormerModel]) -> Network:
    """Build the network of a model as it is by default, but without a language model, which may have to be fetched."""
    known = inspect.signature(model_class.network_class).parameters
    return model_class.network_class(Sizes(*LENGTHS), **({"backbone": "none"} if "backbone" in known else {}))


def to_markdown(table: pd.DataFrame) -> str:
    """Write the table as Markdown, with a tick for what is true; what is true of all goes into one sentence."""
    shared = [name for name in table.columns if table[name].all()]
    told = table.drop(columns=shared)
    header = ["model", *told.columns]
    lines = [header, ["---", *(":-:" for _ in told.columns)]]
    for name, row in zip(told.index, told.to_numpy(), strict=True):
        lines.append([f"`{name}`", *("✓" if value else "–" for value in row)])
    written = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{written}\n\nEvery model has or takes: {', '.join(shared)}." if shared else written


if __name__ == "__main__":
    print(to_markdown(capability_table()))
