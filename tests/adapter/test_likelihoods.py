import pytest
import torch
from darts.utils.likelihood_models.torch import (
    BetaLikelihood,
    GaussianLikelihood,
    NegativeBinomialLikelihood,
    PoissonLikelihood,
)

from darts_tsformers.adapter.likelihoods import drawn, expected_value

FAMILIES = [BetaLikelihood, GaussianLikelihood, NegativeBinomialLikelihood, PoissonLikelihood]


@pytest.mark.parametrize("lost", [float("nan"), float("inf")])
@pytest.mark.parametrize("family", FAMILIES)
def test_lost_parameters_give_lost_values_and_leave_the_others_as_they_are(family, lost):
    likelihood = family()
    output = torch.randn(3, 5, 2, likelihood.num_parameters, generator=torch.Generator().manual_seed(0))
    whole = expected_value(likelihood, output)
    torch.manual_seed(1)
    sample = drawn(likelihood, output)
    output[1, 2, 0, -1] = lost
    torch.manual_seed(1)
    for before, after in ((whole, expected_value(likelihood, output)), (sample, drawn(likelihood, output))):
        assert after.isnan().nonzero().tolist() == [[1, 2, 0]]
        assert before.isfinite().all()
        if family is GaussianLikelihood or before is whole:
            kept = ~after.isnan()
            assert torch.equal(after[kept], before[kept])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_sample_is_that_of_the_likelihood(family):
    likelihood = family()
    output = torch.randn(3, 5, 2, likelihood.num_parameters, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    expected = likelihood.sample(output)
    torch.manual_seed(1)
    assert torch.equal(drawn(likelihood, output), expected)
