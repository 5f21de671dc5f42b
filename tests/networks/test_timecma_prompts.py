import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from darts_tsformers.networks import _timecma_prompts
from darts_tsformers.networks._timecma_prompts import UNKNOWN, WindowPrompts, rounded
from darts_tsformers.recording import recording
from tests.helpers import draw, exactly
from tests.language.languages import ARCHITECTURES, untrained

LENGTH, WIDTH = 7, 3


def prompts(architecture: str = "gpt2", **kwargs) -> WindowPrompts:
    arguments = {"description": None, "n_decimals": 1, "n_kept": 1000} | kwargs
    return WindowPrompts(untrained(architecture), **arguments)


def values(batch: int = 2, seed: int = 0) -> Tensor:
    return 30 * draw(batch, LENGTH, WIDTH, seed=seed)


def read_alone(model: WindowPrompts, text: str) -> Tensor:
    """Read one prompt by itself, and return the state of its last token."""
    ids = torch.tensor(model.language.tokenize([text]))
    return model.language(model.language.embed(ids))[0, -1]


def words_read(model: WindowPrompts) -> list[str]:
    """Collect from here on what is tokenised."""
    heard: list[str] = []
    tokenize = model.language.tokenize
    model.language.tokenize = lambda texts: heard.extend(texts) or tokenize(texts)
    return heard


def test_a_prompt_holds_the_steps_the_values_the_description_and_the_change():
    x = torch.tensor([1.25, -0.04, torch.nan, -3.16, 12.0])[None, :, None]
    (numbers,) = rounded(x, None, 1)
    assert prompts(description="One value an hour.").text(numbers) == (
        "Steps 1 to 5 of a series, in units of 0.1: 12, 0, unknown, -32, 120. One value an hour. "
        "Sum of its changes: 108"
    )


@pytest.mark.parametrize(
    ("n_decimals", "written"),
    [(0, ": -3, 10. Sum of its changes: 13"), (2, ", in units of 0.01: -316, 999. Sum of its changes: 1315")],
)
def test_numbers_have_as_many_decimals_as_asked_for(n_decimals, written):
    (numbers,) = rounded(torch.tensor([[[-3.156], [9.9949]]]), None, n_decimals)
    assert prompts(n_decimals=n_decimals).text(numbers) == f"Steps 1 to 2 of a series{written}"


def test_the_change_is_between_what_was_observed():
    x, missing = torch.tensor([5.0, 1.0, 4.0, 9.0])[None, :, None], torch.tensor([True, False, False, True])
    (numbers,) = rounded(x, missing[None, :, None], 1)
    assert numbers.tolist() == [UNKNOWN, 10, 40, UNKNOWN]
    assert prompts().text(numbers).endswith("unknown, 10, 40, unknown. Sum of its changes: 30")


def test_where_nothing_was_observed_so_is_the_change():
    assert prompts().text(np.full(2, UNKNOWN)).endswith("unknown, unknown. Sum of its changes: unknown")


def test_numbers_beyond_all_bounds_are_cut():
    (numbers,) = rounded(torch.tensor([[[1e30], [-torch.inf]]]), None, 1)
    assert numbers.tolist() == [10**15, UNKNOWN]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("at_a_time", [1, 4096], ids=["one by one", "together"])
def test_each_prompt_is_read_as_if_it_were_alone(architecture, at_a_time, monkeypatch):
    monkeypatch.setattr(_timecma_prompts, "TOKENS", at_a_time)
    model, x = prompts(architecture).double(), values()
    numbers = rounded(x, None, 1)
    texts = [model.text(row) for row in numbers]
    assert len({len(text) for text in texts}) > 2
    expected = torch.stack([read_alone(model, text) for text in texts]).view(2, WIDTH, -1)
    torch.testing.assert_close(model(x.double()), expected, rtol=1e-6, atol=1e-6)


def test_no_prompt_is_read_twice():
    model, x = prompts(), values(3)
    heard = words_read(model)
    first = model(x[:2])
    both = model(torch.cat([x, x + 0.001]))
    assert (
        len(heard)
        == len(set(heard))
        == 3 * WIDTH
        + sum((a != b).any() for a, b in zip(rounded(x, None, 1), rounded(x + 0.001, None, 1), strict=True))
    )
    assert torch.equal(both[:2], first)


def test_no_more_prompts_are_kept_than_asked_for():
    model, x = prompts(n_kept=WIDTH + 1), values()
    heard = words_read(model)
    assert torch.equal(model(x), model(x))
    assert len(model.kept) == WIDTH + 1
    assert len(heard) == 2 * WIDTH + WIDTH - 1
    assert len(prompts(n_kept=0).kept) == 0


def test_what_is_kept_is_in_no_copy_and_in_no_file():
    model = prompts()
    before = model.state_dict().keys()
    model(values())
    assert len(model.kept) == 2 * WIDTH
    assert len(copy.deepcopy(model).kept) == 0
    assert model.state_dict().keys() == before


def test_other_weights_or_another_precision_forget_what_was_kept():
    model, other, x = prompts(), prompts(), values()
    before = model(x)
    for weight in other.parameters():
        weight.data *= 1.5
    model.load_state_dict(other.state_dict())
    assert not torch.isclose(model(x), before).any()
    double = model.double()(x.double())
    assert double.dtype == torch.float64
    assert torch.equal(double, other.double()(x.double()))


def test_a_language_model_that_is_trained_is_asked_each_time():
    model, x = prompts(), values()
    before = model(x)
    model.language.requires_grad_(True)
    out = model(x)
    torch.testing.assert_close(out, before)
    out.square().sum().backward()
    moved = [weight for weight in model.language.parameters() if weight.grad is not None]
    assert moved
    for weight in moved:
        weight.data -= 0.1 * weight.grad
    assert not torch.isclose(model(x), before).all()
    model.language.requires_grad_(False)
    assert not torch.isclose(model(x), before).all()


def test_what_was_read_in_a_forecast_serves_in_training():
    model, x, weight = prompts(), values(), torch.ones(6, requires_grad=True)
    with torch.inference_mode():
        model(x)
    (model(x) * weight).sum().backward()
    assert weight.grad.abs().sum() > 0


def test_a_language_model_reads_in_full_precision_and_is_in_no_explanation():
    model, x = prompts(), values()
    with torch.autocast("cpu", dtype=torch.bfloat16), recording("attention") as record:
        narrow = model(x)
    assert record["attention"] == []
    assert torch.equal(narrow, prompts()(x))


def test_a_prompt_too_long_to_be_read_is_refused():
    short = WindowPrompts(untrained(max_position_embeddings=64), description=None, n_decimals=1, n_kept=0)
    with pytest.raises(ValueError, match=r"^input_chunk_length=7 makes a prompt of \d+ tokens, and backbone='gpt2' "):
        short(values())


def test_no_export_writes_text():
    class Exported(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.prompts = prompts()

        def forward(self, x: Tensor) -> Tensor:
            return self.prompts(x)

    message = "a prompt is text, which no exported network can write: export one with backbone='none'"
    with pytest.raises(ValueError, match=exactly(message)):
        torch.export.export(Exported(), (values(),), strict=False)
