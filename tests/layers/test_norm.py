import pytest
import torch

from darts_tsformers.layers.norm import TokenBatchNorm, build_norm
from tests.helpers import draw, exactly, scatter_


def test_training_normalises_each_feature_over_all_tokens_of_all_samples():
    norm = scatter_(TokenBatchNorm(5).double())
    x = 3 + 2 * draw(3, 7, 5, dtype=torch.float64)
    out = norm(x)
    for d in range(5):
        feature = x[..., d]
        spread = (((feature - feature.mean()) ** 2).mean() + 1e-5).sqrt()
        expected = (feature - feature.mean()) / spread * norm.norm.weight[d] + norm.norm.bias[d]
        torch.testing.assert_close(out[..., d], expected)


def test_evaluation_normalises_by_the_running_statistics():
    norm = scatter_(TokenBatchNorm(5).double()).eval()
    norm.norm.running_mean.copy_(draw(5, seed=1))
    norm.norm.running_var.copy_(draw(5, seed=2).exp())
    x = draw(3, 7, 5, dtype=torch.float64)
    spread = (norm.norm.running_var + 1e-5).sqrt()
    torch.testing.assert_close(norm(x), (x - norm.norm.running_mean) / spread * norm.norm.weight + norm.norm.bias)


def test_a_training_batch_of_one_token_is_normalised_by_the_running_statistics():
    norm = scatter_(TokenBatchNorm(5))
    norm.norm.running_mean.copy_(draw(5, seed=1))
    before = {name: buffer.clone() for name, buffer in norm.named_buffers()}
    x = draw(1, 1, 5).requires_grad_()
    out = norm(x)
    out.sum().backward()
    assert x.grad.isfinite().all()
    assert all(torch.equal(buffer, before[name]) for name, buffer in norm.named_buffers())
    torch.testing.assert_close(out, norm.eval()(x))


@pytest.mark.parametrize("shape", [(2, 1, 5), (1, 2, 5)], ids=["two samples", "two tokens"])
def test_two_tokens_are_enough_for_statistics_of_their_own(shape):
    out = TokenBatchNorm(5)(3 + draw(*shape))
    torch.testing.assert_close(out.flatten(0, 1).mean(0), torch.zeros(5), rtol=0, atol=1e-5)


def test_layer_norm_normalises_each_token():
    x = 3 + draw(3, 7, 5)
    out = build_norm("layer", 5)(x)
    torch.testing.assert_close(out, torch.nn.functional.layer_norm(x, (5,)))


def test_batch_norm_is_built_by_its_name():
    assert isinstance(build_norm("batch", 5), TokenBatchNorm)


def test_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match=exactly("norm='rms' must be one of ['batch', 'layer']")):
        build_norm("rms", 5)
