"""A parameter without a gradient stops training in several processes: there is none, whatever a model is given."""

from itertools import combinations
from typing import Any

import pytest
from darts.utils.data.torch_datasets.utils import ModuleStage
from darts.utils.likelihood_models.torch import GaussianLikelihood

from tests.contracts.cases import KINDS, MAIN, Case, make_data
from tests.contracts.checks import batch, learnt

SUBSETS = [kinds for n in range(len(KINDS) + 1) for kinds in combinations(KINDS, n)]
INPUTS = {
    "past": ["past_covariates"],
    "future": ["historic_future_covariates", "future_covariates"],
    "static": ["static_covariates"],
}
OPTIONS = [
    ("use_instance_norm", False),
    ("instance_norm_affine", True),
    ("use_reversible_instance_norm", True),
    ("use_static_covariates", False),
    ("output_chunk_shift", 2),
    ("likelihood", GaussianLikelihood()),
    *(("attention", name) for name in ("auto_correlation", "full", "log_sparse", "prob_sparse")),
]
"""Further mechanisms are tried in every encoder by tests/attention/test_in_encoders.py."""
CHOICES = [
    (case, {name: value})
    for case in MAIN
    for name, value in OPTIONS
    if case.takes(name) and str(value) not in case.refuses and not (name == "likelihood" and case.draws_paths)
]
every_model = pytest.mark.parametrize("case", MAIN, ids=lambda case: case.name)


def idle_parameters(case: Case, kinds: tuple[str, ...], **overrides: Any) -> list[str]:
    """Name the parameters that a training batch leaves without a gradient."""
    data = make_data(2, kinds)
    module = case.model(n_epochs=0, **overrides).fit(data.series, **data.covariates()).model.train()
    absent = dict.fromkeys(name for kind in set(KINDS) - set(kinds) for name in INPUTS[kind])
    learnt(module, batch(3, 2, stage=ModuleStage.TRAIN).replace(**absent)).backward()
    return [name for name, weight in module.named_parameters() if weight.requires_grad and weight.grad is None]


@every_model
@pytest.mark.parametrize("kinds", SUBSETS, ids=lambda kinds: "+".join(kinds) or "none")
def test_with_any_covariates(case: Case, kinds):
    assert idle_parameters(case, kinds) == []


@pytest.mark.parametrize(("case", "option"), CHOICES, ids=lambda one: one.name if isinstance(one, Case) else str(one))
def test_with_any_option(case: Case, option):
    kinds = ("past", "future") if "use_static_covariates" in option else KINDS
    assert idle_parameters(case, kinds, **option) == []
