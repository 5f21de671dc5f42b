"""The check of golden files finds what is wrong with them, and with us."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

from tests.reference import mappings
from tests.reference.check import check, main
from tests.reference.files import read
from tests.reference.mapping import Mapping, Ours, cosine, discover, renamed, with_weights

EXAMPLE = re.search(r"^```python\n(.*?)^```", (Path(__file__).parent / "README.md").read_text("utf-8"), re.S | re.M)[1]
SYSTEM = "linear layer"
D_IN, D_OUT = 5, 3


def arrays(seed=0):
    """Compute the linear layer and its gradients by hand."""
    draw = np.random.default_rng(seed)
    x, w, b = draw.normal(size=(7, D_IN)), draw.normal(size=(D_OUT, D_IN)), draw.normal(size=D_OUT)
    g = draw.normal(size=(7, D_OUT))
    return {
        "param/lin.w": w,
        "param/lin.b": b,
        "in/x": x,
        "out/y": x @ w.T + b,
        "weight/y": g,
        "grad/x": g @ w,
        "grad/lin.w": g.T @ x,
        "grad/lin.b": g.sum(axis=0),
    }


def write(folder, name="linear_1", system=SYSTEM, without=(), **changes):
    """Write a file of the first form; ``out__y`` among the changes stands for ``out/y``."""
    meta = {"system": system, "d_in": D_IN, "d_out": D_OUT}
    content = arrays() | {key.replace("__", "/"): value for key, value in changes.items()}
    content = {"meta": np.array(json.dumps(meta))} | content
    np.savez(folder / f"{name}.npz", **{key: value for key, value in content.items() if key not in without})
    return folder / f"{name}.npz"


def moved(key, by):
    value = arrays()[key].copy()
    value.flat[2] += by
    return value


def linear(golden, **more):
    layer = with_weights(nn.Linear(D_IN, D_OUT), renamed(golden.params, {"lin.w": "weight", "lin.b": "bias"}))
    return Ours({"y": layer(golden.inputs["x"])}, **more)


LINEAR = {SYSTEM: Mapping((SYSTEM,), linear)}


@pytest.fixture
def example(tmp_path, monkeypatch):
    """Put the example of the README where mappings are found; return a folder for golden files."""
    folder = tmp_path / "more_mappings"
    folder.mkdir()
    (folder / f"linear_{tmp_path.name}.py".replace("-", "_")).write_text(EXAMPLE, encoding="utf-8")
    monkeypatch.setattr(mappings, "__path__", [*mappings.__path__, str(folder)])
    golden = tmp_path / "golden"
    golden.mkdir()
    return golden


def test_the_example_of_the_readme_meets_its_golden_file(example, capsys):
    write(example)
    assert main([str(example)]) == 0
    line, total = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"linear_1 +linear layer +out \S+ of 1e-10 +grad \S+ of 1e-08  ok", line)
    assert total == "1 ok, 0 FAIL"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"out__y": moved("out/y", 1e-9)}, "FAIL: out/y 1.0e-09"),
        ({"out__y": moved("out/y", np.nan)}, "FAIL: out/y inf"),
        ({"out__y": arrays()["out/y"][:-1], "weight__y": arrays()["weight/y"][:-1]}, "out/y has shape (7, 3) instead"),
        ({"grad__x": moved("grad/x", 1e-6)}, "FAIL: grad/x"),
        ({"grad__lin.w": moved("grad/lin.w", 1e-6)}, "FAIL: grad/lin.w"),
        ({"out__z": np.zeros(3)}, "the mapping gives no out/z"),
        ({"grad__z": np.zeros(3)}, "grad/z is of no input or weight"),
        ({"param__z": np.zeros(3)}, "left over: ['z']"),
        ({"without": ["param/lin.b"]}, "weights missing: ['bias']"),
        ({"param__lin.b": np.zeros(4)}, "bias has shape (4,), ours has (3,)"),
        ({"without": ["out/y", "weight/y"]}, "no outputs"),
        ({"without": ["weight/y"]}, "gradients, but no weights of outputs"),
        ({"weight__z": np.zeros(3)}, "weights of outputs that are not there: ['z']"),
        ({"without": ["in/x"]}, "asked for and not there: 'x'"),
        ({"without": ["meta"]}, "neither a meta inside nor a linear_1.json beside it"),
        ({"meta": np.array("{}")}, "the description names no system"),
        ({"meta": np.array("{")}, "JSONDecodeError"),
        ({"in__x": np.array([None])}, "Object arrays cannot be loaded"),
        ({"in__lin.b": np.zeros(3)}, "both inputs and weights: ['lin.b']"),
        ({"system": "another"}, "FAIL: no mapping"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(changes, words, tmp_path):
    met, line = check(write(tmp_path, **changes), LINEAR)
    assert not met
    assert line.startswith("linear_1 ")
    assert words in line
    assert "FAIL" in line
    assert "\n" not in line


def test_a_faulty_file_fails_the_command_and_the_next_is_read(example, capsys):
    write(example, "a_moved", out__y=moved("out/y", 1e-9))
    write(example, "b_unknown", system="another")
    (example / "c_corrupt.npz").write_bytes(write(example, "d_good").read_bytes()[:700])
    assert main([str(example)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["a_moved", "b_unknown", "c_corrupt", "d_good", "1"]
    assert lines[1].endswith("FAIL: no mapping")
    assert "FAIL: BadZipFile" in lines[2]
    assert lines[3].endswith("  ok")
    assert lines[4] == "1 ok, 3 FAIL"


def test_prefixes_choose_files_and_an_unknown_one_fails(example, capsys):
    for name in ("linear_1", "linear_2", "other_1"):
        write(example, name)
    assert main([str(example), "--only", "linear_2", "other"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 ok, 0 FAIL"
    assert main([str(example), "--only", "linear_1", "absent"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"FAIL: no golden file in {example} begins with 'absent'"
    assert lines[-1] == "1 ok, 0 FAIL"


def test_an_empty_folder_fails_and_a_missing_one_is_refused(tmp_path, capsys):
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.startswith("FAIL: no golden file")
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path / "absent")])


def test_a_mapping_that_raises_fails_one_file(tmp_path):
    def run(_):
        raise RuntimeError("first line\nsecond line")

    met, line = check(write(tmp_path), {SYSTEM: Mapping((SYSTEM,), run)})
    assert not met
    assert line.endswith("FAIL: RuntimeError: first line second line")
    assert torch.get_default_dtype() == torch.float32


def test_what_a_mapping_leaves_out_is_counted_and_the_rest_compared(tmp_path):
    path = write(tmp_path, out__raw=np.zeros(2), grad__x=moved("grad/x", 1.0))
    mapping = Mapping((SYSTEM,), linear, left_out={"out/raw": "faulty", "grad/x": "detached"})
    met, line = check(path, {SYSTEM: mapping})
    assert met
    assert line.endswith("  ok (2 left out)")
    all_out = Mapping((SYSTEM,), lambda golden: Ours({}), left_out={"*": "all"})
    met, line = check(path, {SYSTEM: all_out})
    assert not met
    assert "nothing to compare" in line


def test_a_mapping_may_state_a_tolerance(tmp_path):
    path = write(tmp_path, out__y=moved("out/y", 1e-9))
    met, line = check(path, {SYSTEM: Mapping((SYSTEM,), linear, tolerances={"out/*": 2e-9})})
    assert met
    assert "out 1.0e-09 of 2e-09" in line


def test_minus_infinity_is_read_and_met(tmp_path):
    meta = np.array(json.dumps({"system": "mask", "minus_infinity_stored_as": -1e308}))
    path = write(tmp_path, meta=meta, out__z=np.array([0.0, -1e308]))
    assert read(path).outputs["z"].tolist() == [0.0, -torch.inf]
    for last, expected in ((-torch.inf, True), (0.0, False), (torch.nan, False)):

        def run(golden, last=last):
            ours = linear(golden)
            return Ours(ours.outputs | {"z": torch.tensor([0.0, last])})

        assert check(path, {"mask": Mapping(("mask",), run)})[0] is expected


@pytest.mark.usefixtures("example")
def test_two_mappings_of_one_system_are_refused():
    folder = Path(mappings.__path__[-1])
    assert discover()[SYSTEM].systems == (SYSTEM,)
    (folder / "linear_again.py").write_text(EXAMPLE, encoding="utf-8")
    with pytest.raises(ValueError, match="two mappings of 'linear layer'"):
        discover()


def write_second_form(folder, *, checkpoint=False, **changes):
    """Write a file of the second form, whose gradients are of "cos" of the output, and of its sum for the bias."""
    content = arrays()
    x, w, y = (content[key] for key in ("in/x", "param/lin.w", "out/y"))
    probe = np.cos(0.7 * np.arange(y.size) + 0.3).reshape(y.shape)
    gradients = {"lin.w": probe.T @ x, "lin.b": probe.sum(axis=0), "sum:lin.b": np.full(D_OUT, 7.0)}
    cosines = [np.sum(g.ravel() * np.cos(0.7 * np.arange(g.size) + 0.3)) for g in gradients.values()]
    norms = [np.linalg.norm(g) for g in gradients.values()]
    description = {"system": SYSTEM, "gradfp_names": list(gradients)}
    state = {"lin.w": w, "lin.b": content["param/lin.b"]}
    if checkpoint:
        (folder / "linear_ckpt").mkdir()
        save_file(state, folder / "linear_ckpt" / "model.safetensors")
        description["checkpoint"] = "linear_ckpt"
        state = {}
    (folder / "linear_1.json").write_text(json.dumps(description), encoding="utf-8")
    content = {f"state/{name}": value for name, value in state.items()} | {
        "in/x": x,
        "f64/y": y,
        "f32/y": y.astype(np.float32),
        "gradfp": np.array([[g.sum() for g in gradients.values()], norms, cosines]).T,
    }
    np.savez(folder / "linear_1.npz", **content | {key.replace("__", "/"): value for key, value in changes.items()})
    return folder / "linear_1.npz"


def second_form(golden):
    ours = linear(golden)
    return Ours(ours.outputs, {"": cosine(ours.outputs["y"]), "sum": ours.outputs["y"].sum()})


@pytest.mark.parametrize("checkpoint", [False, True])
def test_the_second_form_is_met(checkpoint, tmp_path):
    met, line = check(write_second_form(tmp_path, checkpoint=checkpoint), {SYSTEM: Mapping((SYSTEM,), second_form)})
    assert met, line
    assert re.search(r"grad \S+ of 1e-07  ok$", line)


@pytest.mark.parametrize(
    ("changes", "run", "words"),
    [
        ({"f64__y": moved("out/y", 1e-7)}, second_form, "FAIL: out/y"),
        ({"f32__y": moved("out/y", 1e-3)}, second_form, "FAIL: f32/y"),
        ({"gradfp": np.zeros((3, 3))}, second_form, "FAIL: grad/lin.w"),
        ({"gradfp": np.zeros((2, 3))}, second_form, "gradfp has 2 rows for 3 names"),
        ({}, linear, "the mapping gives no objective ''"),
        ({}, lambda golden: linear(golden, objectives={"": torch.ones(())}), "does not require grad"),
    ],
)
def test_what_is_wrong_in_the_second_form_is_said(changes, run, words, tmp_path):
    met, line = check(write_second_form(tmp_path, **changes), {SYSTEM: Mapping((SYSTEM,), run)})
    assert not met
    assert words in line


def test_a_module_in_training_leaves_the_statistics_of_the_file_alone():
    weights = {name: weight + 0.5 for name, weight in nn.BatchNorm1d(3).double().state_dict().items()}
    before = {name: weight.clone() for name, weight in weights.items()}
    norm = with_weights(nn.BatchNorm1d(3), weights).train()
    norm(torch.arange(15.0, dtype=torch.float64).view(5, 3))
    assert norm.running_mean.tolist() != before["running_mean"].tolist()
    assert all(torch.equal(weights[name], before[name]) for name in before)
