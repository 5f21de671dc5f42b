from pathlib import Path

import pytest
import torch

import darts_tsformers.attention
from darts_tsformers.attention import (
    Attention,
    FullAttention,
    attention_names,
    attention_spec,
    build_attention,
    register_attention,
    registry,
)
from darts_tsformers.layers.transformer.multi_head import MultiHeadAttention
from darts_tsformers.networks import ITransformer, PatchTST
from darts_tsformers.window import Sizes, Window
from tests.helpers import draw, exactly


class Cooled(FullAttention):
    """Attention with its scores divided by a temperature."""

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, q, k, v, *, causal=False, need_weights=False):
        return super().forward(q / self.temperature, k, v, causal=causal, need_weights=need_weights)


@pytest.fixture(autouse=True)
def mechanisms(monkeypatch):
    monkeypatch.setattr(registry, "_MECHANISMS", registry._MECHANISMS | {"cooled": Cooled})


WAYS = {
    "name": ("cooled", 1.0),
    "name and arguments": (("cooled", {"temperature": 5.0}), 5.0),
    "instance": (Cooled(7.0), 7.0),
}


@pytest.fixture(params=WAYS.values(), ids=WAYS.keys())
def way(request):
    return request.param


def test_full_attention_is_registered():
    assert "full" in attention_names()
    assert attention_spec("full") == ("full", {})
    assert isinstance(build_attention("full"), FullAttention)


def test_every_file_of_a_mechanism_is_registered_by_its_name():
    files = {file.stem for file in Path(registry.__file__).parent.glob("[a-z]*.py")} - {"registry"}
    assert files | {"cooled"} == set(attention_names())
    for name in files:
        mechanism = registry._MECHANISMS[name]
        assert mechanism.__module__ == f"darts_tsformers.attention.{name}"
        assert mechanism.__name__ in darts_tsformers.attention.__all__


def test_names_are_sorted():
    assert attention_names() == sorted(attention_names())
    assert "cooled" in attention_names()


def test_every_way_to_ask_builds_the_mechanism(way):
    attention, temperature = way
    mechanism = build_attention(attention)
    assert type(mechanism) is Cooled
    assert mechanism.temperature == temperature
    assert mechanism is not attention


def test_an_instance_becomes_plain_data():
    assert attention_spec(Cooled(7.0)) == ("cooled", {"temperature": 7.0})


def test_the_arguments_of_a_specification_are_copied():
    arguments = {"temperature": 5.0}
    _, copied = attention_spec(("cooled", arguments))
    copied["temperature"] = 3.0
    assert arguments == {"temperature": 5.0}


def test_a_layer_uses_the_mechanism(way):
    attention, temperature = way
    x = draw(2, 5, 6)
    layer = MultiHeadAttention(6, 2, attention=attention)
    plain = MultiHeadAttention(6, 2)
    plain.load_state_dict(layer.state_dict())
    assert layer.mechanism.temperature == temperature
    assert layer.mechanism is not attention
    assert torch.equal(layer(x)[0], plain(x)[0]) == (temperature == 1.0)


@pytest.mark.parametrize("network", [PatchTST, ITransformer], ids=["patchtst", "itransformer"])
def test_every_layer_of_a_network_builds_its_own_mechanism(network, way):
    attention, temperature = way
    sizes = Sizes(input_length=17, output_length=3, n_targets=2)
    model = network(sizes, attention=attention, n_encoder_layers=3, d_model=8, d_ff=7)
    mechanisms = [module for module in model.modules() if isinstance(module, Attention)]
    assert [type(mechanism) for mechanism in mechanisms] == [Cooled] * 3
    assert [mechanism.temperature for mechanism in mechanisms] == [temperature] * 3
    assert len({id(mechanism) for mechanism in mechanisms}) == 3
    assert all(mechanism is not attention for mechanism in mechanisms)
    assert model(Window(draw(5, 17, 2))).shape == (5, 3, 2, 1)


def test_a_registered_class_is_known_by_its_name():
    register_attention("cold", Cooled)
    assert "cold" in attention_names()
    assert type(build_attention("cold")) is Cooled


def test_registering_a_class_twice_under_one_name_is_harmless():
    register_attention("cooled", Cooled)
    assert attention_names().count("cooled") == 1


def test_a_taken_name_is_refused():
    with pytest.raises(ValueError, match=exactly("name='full' is already registered for FullAttention")):
        register_attention("full", Cooled)
    assert isinstance(build_attention("full"), FullAttention)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("mechanism", [torch.nn.Linear, "full", 3], ids=["another class", "name", "number"])
def test_what_is_no_mechanism_is_refused(mechanism):
    message = f"mechanism={mechanism!r} must be a subclass of darts_tsformers.attention.Attention"
    with pytest.raises(TypeError, match=exactly(message)):
        register_attention("other", mechanism)
    assert "other" not in attention_names()


@pytest.mark.parametrize("attention", ["nothing", ("nothing", {})], ids=["name", "name and arguments"])
def test_an_unknown_name_is_refused(attention):
    with pytest.raises(
        ValueError,
        match=exactly(
            f"attention='nothing' must be one of {attention_names()}; one of your own needs register_attention first"
        ),
    ):
        build_attention(attention)


def test_an_instance_of_an_unregistered_class_is_refused():
    class Unknown(FullAttention):
        """A mechanism that nobody registered."""

    message = f"attention={Unknown.__qualname__}(...) is not registered; call register_attention first"
    with pytest.raises(ValueError, match=exactly(message)):
        build_attention(Unknown())


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("attention", [3, ["full"], ("full", 3), ("full",), None], ids=repr)
def test_other_forms_are_refused(attention):
    message = f"attention={attention!r} must be a name, a (name, arguments) pair or an Attention"
    with pytest.raises(TypeError, match=exactly(message)):
        attention_spec(attention)
