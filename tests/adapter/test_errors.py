"""A bad argument fails when the model is made, with its name, its value and the rule."""

import re

import pytest
from darts.utils.likelihood_models.torch import DirichletLikelihood

from darts_tsformers import InformerModel, ITransformerModel, PatchTSTModel
from darts_tsformers.attention import FullAttention, attention_names
from tests.contracts.cases import CASES as EVERY_MODEL

COMMON = [
    ({"input_chunk_length": 0}, "input_chunk_length=0 must be an integer of at least 1"),
    ({"output_chunk_length": 2.5}, "output_chunk_length=2.5 must be an integer of at least 1"),
    ({"output_chunk_shift": -1}, "output_chunk_shift=-1 must be an integer of at least 0"),
    ({"d_model": 64, "n_heads": 3}, "n_heads=3 must divide d_model=64"),
    ({"n_heads": 0}, "n_heads=0 must be an integer of at least 1"),
    ({"n_encoder_layers": 0}, "n_encoder_layers=0 must be an integer of at least 1"),
    ({"d_ff": -4}, "d_ff=-4 must be an integer of at least 1"),
    ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
    ({"dropout": "0.1"}, "dropout='0.1' must be in [0, 1)"),
    ({"dropout": float("nan")}, "dropout=nan must be in [0, 1)"),
    ({"activation": ["gelu"]}, "activation=['gelu'] must be one of"),
    ({"likelihood": "gaussian"}, "likelihood='gaussian' must be None or a likelihood of Darts"),
    ({"use_instance_norm": "yes"}, "use_instance_norm='yes' must be True, False or 'magnitude'"),
    ({"attention": ("full", {"x": 1})}, "attention='full' cannot be built with {'x': 1}"),
    ({"categorical_embedding_sizes": "store"}, "categorical_embedding_sizes='store' must be a dict of name to"),
    (
        {"categorical_embedding_sizes": {"store": (3,)}},
        "categorical_embedding_sizes['store']=(3,) must be a dict of name to cardinality, or to (cardinality, width)",
    ),
    (
        {"categorical_embedding_sizes": {"store": 0}},
        "categorical_embedding_sizes['store']=0 must be an integer of at least 1",
    ),
    (
        {"train_variates": 2, "likelihood": DirichletLikelihood()},
        "train_variates=2 needs a model that is not tied to its components; it is by likelihood=",
    ),
    ({"activation": "tanhh"}, "activation='tanhh' must be one of ['elu', 'gelu', 'relu', 'silu', 'squared_relu']"),
    (
        {"attention": "none"},
        f"attention='none' must be one of {attention_names()}",
    ),
    ({"train_variates": 0}, "train_variates=0 must be None, an integer of at least 1 or a share in (0, 1]"),
    ({"train_variates": 1.5}, "train_variates=1.5 must be None, an integer of at least 1 or a share in (0, 1]"),
    (
        {"train_variates": 2, "use_reversible_instance_norm": True},
        "train_variates=2 needs a model that is not tied to its components; it is by use_reversible_instance_norm=True",
    ),
    ({"d_modl": 8}, "Model; did you mean 'd_model'?"),
]
PATCHTST = [
    ({"patch_length": 25}, "patch_length=25 must be at most input_chunk_length=24"),
    ({"patch_length": 0}, "patch_length=0 must be an integer of at least 1"),
    ({"stride": 0}, "stride=0 must be an integer of at least 1"),
    ({"norm": "group"}, "norm='group' must be one of ['batch', 'layer']"),
    ({"pad_end": None}, "pad_end=None must be True or False"),
    ({"individual_head": 3}, "individual_head=3 must be True or False"),
    ({"instance_norm_affine": "x"}, "instance_norm_affine='x' must be True or False"),
    ({"head_dropout": -0.1}, "head_dropout=-0.1 must be in [0, 1)"),
    ({"decomposition_kernel": 0}, "decomposition_kernel=0 must be an integer of at least 1"),
    (
        {"train_variates": 0.5, "instance_norm_affine": True},
        "train_variates=0.5 needs a model that is not tied to its components; it is by instance_norm_affine=True",
    ),
    (
        {"train_variates": 0.5, "individual_head": True},
        "train_variates=0.5 needs a model that is not tied to its components; it is by individual_head=True",
    ),
]
WIDTHS = [-1, 0, 2.5, "64", None, True]
INFORMER = [
    ({"distil_norm": "group"}, "distil_norm='group' must be one of ['batch', 'layer']"),
    ({"replica_layers": 1}, "replica_layers=1 must be None or the layers of each encoder"),
    ({"replica_layers": ()}, "replica_layers=() must be None or the layers of each encoder"),
    ({"replica_layers": (2, 0)}, "replica_layers=0 must be an integer of at least 1"),
]
CASES = [(model, *case) for model in (PatchTSTModel, ITransformerModel) for case in COMMON]
CASES += [(PatchTSTModel, *case) for case in PATCHTST]
CASES += [(InformerModel, *case) for case in INFORMER]
CASES += [
    (case.model_class, {"d_model": width}, f"d_model={width!r} must be an integer of at least ")
    for case in EVERY_MODEL
    if case.takes("d_model")
    for width in WIDTHS
]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("model", "arguments", "message"), CASES, ids=lambda x: getattr(x, "__name__", str(x))[:40])
def test_bad_arguments(model, arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        model(**{"input_chunk_length": 24, "output_chunk_length": 5} | arguments)


def test_a_mechanism_given_as_a_pattern_becomes_plain_data():
    model = ITransformerModel(24, 5, attention=FullAttention())
    assert model.model_params["attention"] == "full"


@pytest.mark.usefixtures("unchecked")
def test_something_that_is_no_mechanism():
    with pytest.raises(TypeError, match="attention=3 must be a name"):
        ITransformerModel(24, 5, attention=3)
