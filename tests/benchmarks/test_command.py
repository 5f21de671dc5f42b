"""The command says in one line what is wrong with what it was asked."""

from dataclasses import replace

import pytest

from benchmarks import __main__ as command
from benchmarks import evidence, headline
from benchmarks.boards import trial as boards
from benchmarks.core import race, trial
from benchmarks.core.speed import Speed
from benchmarks.core.store import save
from benchmarks.core.trial import Trials

BENCHMARKS = {
    "race": Speed("race", "Race", {"quick": None}, [{"length": 1}]),
    "trials": Trials("trials", "Trials", {"Model, seed 1": None, "Model, seed 2": None}),
}


@pytest.fixture(autouse=True)
def ran(monkeypatch, tmp_path):
    """Return what was run, without running it; whatever is written is written elsewhere."""
    calls = []
    monkeypatch.setattr(command, "BENCHMARKS", BENCHMARKS)
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(command, "REPORT", tmp_path / "report")
    monkeypatch.setattr(race, "run", lambda one, path, **_: calls.append(one.name) or [])
    monkeypatch.setattr(trial, "run", lambda one, path, **_: calls.append(one.name) or [])
    monkeypatch.setattr(headline, "PAGE", tmp_path / "speed.md")
    monkeypatch.setattr(evidence, "SHIPPED", tmp_path / "evidence.json")
    return calls


def refused(*arguments):
    with pytest.raises(SystemExit) as error:
        command.main(arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "race", "nothing*"], "--only nothing* must match one of race, trials"),
        (["--cases", "*seed 7"], "--cases *seed 7 must match one of Model, seed 1; Model, seed 2"),
        (
            ["--only", "race", "--cases", "quick"],
            "--cases quick must go with what is run once a case: --only chooses only what takes turns",
        ),
        (["--device", "abacus"], "--device abacus must be one of cpu"),
        (["--repeats", "0"], "--repeats 0 must be at least 1"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is(ran, arguments, words):
    assert refused("run", *arguments).startswith(words)
    assert ran == []


def test_what_is_of_a_processor_alone_is_left_out_elsewhere(ran, monkeypatch, capsys):
    monkeypatch.setattr(command, "_refuse_device", lambda device: None)
    alone = {name: replace(one, processor_only=True) for name, one in BENCHMARKS.items()}
    monkeypatch.setattr(command, "BENCHMARKS", alone | {"anywhere": replace(BENCHMARKS["race"], name="anywhere")})
    command.main(["run", "--device", "cuda"])
    assert ran == ["anywhere"]
    assert capsys.readouterr().out == "race: of a processor alone, left out\ntrials: of a processor alone, left out\n"
    command.main(["run", "--only", "trials"])
    assert ran == ["anywhere", "trials"]


def test_what_is_chosen_is_run(ran):
    command.main(["run", "--only", "trials", "--cases", "*seed 2"])
    command.main(["run"])
    assert ran == ["trials", "race", "trials"]


def test_a_run_in_which_a_case_raised_fails_at_its_end(monkeypatch):
    outcomes = [("Model, seed 1", {"broken": "ProofError"}), ("Model, seed 2", {"result": {"mse": 1.0}})]
    monkeypatch.setattr(trial, "run", lambda one, path, **_: outcomes)
    assert refused("run") == "raised: trials, Model, seed 1"


@pytest.mark.parametrize("fault", ["", "MASE of the seasonal naive is 2, published 1"])
def test_the_proof_fails_where_a_configuration_is_not_as_published(monkeypatch, capsys, fault):
    monkeypatch.setattr(boards, "faults", lambda board: [("one", ""), ("other", fault)])
    if fault:
        assert refused("prove") == "2 configurations are not as published"
    else:
        command.main(["prove"])
    assert f"fev-bench, other: {fault or 'as published'}\n" in capsys.readouterr().out


def test_the_proof_names_the_variable_of_the_data(monkeypatch):
    monkeypatch.delenv("DARTS_TSFORMERS_DATA", raising=False)
    assert "DARTS_TSFORMERS_DATA='' must name the folder" in refused("prove")


def test_a_stop_says_what_is_kept(monkeypatch, tmp_path):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(race, "run", stopped)
    assert refused("run") == f"stopped; {tmp_path / 'results' / 'cpu'} keeps all that was printed"


def test_a_file_that_was_cut_off_is_named(tmp_path):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "trials.json").write_text('{"cases"')
    assert f"{tmp_path / 'cpu' / 'trials.json'} must hold JSON" in refused(
        "report", "--results", str(tmp_path), "--out", str(tmp_path / "out")
    )


def test_a_report_on_other_results_does_not_take_the_place_of_ours(tmp_path):
    other = tmp_path / "other"
    save(other / "cpu" / "trials.json", {"cases": {"Model, seed 1": {"result": {"mse": 1.0}}}})
    for out in ([], ["--out", str(tmp_path / "report")]):
        assert f"--results {other} needs another --out" in refused("report", "--results", str(other), *out)
    command.main(["report", "--results", str(other), "--out", str(tmp_path / "elsewhere")])
    assert (tmp_path / "elsewhere" / "cpu" / "README.md").exists()
    assert not (tmp_path / "report").exists()
    assert not (tmp_path / "speed.md").exists()


def test_there_is_no_report_on_nothing(tmp_path):
    assert "must hold results" in refused("report")
    assert not (tmp_path / "report").exists()


def test_help_names_the_variable_of_the_data(capsys):
    with pytest.raises(SystemExit):
        command.main(["--help"])
    assert "DARTS_TSFORMERS_DATA" in capsys.readouterr().out
