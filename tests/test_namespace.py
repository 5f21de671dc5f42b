"""What ``import darts_tsformers`` offers: public names only, and functions that can be called."""

import subprocess
import sys

import pytest

import darts_tsformers
from darts_tsformers.catalogue import by_model_name
from tests.contracts.cases import CASE, make_data


def test_completion_offers_public_names_alone():
    functions = {"diagnose", "explain", "pretrain", "recommend", "suggest_attention"}
    assert set(dir(darts_tsformers)) == {*by_model_name(), *functions, "__version__"}
    assert all(callable(getattr(darts_tsformers, name)) for name in functions)


@pytest.mark.parametrize("line", ["from darts_tsformers import explain", "from darts_tsformers.explain import explain"])
def test_explain_is_called_by_either_name(line):
    names: dict[str, object] = {}
    exec(line, names)
    model = CASE["PatchTSTModel"].model().fit(make_data().series)
    assert names["explain"](model).summary().startswith("PatchTSTModel, 1 window")


def test_explain_is_callable_in_a_fresh_process():
    code = "import darts_tsformers as d; print(callable(d.explain), d.explain.explain.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "explain"]
