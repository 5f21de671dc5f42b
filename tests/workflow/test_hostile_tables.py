"""Files that are wrong in ways a program does not expect: each is refused in one line, soon."""

import numpy as np
import pandas as pd
import pytest

from darts_tsformers.workflow import DataError, read_table
from tests.helpers import exactly
from tests.workflow.conftest import weekly_wave


def days(values, header="day,y"):
    stamps = pd.date_range("2024-01-01", periods=len(values)).strftime("%Y-%m-%d")
    return header + "\n" + "".join(f"{day},{value}\n" for day, value in zip(stamps, values, strict=True))


def stamped(stamps):
    return "t,y\n" + "".join(f"{stamp},{k % 7}\n" for k, stamp in enumerate(stamps))


REFUSED = {
    "duplicate columns": (days(["1,2"] * 5, "day,y,y"), {}, "{path} has two columns named 'y': rename one"),
    "equal but for spaces": (days(["1,2"] * 5, "day,y,y "), {}, "{path} has two columns named 'y': rename one"),
    "a comma that could be either": (
        days(['"1,234"'] * 5),
        {},
        "no numeric column to forecast: column 'y' has '1,234' at line 2; is it 1234 (--thousands ,) or 1.234 "
        "(--decimal ,)?",
    ),
    "per cent": (days([1, "12%", 3, 4]), {}, "no numeric column to forecast: column 'y' has '12%' at line 3"),
    "empty target": (days([""] * 5), {"target": "y"}, "target 'y' is empty: it needs values to learn from"),
    "empty column": (days([""] * 5), {}, "no numeric column to forecast: column 'y' has no values"),
    "too large": (
        days([1, "1e300", 3]),
        {},
        "column 'y' has a number too large to compute with: '1e300' at line 3",
    ),
    "times without dates": (
        stamped(f"{hour:02}:00" for hour in range(24)),
        {},
        "time column 't' has no year in '00:00' at line 2: write whole dates, such as 2024-01-31 or 2024-01-31 12:00",
    ),
    "months without years": (
        stamped(["Jan-24", "Feb-24", "Mar-24", "Apr-24"]),
        {"time": "t"},
        "time column 't' has no year in 'Jan-24' at line 2: write whole dates, such as 2024-01-31 or 2024-01-31 12:00",
    ),
    "large step": (
        stamped([1, 2, "1e30"]),
        {"time": "t"},
        "time column 't' holds a number too large for a step: '1e30' at line 4",
    ),
    "infinite step": (
        stamped([1, 2, "inf"]),
        {"time": "t"},
        "time column 't' holds a number too large for a step: 'inf' at line 4",
    ),
}


@pytest.mark.parametrize(("content", "arguments", "message"), REFUSED.values(), ids=REFUSED)
def test_a_hostile_table_is_refused_by_naming_the_place(write, content, arguments, message):
    path = write(content)
    with pytest.raises(DataError, match=exactly(message.format(path=path))):
        read_table(path, **arguments)


@pytest.mark.parametrize("freq", ["0D", "-1D", "99999999999999999999D", "0h", "nan"])
def test_a_frequency_that_leads_nowhere_is_unknown(write, freq):
    with pytest.raises(DataError, match=f"^unknown frequency '{freq}': give one such as"):
        read_table(write(weekly_wave()), target="sales", freq=freq)


@pytest.mark.parametrize("freq", ["ms", "ns"])
def test_a_frequency_far_too_fine_is_refused_without_building_its_axis(write, freq):
    message = f"^irregular time stamps: '2024-01-02' at line 3 comes after .* at frequency {freq};"
    with pytest.raises(DataError, match=message):
        read_table(write(weekly_wave()), target="sales", freq=freq)


@pytest.mark.parametrize("freq", ["bh", "cbh", "B", "C", "WOM-1MON", "SMS", "h", "D"])
def test_a_frequency_that_does_not_fit_centuries_is_refused_without_building_them(write, monkeypatch, freq):
    built = []
    date_range = pd.date_range
    monkeypatch.setattr(pd, "date_range", lambda *a, **k: built.append(date_range(*a, **k)) or built[-1])
    with pytest.raises(DataError, match=r"^irregular time stamps: '1[78]00-01-01' at line [23] comes"):
        read_table(write(stamped(["1700-01-01", "1800-01-01", "2260-01-01"])), freq=freq)
    assert sum(map(len, built)) < 1000


def test_a_typo_in_the_last_year_is_named_without_building_two_centuries_of_minutes(write, monkeypatch):
    stamps = [str(stamp) for stamp in pd.date_range("2024-01-01", periods=100, freq="min")]
    stamps[-1] = stamps[-1].replace("2024", "2224")
    built = []
    date_range = pd.date_range
    monkeypatch.setattr(pd, "date_range", lambda *a, **k: built.append(date_range(*a, **k)) or built[-1])
    with pytest.raises(
        DataError, match=r"^irregular time stamps: '2224-01-01 01:39:00' at line 101 .* 01:39:00 is due"
    ):
        read_table(write(stamped(stamps)), target="y")
    assert max(map(len, built)) == 200


def test_whole_numbers_beyond_double_precision_stay_apart(write):
    table = read_table(write(stamped(10**18 + k for k in range(20))), time="t")
    assert table.target.time_index.equals(pd.RangeIndex(10**18, 10**18 + 20))


def test_short_dates_with_a_year_are_dates(write):
    for form in ("%d.%m.%y", "%m/%d/%y", "%d-%b-%y", "%b %d, %Y", "%Y%m%dT%H%M", "%d %B %Y 10:00"):
        stamps = pd.date_range("2024-01-13", periods=10).strftime(form)
        content = "t,y\n" + "".join(f'"{stamp}",{k}\n' for k, stamp in enumerate(stamps))
        assert read_table(write(content)).target.start_time().year == 2024


DAY_FIRST = {
    "months": (pd.date_range("2019-01-01", periods=48, freq="MS"), "%d/%m/%Y", "MS"),
    "months with dots": (pd.date_range("2019-01-01", periods=48, freq="MS"), "%d.%m.%Y", "MS"),
    "months, two digits": (pd.date_range("2019-01-01", periods=48, freq="MS"), "%d/%m/%y", "MS"),
    "quarters": (pd.date_range("2005-01-01", periods=60, freq="QS"), "%d/%m/%Y", "QS"),
    "hours": (pd.date_range("2024-03-01", periods=240, freq="h"), "%d/%m/%Y %H:%M", "h"),
    "hours with offsets": (
        pd.date_range("2024-03-01", periods=240, freq="h", tz="UTC"),
        "%d/%m/%Y %H:%M%z",
        "h",
    ),
}


@pytest.mark.parametrize("given", [False, True], ids=["inferred", "given"])
@pytest.mark.parametrize(("times", "written", "freq"), DAY_FIRST.values(), ids=DAY_FIRST)
def test_one_missing_row_turns_no_days_into_months(write, times, written, freq, given):
    content = stamped(times.delete(7).strftime(written))
    table = read_table(write(content), freq=freq if given else None)
    assert table.target.time_index.equals(times.tz_localize(None))
    assert table.gaps == "found 1 missing row: taken as not observed"


@pytest.mark.parametrize("freq", ["D", "MS"])
def test_a_frequency_says_whether_the_day_or_the_month_comes_first(write, freq):
    months = pd.date_range("2019-01-01", periods=12, freq="MS").delete(7).strftime("%d/%m/%Y")
    table = read_table(write(stamped(months)), freq=freq)
    assert (len(table.target), table.target.freq_str) == (12, freq)


@pytest.mark.parametrize("missing", [[], [7]], ids=["complete", "one row missing"])
@pytest.mark.parametrize("written", ["%y-%m-%d", "%y/%m/%d", "%y.%m.%d"])
@pytest.mark.parametrize(("first", "freq"), [("2024-01-29", "D"), ("1999-11-01", "MS"), ("1999-11-01", "W-MON")])
def test_a_year_of_two_digits_may_come_first(write, written, missing, first, freq):
    times = pd.date_range(first, periods=40, freq=freq)
    table = read_table(write(stamped(times.delete(missing).strftime(written))))
    assert table.target.time_index.equals(times)


def test_irregular_days_that_come_first_are_not_called_unsorted(write):
    stamps = ["01/02/2024", "02/02/2024", "05/02/2024", "01/03/2024", "12/04/2024", "01/05/2024", "11/07/2024"]
    with pytest.raises(DataError, match=r"^irregular time stamps:"):
        read_table(write(stamped(stamps)))


NUMBERS = ["100.5", "1000.5", "+5000.5", "20000.5", "1500-1600", "T2000", "1000-", "1,234", "2e3"]


@pytest.mark.parametrize("cell", NUMBERS)
def test_numbers_and_codes_are_no_dates_though_a_cell_among_them_is_no_number(write, cell):
    cells = [cell] * 20 + ["-"] + [cell] * 20
    stamps = pd.date_range("2024-01-01", periods=len(cells)).strftime("%Y-%m-%d")
    frame = pd.DataFrame({"day": stamps, "sales": range(len(cells)), "stock": cells})
    assert len(read_table(write(frame), target="sales").target) == len(cells)
    wrong = next(k for k, text in enumerate(cells) if text == "-" or not text.lstrip("+").replace(".", "").isdigit())
    with pytest.raises(
        DataError, match=rf"^column 'stock' is not numeric: '.*' at line (22|{wrong + 2})(; is it 1234 .*)?$"
    ):
        read_table(write(frame), target="stock")


def test_a_column_with_a_role_is_not_taken_for_the_time(write):
    frame = weekly_wave().assign(sent=weekly_wave()["day"])
    assert read_table(write(frame), target="sales", time="day").time_name == "day"
    with pytest.raises(DataError, match=r"^column 'sent' is not numeric: '2024-01-01' at line 2$"):
        read_table(write(frame), target="sales", past_covariates="sent")


@pytest.mark.parametrize("ending", ["zip", "xz", "bz2", "gz", "tar", "tar.gz"])
def test_a_file_that_is_not_compressed_as_its_name_says_is_refused(tmp_path, ending):
    path = tmp_path / f"data.csv.{ending}"
    path.write_text(days(range(10)))
    with pytest.raises(DataError, match=f"^{path} cannot be read: "):
        read_table(path)


def test_a_name_too_long_for_a_file_is_refused():
    with pytest.raises(DataError, match=r"^'a{300}' cannot be read: File name too long$"):
        read_table("a" * 300)


def test_small_changes_of_large_values_are_kept(write):
    values = 1e9 + np.random.default_rng(0).integers(-3, 4, size=30)
    assert read_table(write(days(values))).target.values().ravel().tolist() == values.tolist()
