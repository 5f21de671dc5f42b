"""The checks of sktime that tell most, on a few forecasters; ``make check-sktime`` runs all on every one."""

import pytest
from sktime.utils.estimator_checks import check_estimator

from darts_tsformers import sktime

TELLING = [
    "test_class_has_doctest_example",
    "test_constructor",
    "test_fit_does_not_overwrite_hyper_params",
    "test_get_test_params_coverage",
    "test_hierarchical_with_exogenous",
    "test_pretrain_clone_preserves_state",
    "test_random_tags",
    "test_set_params_sklearn",
    "test_unequal_length_hierarchical_fit_predict",
    "test_update_with_exogenous_variables",
    "test_valid_object_class_tags",
]


SOME = [sktime.PatchTSTForecaster, sktime.TSDiffForecaster, sktime.TimeMoEForecaster]
"""One that is trained alone, one that draws paths, one that takes weights of others: one factory makes them all."""


@pytest.mark.parametrize("forecaster_class", SOME, ids=lambda cls: cls.__name__)
@pytest.mark.filterwarnings("ignore")
def test_the_checks_of_sktime(forecaster_class):
    results = check_estimator(forecaster_class, tests_to_run=TELLING, verbose=False)
    assert {test.split("[")[0] for test in results} == set(TELLING)
    assert {test: outcome for test, outcome in results.items() if outcome != "PASSED"} == {}
