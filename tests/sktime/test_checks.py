"""The checks of sktime that tell most, on one forecaster of each kind; ``make check-sktime`` runs all on every one."""

import pytest
from sktime.utils.estimator_checks import check_estimator

from darts_tsformers import sktime

TELLING = [
    "test_class_has_doctest_example",
    "test_constructor",
    "test_doctest_examples",
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

OF_EACH_KIND = [
    sktime.PatchTSTForecaster,
    sktime.LogSparseTransformerForecaster,  # step by step
    sktime.TemporalFusionTransformerForecaster,  # selects variables
    sktime.TSDiffForecaster,  # draws paths
    sktime.ReGENNForecaster,  # prepared by the training part
    sktime.TimeMoEForecaster,  # weights of others
    sktime.AutoTimesForecaster,  # around a language model
]
"""One factory makes all forecasters; what models differ in is held by the contracts."""


@pytest.mark.parametrize("forecaster_class", OF_EACH_KIND, ids=lambda cls: cls.__name__)
@pytest.mark.filterwarnings("ignore")
def test_the_checks_of_sktime(forecaster_class):
    results = check_estimator(forecaster_class, tests_to_run=TELLING, verbose=False)
    assert {test.split("[")[0] for test in results} == set(TELLING)
    assert {test: outcome for test, outcome in results.items() if outcome != "PASSED"} == {}
