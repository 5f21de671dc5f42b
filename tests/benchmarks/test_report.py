"""The report says what was measured, how, and what was not."""

import pytest

from benchmarks.core.figures import exponent, mean_of, of_case, overlap, ratio, seeds_of
from benchmarks.core.goals import Goal
from benchmarks.core.report import write
from benchmarks.core.speed import Speed
from benchmarks.core.speed_section import MARKED
from benchmarks.core.store import save
from benchmarks.core.tables import number
from benchmarks.core.trial import Trials


def took(milliseconds, *, wall=1.0, n=5):
    """A case whose turns all took as long; by the clock as many times that as said."""
    both = {"processor": milliseconds, "wall": wall * milliseconds}
    return {clock: {"median": time, "min": time, "max": time, "n": n} for clock, time in both.items()}


def point(cases, *, clock="processor", load=None, **size):
    busy = {} if load is None else {"load": load}
    return {"size": size or {"length": 3}, "clock": clock, **busy, "cases": cases}


def report(folder, benchmark, **figures):
    """Return the report on a benchmark of these figures."""
    save(folder / f"{benchmark.name}.json", figures)
    write([benchmark], folder, folder / "report")
    return (folder / "report" / "README.md").read_text()


def of_speed(folder, *points, cases=None, goals=(), note=""):
    cases = cases or dict.fromkeys(name for one in points for name in one["cases"])
    sizes = [one["size"] for one in points]
    return report(folder, Speed("race", "Race", cases, sizes, goals=goals, note=note), points=points)


def of_trials(folder, cases, **options):
    options = {"cases": cases} | options
    return report(folder, Trials("trials", "Trials", **options), cases=cases)


def test_the_report_says_how_many_goals_are_met_with_a_remark(tmp_path):
    def time(figures):
        return of_case(figures["points"][0], "time", "one")

    goals = [
        Goal("one", time, at_least=1, remark=lambda _: "of half the work"),
        Goal("again", time, at_least=1, remark=lambda _: ""),
        Goal("missed", time, at_most=1, remark=lambda _: "of half the work"),
    ]
    text = of_speed(tmp_path, point({"one": took(300)}), goals=goals)
    assert "2 of 3 goals are met, 1 are missed, 0 were not measured. 1 of those met have a remark" in text


def test_the_report_says_what_was_missed_and_why(tmp_path):
    def time(figures):
        return of_case(figures["points"][0], "time", "greedy")

    goals = [
        Goal("greedy, ms", time, at_most=1),
        Goal("greedy, ms at all", time, at_least=1),
        Goal("greedy at 30", ratio("time", "greedy", "wrong", length=30), at_most=1),
    ]
    broken = {"broken": "Traceback\nKeyError: 'no such thing'"}
    small = point({"greedy": took(300), "wrong": broken}, length=3)
    text = of_speed(tmp_path, small, point({"greedy": {"over": "more than 2 GB"}, "wrong": broken}, length=30),
                    goals=goals, note="What to know.")  # fmt: skip
    assert "1 of 3 goals are met, 1 are missed, 1 were not measured." in text
    assert "have a remark" not in text
    assert "| greedy, ms | at most 1 | 300 | **missed** |" in text
    assert "greedy at length 30: more than 2 GB; wrong at length 3, 30: KeyError: 'no such thing'." in text
    assert "What to know." in text
    assert "Below: [Race](#race)." in text


@pytest.mark.parametrize(
    ("theirs", "said"), [((1.2, 3), "their times overlap"), ((0.2, 0.9), ""), ((1.6, 3), ""), (None, "")]
)
def test_turns_that_overlap_are_told(theirs, said):
    cases = {"ours": {"processor": {"min": 1, "max": 1.5}}}
    if theirs:
        cases["peer"] = {"processor": dict(zip(("min", "max"), theirs, strict=True))}
    assert overlap("ours", "peer", length=3)({"points": [point({}, length=2), point(cases, length=3)]}) == said


def test_each_blank_has_its_reason_once(tmp_path):
    over, dropped = {"over": "more than 20 s"}, {"over": "not tried: more than 20 s"}
    earlier = {"over": "not tried: left out by the earlier runner"}
    found = [
        point({"large": took(1), "old": took(1)}, length=1024),
        point({"large": over, "old": earlier, "late": took(1)}, length=2048),
        point({"large": dropped, "old": earlier, "late": took(1)}, length=4096),
        point({"large": dropped, "old": earlier, "late": took(1)}, length=8192),
    ]
    assert (
        "Not measured: large at length 2,048: more than 20 s, at length 4,096, 8,192: not tried; "
        "old at length 2,048, 4,096, 8,192: not tried: left out by the earlier runner; "
        "late at length 1,024: not run yet."
    ) in of_speed(tmp_path, *found)


def test_the_report_says_how_far_turns_lie_apart(tmp_path):
    turns = {
        "narrow": {"median": 20.0, "min": 19.0, "max": 21.0, "n": 5},
        "wide": {"median": 10.0, "min": 9.0, "max": 14.0, "n": 5},
        "once": {"median": 7.0, "min": 7.0, "max": 7.0, "n": 1},
        "old": {"median": 3.0},
    }
    text = of_speed(tmp_path, point({name: {"processor": each} for name, each in turns.items()}))
    assert "slowest it is 30% of the middle one in the median, at most 50% (wide at length 3). " in text
    assert "Of one turn: once at length 3." in text


def test_the_report_says_that_there_was_one_turn(tmp_path):
    text = of_speed(tmp_path, point({"one": took(1, n=1), "other": took(2, n=1)}))
    assert "Each figure is of one turn." in text
    assert "slowest" not in text


def test_the_report_says_on_which_clock_times_are_and_how_busy_the_machine_was(tmp_path):
    quiet, busy = point({"one": took(1)}, load=0.5, length=1), point({"one": took(1)}, load=2.75, length=2)
    assert "Processor time of the one thread, at a load of at most 2.8. From" in of_speed(tmp_path, quiet, busy)
    assert "Time by the clock. From" in of_speed(tmp_path, point({"one": took(1)}, clock="wall"))


def test_sizes_at_which_a_thread_had_to_wait_are_marked(tmp_path):
    calm, waited = {"one": took(1, wall=1.1)}, {"one": took(1), "other": took(1, wall=1.3)}
    text = of_speed(tmp_path, point(calm, length=1), point(waited, length=2))
    assert r"| time, ms | length 1 | length 2 \* | exponent |" in text
    assert text.count(MARKED) == 1
    for unmarked in (point(calm), point(waited, clock="wall")):
        assert r"\*" not in of_speed(tmp_path, unmarked)


@pytest.mark.parametrize(("along", "slope"), [("length", "–"), ("targets", "2.00")])
def test_only_exponents_over_lengths_leave_small_ones_out(tmp_path, along, slope):
    found = [point({"one": took(n**2)}, **{along: n}) for n in (10, 100)]
    assert f"| one | 100 | 10,000 | {slope} |" in of_speed(tmp_path, *found)
    assert exponent("time", "one", along=along, start=10)({"points": found}) == pytest.approx(2)


def test_only_cases_and_sizes_of_a_benchmark_are_shown(tmp_path):
    found = [point({"one": took(1), "former": took(2)}, length=n) for n in (1, 2)]
    benchmark = Speed("race", "Race", {"one": None}, [{"length": 1}])
    text = report(tmp_path, benchmark, points=found)
    assert "| time, ms | length 1 |" in text
    assert "former" not in text


def test_only_cases_of_a_benchmark_count(tmp_path):
    cases = {f"Model, seed {seed}": {"result": {"model": "Model", "mse": 1.0 + seed}} for seed in (0, 1)}
    goals = [Goal("MSE", mean_of("Model"), at_most=2)]

    def summary(figures):
        return ", ".join(figures["cases"])

    text = report(tmp_path, Trials("trials", "Trials", {"Model, seed 1": None}, goals, summary=summary), cases=cases)
    assert "| MSE | at most 2 | 2.00 | met |" in text
    assert "## Trials\n\nModel, seed 1\n" in text


def test_a_figure_of_fewer_seeds_than_wanted_says_so(tmp_path):
    cases = {f"Model, seed {seed}": {"result": {"model": "Model", "mse": 1.0}} for seed in (1, 2)}
    goals = [
        Goal(f"MSE of {wanted}", mean_of("Model"), at_most=2, remark=seeds_of("Model", wanted)) for wanted in (2, 3)
    ]
    goals.append(Goal("MSE of none", mean_of("Other"), at_most=2, remark=seeds_of("Other", 3)))
    text = of_trials(tmp_path, cases, goals=goals)
    assert "| MSE of 2 | at most 2 | 1.00 | met |" in text
    assert "| MSE of 3 | at most 2 | 1.00 (2 of 3 seeds) | met |" in text
    assert "| MSE of none | at most 2 | – | not measured |" in text


def test_a_broken_trial_is_named_and_nothing_else_is_asked_of_it(tmp_path):
    def result(figures):
        return figures["cases"]["only"]["result"]["mse"]

    goal = Goal("MSE", lambda figures: sum(case["result"]["mse"] for case in figures["cases"].values()), at_most=1)
    broken = {"only": {"broken": "Traceback\nValueError: never right"}}
    text = of_trials(tmp_path, broken, goals=[goal], summary=lambda figures: str(result(figures)))
    assert "Not measured: only: ValueError: never right." in text
    text = of_trials(tmp_path, broken | {"other": {"result": {"mse": 0.25}}}, goals=[goal])
    assert "| other | 0.2500 |" in text
    assert "Not measured: only: ValueError: never right." in text


def test_what_was_never_run_is_named(tmp_path):
    cases = ["naive", *(f"{model}, seed {seed}" for model in ("A", "B") for seed in (1, 2, 3))]
    benchmarks = [
        Trials("trials", "Trials", dict.fromkeys(cases)),
        Speed("race", "Race", {"one": None, "other": None}, [{"length": 1}, {"length": 2000}]),
        *(Trials(name, name, {"one": None}) for name in ("later", "former", "done")),
    ]
    result = {"result": {"mse": 1.0}}
    save(tmp_path / "trials.json", {"cases": {"A, seed 1": result, "B, seed 1": {"over": "more than 5 s"}}})
    save(tmp_path / "race.json", {"points": [point({"one": took(1)}, length=1)]})
    save(tmp_path / "former.json", {"cases": {"no longer": result}})
    save(tmp_path / "done.json", {"cases": {"one": result}})
    write(benchmarks, tmp_path, tmp_path / "report")
    assert (
        "### Not run yet\n\n"
        "- later, former: nothing was.\n"
        "- trials: naive; seeds 2, 3 of every model.\n"
        "- race: other; length 2,000.\n\n"
    ) in (tmp_path / "report" / "README.md").read_text()


def test_many_cases_that_were_never_run_are_counted(tmp_path):
    cases = dict.fromkeys(f"model {number}" for number in range(23))
    text = report(tmp_path, Trials("trials", "Trials", cases), cases={"model 1": {"result": {"mse": 1.0}}})
    assert "- trials: 22 of 23 cases.\n" in text


def test_seeds_that_only_some_models_lack_are_named_with_them(tmp_path):
    cases = dict.fromkeys(f"{model}, seed {seed}" for model in ("A", "B") for seed in (1, 2))
    text = report(tmp_path, Trials("trials", "Trials", cases), cases={"A, seed 1": {"result": {"mse": 1.0}}})
    assert "- trials: B, seed 1; seed 2 of every model." in text


def test_a_benchmark_of_its_own_summary_has_that_in_the_report(tmp_path):
    text = of_trials(tmp_path, {"found": {"result": {}}}, summary=lambda figures: f"{len(figures['cases'])} case")
    assert "## Trials\n\n1 case\n" in text


def test_of_trials_the_report_shows_the_columns_asked_for(tmp_path):
    text = of_trials(tmp_path, {"found": {"result": {"model": "one", "mse": 0.25}}}, columns=["mse", "model"])
    assert "| case | mse | model |\n| --- | --: | --: |\n| found | 0.2500 | one |" in text


def test_numbers_have_three_digits():
    written = {12345.6: "12,346", 123.4: "123", 1.234: "1.23", 0.01234: "0.0123", 0.0: "0", None: "–"}
    assert {value: number(value) for value in written} == written
    assert [number(value, 4) for value in (1.234e-7, -9.9e-5, 1e-4)] == ["1.234e-07", "-9.900e-05", "0.0001000"]


def test_what_was_not_repeated_in_a_turn_is_named(tmp_path):
    long, once = point({"one": took(1000)}, length=9), point({"one": took(100)}, length=3)
    repeated = point({"one": took(100)}, length=4) | {"turn": 0.25}
    said = "A step shorter than 0.25 s is repeated for as long in each turn."
    not_said = " Not repeated in a turn, though as short: at length 3."
    texts = {name: of_speed(tmp_path, *points) for name, points in
             {"both": [once, repeated, long], "all": [repeated, long], "none": [long]}.items()}  # fmt: skip
    assert said + not_said in texts["both"]
    assert said in texts["all"]
    assert "Not repeated" not in texts["all"]
    assert "repeated" not in texts["none"]
