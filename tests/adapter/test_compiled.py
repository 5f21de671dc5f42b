"""A network that ``torch.compile`` has compiled: one graph, the same forecast, the same files, the same explanation.

In a process of its own, for the tests check the types of all arguments, which a compiler cannot follow.
"""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys
import numpy as np, torch
from darts import TimeSeries
from darts_tsformers import ITransformerModel
from darts_tsformers.explain import explain

quiet = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
series = TimeSeries.from_values(np.sin(np.arange(23, dtype=np.float32)))
model = ITransformerModel(7, 3, d_model=4, n_heads=2, d_ff=5, n_epochs=1, random_state=0, pl_trainer_kwargs=quiet)
model.fit(series, verbose=False)

def said():
    forecast = model.predict(5, series, verbose=False).values().flatten().tolist()
    explanation = explain(model, series).summary()
    return {"forecast": forecast, "explanation": explanation, "keys": list(model.model.state_dict())}

plain = said()
model.model.forecaster.compile(fullgraph=True, backend="eager")
compiled = said()
n_graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
again = said()
n_graphs_again = torch._dynamo.utils.counters["stats"]["unique_graphs"]
model.save(sys.argv[1])
model = ITransformerModel.load(sys.argv[1])
print(json.dumps([plain, compiled, again, said(), n_graphs, n_graphs_again]))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("compiled") / "model.pt")
    done = subprocess.run([sys.executable, "-c", SCRIPT, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_forecast_is_the_same(said):
    plain, compiled, again, loaded, *_ = said
    for other in (compiled, again, loaded):
        assert other["forecast"] == pytest.approx(plain["forecast"], rel=1e-6)


def test_a_saved_model_does_not_know_that_it_was_compiled(said):
    plain, compiled, _, loaded, *_ = said
    assert plain["keys"] == compiled["keys"] == loaded["keys"]


def test_it_is_explained_like_any_other_and_stays_compiled(said):
    plain, compiled, again, _, n_graphs, n_graphs_again = said
    assert plain["explanation"] == compiled["explanation"] == again["explanation"]
    assert n_graphs == n_graphs_again >= 1
