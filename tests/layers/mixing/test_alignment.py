import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from darts_tsformers.layers.mixing.alignment import CrossModalAlignment
from tests.helpers import assert_same_with_gradients, count_dropouts, draw, exactly, scatter_

N, D, E = 5, 7, 11
both = pytest.mark.parametrize("faithful", [False, True], ids=["ours", "theirs"])


def alignment(n_variates: int = N, **kwargs) -> CrossModalAlignment:
    arguments = {"d_series": D, "d_prompt": E, "d_ff": 13} | kwargs
    return scatter_(CrossModalAlignment(n_variates, **arguments)).double().eval()


def given(n_variates: int = N, batch: int = 2) -> tuple[Tensor, Tensor]:
    series, prompts = (draw(batch, n_variates, width, seed=width, dtype=torch.float64) for width in (D, E))
    return series.requires_grad_(), prompts.requires_grad_()


def standardised(x: Tensor) -> Tensor:
    return (x - x.mean()) / (x.var(correction=0) + 1e-5).sqrt()


def naive(model: CrossModalAlignment, series: Tensor, prompts: Tensor) -> Tensor:
    """Align sample by sample and feature by feature."""
    return torch.stack([naive_sample(model, *pair) for pair in zip(series, prompts, strict=True)])


def naive_sample(model: CrossModalAlignment, series: Tensor, prompts: Tensor) -> Tensor:
    def normalised(x: Tensor, norm: torch.nn.LayerNorm) -> Tensor:
        if model.faithful:
            columns = [standardised(x[:, d]) * norm.weight + norm.bias for d in range(x.shape[1])]
            return torch.stack(columns, dim=1)
        return torch.stack([standardised(x[n]) * norm.weight + norm.bias for n in range(x.shape[0])])

    queries = normalised(series, model.series_norm)
    memory = normalised(prompts, model.series_norm if model.faithful else model.prompt_norm)
    start = queries if model.faithful else series
    columns = []
    for d in range(series.shape[1]):
        query = model.query.weight @ queries[:, d] + model.query.bias
        scores = [query @ (model.key.weight @ memory[:, e] + model.key.bias) for e in range(prompts.shape[1])]
        shares = (torch.stack(scores) / math.sqrt(len(series))).softmax(dim=0)
        found = sum(shares[e] * (model.value.weight @ memory[:, e] + model.value.bias) for e in range(len(shares)))
        columns.append(start[:, d] + model.project_out.weight @ found + model.project_out.bias)
    x = torch.stack(columns, dim=1)
    inner = normalised(x, model.feed_forward_norm)
    first, second = model.feed_forward[0], model.feed_forward[3]
    mapped = [second.weight @ F.gelu(first.weight @ inner[:, d] + first.bias) + second.bias for d in range(x.shape[1])]
    return (inner if model.faithful else x) + torch.stack(mapped, dim=1)


@both
@pytest.mark.parametrize("batch", [1, 2])
def test_equals_its_definition(faithful, batch):
    model, inputs = alignment(faithful=faithful), given(batch=batch)
    inputs_and_weights = [*inputs, *model.parameters()]
    assert_same_with_gradients(model(*inputs), naive(model, *inputs), inputs_and_weights)


@pytest.mark.parametrize("n_variates", [1, 2])
def test_any_number_of_variates_is_aligned_with_what_was_said_of_it(n_variates):
    model, (series, prompts) = alignment(n_variates), given(n_variates)
    expected = model(series, prompts)
    torch.testing.assert_close(expected, naive(model, series, prompts))
    for moved in ((series + series**2, prompts), (series, prompts + prompts**2)):
        assert ((model(*moved) - expected).abs() > 1e-9).all()


@pytest.mark.parametrize("n_variates", [1, 2])
def test_a_norm_over_one_or_two_variates_is_refused(n_variates):
    message = (
        "faithful=True must come with at least 3 variates, components and covariates together, not "
        f"{n_variates}: a norm over two leaves signs, and over one nothing"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        alignment(n_variates, faithful=True)


@both
def test_every_parameter_learns(faithful):
    model = alignment(faithful=faithful)
    out = model(*given())
    (out * draw(*out.shape, seed=9)).sum().backward()
    idle = [name for name, p in model.named_parameters() if p.grad.abs().sum() < 1e-12]
    assert idle == ["key.bias"]  # adds the same to all scores of a query


@both
def test_gradients_equal_finite_differences(faithful):
    assert torch.autograd.gradcheck(alignment(3, faithful=faithful), given(3, batch=1))


def test_every_dropout_acts_once():
    model = alignment(dropout=0.5).train()
    calls = count_dropouts(model)
    model(*given())
    assert list(calls.values()) == [1, 1, 1]


@both
def test_bfloat16_is_kept_and_accurate(faithful):
    model, inputs = alignment(faithful=faithful), given()
    expected = model(*inputs)
    out = model.to(torch.bfloat16)(*(x.to(torch.bfloat16) for x in inputs))
    assert out.dtype == torch.bfloat16
    assert (out.double() - expected).norm() < 3e-2 * expected.norm()
