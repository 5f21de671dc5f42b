"""Files as people have them: other separators, other numbers, other programs."""

import gzip

import numpy as np
import pandas as pd
import pytest

from darts_tsformers.workflow import DataError, read_table
from tests.helpers import exactly
from tests.workflow.conftest import weekly_wave

VALUES = [1234.5, 0.25, 1_234_567.0, 12.0, -3456.75, 7.0, 80.5]


def written(cells, separator=";", header="day;y"):
    days = pd.date_range("2024-01-13", periods=len(cells)).strftime("%d.%m.%Y")
    rows = [f"{day}{separator}{cell}" for day, cell in zip(days, cells, strict=True)]
    return "\n".join([header.replace(";", separator), *rows]) + "\n"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"], ids=["comma", "semicolon", "tab", "bar"])
def test_the_separator_is_found(write, separator):
    path = write(weekly_wave().to_csv(index=False, sep=separator))
    np.testing.assert_array_equal(read_table(path, target="sales").target.values()[:, 0], weekly_wave()["sales"])


def test_the_separator_makes_most_names_and_does_not_count_within_quotes(write):
    frame = weekly_wave().rename(columns={"sales": "sales, net, in euros"})
    assert read_table(write(frame.to_csv(index=False, sep=";")), target="sales, net, in euros").time_name == "day"
    path = write('"day;of;the;week",y\n' + "".join(f"2024-01-0{day},{day}\n" for day in range(1, 8)))
    assert read_table(path).time_name == "day;of;the;week"


@pytest.mark.parametrize(("mark", "given"), [("~", "~"), ("\t", "tab"), ("\t", r"\t"), (";", ";")])
def test_a_separator_may_be_given(write, mark, given):
    path = write(weekly_wave().to_csv(index=False, sep=mark))
    assert len(read_table(path, target="sales", separator=given).target) == 90


@pytest.mark.parametrize("separator", ["", "::", "a", '"', "\n"])
def test_a_separator_is_one_character(write, separator):
    with pytest.raises(
        DataError, match=exactly(f"separator '{separator}' must be one character, such as , ; | or tab")
    ):
        read_table(write(weekly_wave()), separator=separator)


WRITTEN = {
    "1.234,5": ["1.234,5", "0,25", "1.234.567", "12", "-3.456,75", "7,0", "80,5"],
    "1234,5": ["1234,5", "0,25", "1234567", "12", "-3456,75", "7,0", "80,5"],
    "1,234.5": ["1,234.5", "0.25", "1,234,567", "12", "-3,456.75", "7.0", "80.5"],
    "1 234,5": ["1 234,5", "0,25", "1 234 567", "12", "-3 456,75", "7,0", "80,5"],
    "1\u202f234,5": ["1\u202f234,5", "0,25", "1\u202f234\u202f567", "12", "-3\u202f456,75", "7,0", "80,5"],
    "1 234.5": ["1 234.5", "0.25", "1 234 567", "12", "-3 456.75", "7.0", "80.5"],
    "1'234.5": ["1'234.5", "0.25", "1'234'567", "12", "-3’456.75", "7.0", "80.5"],
}


@pytest.mark.parametrize("cells", WRITTEN.values(), ids=WRITTEN)
def test_decimals_and_thousands_are_found(write, cells):
    table = read_table(write(written(cells)))
    np.testing.assert_array_equal(table.target.values()[:, 0], VALUES)
    assert table.notes[0].startswith("numbers are read as in 1")


def test_numbers_of_programs_stay_as_they_are_and_nothing_is_said(write):
    table = read_table(write(written([1.125, "1e3", 1.25, 7, -2.5, 1.375, 0.5])))
    assert table.target.values()[:, 0].tolist() == [1.125, 1000, 1.25, 7, -2.5, 1.375, 0.5]
    assert table.notes == ()


def test_one_column_tells_what_the_marks_of_another_mean(write):
    cells = [f"{k},5;{k}.234" for k in range(1, 8)]
    table = read_table(write(written(cells, header="day;price;units")), target=["price", "units"])
    assert table.target.values()[:2].tolist() == [[1.5, 1234], [2.5, 2234]]


def test_a_column_of_decimal_points_is_not_misread_for_decimal_commas_beside_it(write):
    cells = [f"{k},5;{share}" for k, share in enumerate([0.5, 1.234, 2.25, 3.0, 1.5, 1.125, 2.75])]
    table = read_table(write(written(cells, header="day;price;share")), target=["price", "share"])
    assert table.target.values()[1].tolist() == [1.5, 1.234]


def test_a_typing_error_does_not_change_how_numbers_are_read(write):
    cells = ["1,5", "2,25", "oops", "4,5", "5,5", "6,5", "7,5"]
    with pytest.raises(DataError, match=exactly("column 'y' is not numeric: 'oops' at line 4")):
        read_table(write(written(cells)), target="y")


@pytest.mark.parametrize(
    ("given", "value"),
    [({"decimal": ","}, 1.234), ({"thousands": ","}, 1234), ({"decimal": "."}, 1234), ({"thousands": "."}, 1.234)],
)
def test_a_mark_that_is_given_settles_what_could_be_either(write, given, value):
    table = read_table(write(written(["1,234"] * 7)), **given)
    assert table.target.values()[:, 0].tolist() == [value] * 7
    assert table.notes == ()


def test_thousands_that_are_given_are_read_where_decimals_would_be(write):
    assert read_table(write(written(["1.234"] * 7))).target.values()[0, 0] == 1.234
    assert read_table(write(written(["1.234"] * 7)), thousands=".").target.values()[0, 0] == 1234


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"decimal": ";"}, "decimal ';' must be a point or a comma"),
        ({"thousands": "_"}, "thousands '_' must be a comma, a point, a space or an apostrophe"),
        ({"decimal": ",", "thousands": ","}, "decimal and thousands are both ',': they must differ"),
    ],
)
def test_an_unknown_mark_is_refused(write, given, message):
    with pytest.raises(DataError, match=exactly(message)):
        read_table(write(weekly_wave()), **given)


def test_ids_are_no_numbers(write):
    rows = [f"{shop};{day}.01.2024;{day},5" for shop in ("1.234", "007") for day in range(11, 18)]
    tables = read_table(write("\n".join(["shop;day;y", *rows])), id="shop")
    assert list(tables) == ["1.234", "007"]


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(("\ufeff" + written(range(7))).encode())
    assert read_table(path).time_name == "day"


def test_rows_that_come_newest_first_are_turned_round_and_it_is_said(write):
    table = read_table(write(weekly_wave()[::-1].drop(index=5)), target="sales", past_covariates="weekday")
    assert table.target == read_table(write(weekly_wave().drop(index=5)), target="sales").target
    assert table.past_covariates.values()[:3, 0].tolist() == [0, 1, 2]
    assert table.notes == (
        "rows were newest first: sorted, oldest first",
        "found 1 missing row: taken as not observed",
    )


@pytest.mark.parametrize("missing", [[], [5]], ids=["complete", "one row missing"])
def test_days_come_first_newest_first_too(write, missing):
    times = pd.date_range("2019-01-01", periods=48, freq="MS")
    stamps = times.delete(missing)[::-1].strftime("%d/%m/%Y")
    assert read_table(write(pd.DataFrame({"t": stamps, "y": range(len(stamps))}))).target.time_index.equals(times)


NUMBERED = {
    "weeks": ([f"2024-W{week:02}" for week in range(5, 18)], "2024-01-29", "W-MON"),
    "weeks without a dash": ([f"2020W{week}" for week in range(40, 54)], "2020-09-28", "W-MON"),
    "days of weeks": ([f"2024-W{week:02}-3" for week in range(5, 18)], "2024-01-31", "W-WED"),
    "quarters": ([f"{2000 + k // 4}Q{k % 4 + 1}" for k in range(3, 16)], "2000-10-01", "QS-OCT"),
    "quarters first": ([f"Q{k % 4 + 1} {2000 + k // 4}" for k in range(3, 16)], "2000-10-01", "QS-OCT"),
    "months": ([f"{2000 + k // 12}M{k % 12 + 1:02}" for k in range(3, 26)], "2000-04-01", "MS"),
}


@pytest.mark.parametrize(("stamps", "first", "freq"), NUMBERED.values(), ids=NUMBERED)
def test_periods_that_are_written_by_number_are_dates(write, stamps, first, freq):
    table = read_table(write(pd.DataFrame({"t": stamps, "y": range(len(stamps))})))
    assert table.target.time_index.equals(pd.date_range(first, periods=len(stamps), freq=freq))


def test_a_week_that_a_year_does_not_have_is_named(write):
    stamps = [f"2024-W{week}" for week in range(45, 55)]
    message = "time column 't' has a cell that is no date like the others: '2024-W53' at line 10"
    with pytest.raises(DataError, match=exactly(message)):
        read_table(write(pd.DataFrame({"t": stamps, "y": range(10)})))


@pytest.mark.parametrize("factor", [1, 1000], ids=["seconds", "milliseconds"])
def test_whole_numbers_since_1970_are_dates(write, factor):
    hours = pd.date_range("2024-01-31", periods=23, freq="h")
    stamps = (hours.as_unit("s").asi8 * factor)[::-1]
    path = write(pd.DataFrame({"t": stamps, "y": range(23)}))
    assert read_table(path).target.time_index.equals(hours)
    assert read_table(path, time="t", freq="h").target.time_index.equals(hours)
    assert read_table(path, time="t", freq=str(3600 * factor)).target.start_time() == stamps[-1]


@pytest.mark.parametrize(("layout", "freq"), [("%Y%m%d", "D"), ("%Y%m", "MS")], ids=["days", "months"])
def test_dates_without_marks_are_found(write, layout, freq):
    times = pd.date_range("1999-11-01", periods=23, freq=freq)
    frame = pd.DataFrame({"t": times.strftime(layout), "y": range(200_000, 200_023)})
    assert read_table(write(frame)).target.time_index.equals(times)
    assert read_table(write(frame.drop(index=7))).n_missing_rows == 1


def test_large_numbers_that_are_not_regular_are_no_times(write):
    population = [300_000_000, 301_200_000, 302_900_000, 303_100_000, 305_000_000]
    with pytest.raises(DataError, match=r"^no time column: none of 'year', 'population' holds dates"):
        read_table(write(pd.DataFrame({"year": range(2001, 2006), "population": population})))


@pytest.fixture(scope="module")
def frame():
    frame = weekly_wave().assign(day=pd.date_range("2024-01-01", periods=90), open=[True, False] * 45)
    frame.loc[11, "sales"] = None
    return frame


def saved(frame, folder, ending):
    path = folder / f"data{ending}"
    if ending == ".xlsx":
        frame.to_excel(path, index=False)
    elif ending == ".feather":
        frame.to_feather(path)
    else:
        frame.to_parquet(path)
    return path


@pytest.mark.parametrize("ending", [".xlsx", ".parquet", ".feather"])
def test_files_of_other_programs_read_like_text(write, frame, tmp_path, ending):
    asked = {"target": "sales", "past_covariates": ["open", "weekday"]}
    table, text = read_table(saved(frame, tmp_path, ending), **asked), read_table(write(frame), **asked)
    assert table.target == text.target
    assert table.past_covariates == text.past_covariates
    assert table.notes == ("found 1 empty cell: taken as not observed",)


@pytest.mark.parametrize(
    ("ending", "place"), [(".xlsx", "row 9"), (".parquet", "row 7"), (".csv", "line 9"), (".csv.gz", "line 9")]
)
def test_a_bad_cell_is_named_where_its_program_shows_it(frame, tmp_path, ending, place):
    bad = frame.astype({"sales": object})
    bad["sales"] = bad["sales"].map(str)
    bad.loc[7, "sales"] = "oops"
    path = tmp_path / f"data{ending}"
    if ending.startswith(".csv"):
        content = bad.to_csv(index=False).encode()
        path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    else:
        saved(bad, tmp_path, ending)
    with pytest.raises(DataError, match=exactly(f"column 'sales' is not numeric: 'oops' at {place}")):
        read_table(path, target="sales")


def test_a_frame_reads_like_its_file(write, frame):
    asked = {"target": "sales", "past_covariates": "open"}
    text = read_table(write(frame), **asked)
    for one in (frame, frame.set_index("day"), frame.assign(day=frame["day"].dt.tz_localize("Europe/Berlin"))):
        table = read_table(one, **asked)
        assert table.target == text.target
        assert table.past_covariates == text.past_covariates


@pytest.mark.parametrize("data", [None, np.zeros(3), pd.Series([1.0])], ids=["None", "array", "series"])
def test_what_is_neither_file_nor_frame_is_refused(data):
    message = f"data must be the path of a file or a DataFrame, not of type {type(data).__name__}"
    with pytest.raises(DataError, match=exactly(message)):
        read_table(data)


@pytest.mark.parametrize("frame", [pd.DataFrame(), pd.DataFrame({"day": [], "y": []})], ids=["nothing", "names only"])
def test_an_empty_frame_is_refused(frame):
    with pytest.raises(DataError, match=exactly("the table has no rows")):
        read_table(frame)


def test_an_index_of_periods_is_the_time():
    frame = pd.DataFrame({"y": np.arange(11.0)}, index=pd.period_range("2001Q2", periods=11, freq="Q"))
    assert read_table(frame).target.start_time() == pd.Timestamp("2001-04-01")


@pytest.mark.parametrize("ending", [".xlsx", ".parquet", ".feather", ".tsf"])
def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path, ending):
    path = tmp_path / f"data{ending}"
    path.write_text(written(range(7)))
    with pytest.raises(DataError, match=f"^{path} cannot be read: "):
        read_table(path)


@pytest.mark.parametrize(
    ("ending", "package"), [(".xlsx", "openpyxl"), (".parquet", "pyarrow"), (".feather", "pyarrow")]
)
def test_a_package_that_is_missing_is_named_with_its_extra(tmp_path, monkeypatch, ending, package):
    path = tmp_path / f"data{ending}"
    path.touch()

    def missing(*_, **__):
        raise ImportError(f"Missing optional dependency '{package}'.")

    for reader in ("read_excel", "read_parquet", "read_feather"):
        monkeypatch.setattr(pd, reader, missing)
    message = f"{path} cannot be read without {package}: pip install 'darts-tsformers[files]'"
    with pytest.raises(DataError, match=exactly(message)):
        read_table(path)


def test_a_sheet_must_begin_with_names(tmp_path):
    path = tmp_path / "data.xlsx"
    pd.DataFrame([[None, None], ["day", "y"], ["2024-01-01", 1]]).to_excel(path, index=False, header=False)
    message = f"{path} must begin with the names of its columns: row 1 of its first sheet is empty"
    with pytest.raises(DataError, match=exactly(message)):
        read_table(path)


@pytest.mark.parametrize("ending", [".xls", ".ods"])
def test_other_spreadsheets_are_to_be_saved_anew(tmp_path, ending):
    path = tmp_path / f"data{ending}"
    path.touch()
    with pytest.raises(DataError, match=exactly(f"{path} is a spreadsheet of another kind: save it as .xlsx")):
        read_table(path)


def test_only_text_has_a_separator(frame, tmp_path):
    path = saved(frame, tmp_path, ".parquet")
    with pytest.raises(DataError, match=exactly(f"separator ';' does not fit {path}: only text files have one")):
        read_table(path, separator=";")
