import gzip

import numpy as np
import pandas as pd
import pytest

from darts_tsformers.workflow import DataError, read_table
from tests.helpers import exactly
from tests.workflow.conftest import weekly_wave


def test_a_table_has_the_values_of_its_file_in_double_precision(write):
    frame = weekly_wave()
    table = read_table(write(frame), target=["returns", "sales"], past_covariates="weekday")
    assert list(table.target.components) == ["returns", "sales"]
    assert table.target.dtype == table.past_covariates.dtype == np.float64
    np.testing.assert_array_equal(table.target.values(), frame[["returns", "sales"]])
    assert table.target.time_index.equals(pd.DatetimeIndex(frame["day"], freq="D"))
    assert table.time_name == "day"
    assert table.future_covariates is None


def test_a_compressed_file_reads_like_a_plain_one(tmp_path, write):
    plain = write(weekly_wave())
    packed = tmp_path / "data.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_table(packed, target="sales").target == read_table(plain, target="sales").target


def test_the_only_numeric_column_without_a_role_is_the_target(write):
    table = read_table(write(weekly_wave()), past_covariates=["returns"], future_covariates=["weekday"])
    assert list(table.target.components) == ["sales"]


def test_true_and_false_are_1_and_0_but_no_target_unless_named(write):
    said = ["True", "FALSE", "", "true ", "0", "false", "1"]
    path = write("day,sales,open\n" + "".join(f"2024-01-0{d},{d},{cell}\n" for d, cell in enumerate(said, 1)))
    values = [1, 0, np.nan, 1, 0, 0, 1]
    np.testing.assert_array_equal(read_table(path, past_covariates="open").past_covariates.values().ravel(), values)
    np.testing.assert_array_equal(read_table(path, target="open").target.values().ravel(), values)
    assert list(read_table(path).target.components) == ["sales"]


def test_text_columns_and_spaces_in_the_header_do_no_harm(write):
    path = write("day, sales, shop\n" + "".join(f"2024-01-0{d}, {d}, north\n" for d in range(1, 8)))
    assert read_table(path).target.values().ravel().tolist() == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("stamps", "freq"),
    [
        (pd.date_range("2024-01-01", periods=30, freq="h").astype(str), "h"),
        (pd.date_range("2024-01-01", periods=30, freq="30min").astype(str), "30min"),
        (pd.date_range("2024-01-01", periods=30, freq="B").strftime("%d/%m/%Y"), "B"),
        (pd.date_range("2001-01-01", periods=30, freq="MS").strftime("%d/%m/%Y"), "MS"),
        (pd.date_range("2001-01-01", periods=12, freq="D").strftime("%m/%d/%Y"), "D"),
        ([f"2024/1/{day} 0:00" for day in range(1, 31)], "D"),
        (pd.date_range("1990-01-01", periods=30, freq="MS").strftime("%Y-%m"), "MS"),
        (pd.date_range("1990-01-01", periods=30, freq="W-TUE").astype(str), "W-TUE"),
        (pd.date_range("2024-01-01", periods=30, freq="h", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ"), "h"),
        (
            pd.date_range("2024-03-30", periods=48, freq="h", tz="Europe/Paris").map(lambda stamp: stamp.isoformat()),
            "h",
        ),
    ],
    ids=[
        "hours",
        "half hours",
        "business days, day first",
        "months, day first",
        "days that could be months",
        "days, unpadded",
        "months",
        "weeks",
        "UTC",
        "daylight saving",
    ],
)
def test_the_frequency_is_inferred(write, stamps, freq):
    table = read_table(write(pd.DataFrame({"when": stamps, "y": range(len(stamps))})))
    assert table.target.freq_str == freq
    assert len(table.target) == len(stamps)


@pytest.mark.parametrize(
    ("stamps", "first", "last", "is_utc"),
    [
        (pd.date_range("2024-03-01", periods=60, tz="Europe/Berlin"), "2024-03-01", "2024-04-29", False),
        (
            pd.date_range("2024-01-31 17:30", periods=24, freq="ME", tz="Europe/Berlin"),
            "2024-01-31 17:30",
            "2025-12-31 17:30",
            False,
        ),
        (
            pd.date_range("2024-03-30", periods=48, freq="h", tz="Europe/Berlin"),
            "2024-03-29 23:00",
            "2024-03-31 22:00",
            True,
        ),
        (
            pd.date_range("2024-03-20", periods=48, freq="h", tz="Europe/Berlin"),
            "2024-03-20",
            "2024-03-21 23:00",
            False,
        ),
    ],
    ids=["days", "months", "hours", "hours of one offset"],
)
def test_days_keep_their_local_time_across_summer_time(write, stamps, first, last, is_utc):
    table = read_table(write(pd.DataFrame({"when": stamps, "y": range(len(stamps))})))
    assert (table.target.start_time(), table.target.end_time()) == (pd.Timestamp(first), pd.Timestamp(last))
    assert (len(table.target), table.is_utc) == (len(stamps), is_utc)


def test_a_missing_hour_is_told_in_the_words_of_the_file(write):
    stamps = pd.date_range("2024-03-30", periods=48, freq="h", tz="Europe/Berlin").map(lambda stamp: stamp.isoformat())
    stamps = [*stamps[:40], stamps[40].replace(":00:00+", ":07:00+"), *stamps[41:]]
    message = (
        r"^irregular time stamps: '2024-03-31T17:07:00\+02:00' at line 42 comes after "
        r"'2024-03-31T16:00:00\+02:00' where 2024-03-31 15:00:00 UTC is due at frequency h"
    )
    with pytest.raises(DataError, match=message):
        read_table(write(pd.DataFrame({"when": stamps, "y": range(48)})))


def test_a_given_frequency_goes_before_the_inferred_one(write):
    path = write(pd.DataFrame({"day": pd.date_range("2024-01-01", periods=5), "y": range(5)}))
    assert read_table(path).target.freq_str == "D"
    assert read_table(path, freq="B").target.freq_str == "B"


def test_whole_numbers_are_steps_and_compact_dates_are_dates(write):
    steps = write(pd.DataFrame({"step": range(10, 40, 2), "y": range(15)}))
    assert read_table(steps, time="step").target.time_index.equals(pd.RangeIndex(10, 40, 2))
    days = write(pd.DataFrame({"day": pd.date_range("2024-01-25", periods=15).strftime("%Y%m%d"), "y": range(15)}))
    assert read_table(days, time="day").target.end_time() == pd.Timestamp("2024-02-08")


def test_rows_without_target_at_the_end_are_the_known_future(write):
    frame = weekly_wave()
    frame.loc[80:, ["sales", "returns"]] = np.nan
    frame.loc[87:, "weekday"] = np.nan
    frame["holiday"] = 1.0
    table = read_table(
        write(frame), target="sales", past_covariates="returns", future_covariates=["holiday", "weekday"]
    )
    assert len(table.target) == len(table.past_covariates) == 80
    assert len(table.future_covariates) == 87
    assert table.known_until == {"holiday": pd.Timestamp("2024-03-30"), "weekday": pd.Timestamp("2024-03-27")}


def changed(**cells):
    """Change cells given as column=(row, value)."""
    frame = weekly_wave().astype(object)
    for column, (row, value) in cells.items():
        frame.loc[row, column] = value
    return frame


BAD_TABLES = {
    "text": (changed(sales=(3, "1,5")), "column 'sales' is not numeric: '1,5' at line 5"),
    "infinite": (changed(weekday=(3, "inf")), "column 'weekday' is not numeric: 'inf' at line 5"),
    "no time stamp": (changed(day=(7, None)), "time column 'day' has no time stamp at line 9"),
    "no date": (
        changed(day=(7, "soon")),
        "time column 'day' has a cell that is no date like the others: 'soon' at line 9",
    ),
    "duplicate": (
        changed(day=(7, "2024-01-07")),
        "duplicate time stamp '2024-01-07' at line 9: keep one row for each time, or name the columns that tell "
        "several series apart (--id)",
    ),
    "unsorted": (
        weekly_wave().iloc[[*range(40), 41, 40, *range(42, 90)]],
        "unsorted time stamps: '2024-02-10' at line 43 comes after '2024-02-11'; sort the rows, oldest first",
    ),
    "no frequency": (
        weekly_wave().iloc[[0, 1, 3, 4, 7, 8, 12]],
        "irregular time stamps: no frequency fits; the first odd step is at line 4, from '2024-01-02' to '2024-01-04'; "
        "resample the rows or give --freq",
    ),
    "two rows": (weekly_wave(2), "2 rows are too few to tell a frequency: at least 3 are needed"),
    "no time column": (
        weekly_wave().drop(columns="day"),
        "no time column: none of 'sales', 'returns', 'weekday' holds dates; name one (--time)",
    ),
    "two time columns": (
        weekly_wave().assign(again=weekly_wave()["day"]),
        "ambiguous time column: 'day', 'again' all hold dates; choose one (--time)",
    ),
    "empty": ("", "{path} is empty, or its first line is: it needs a header and rows"),
    "no header": (
        "2024-01-01,19.248\n2024-01-02,20.5\n2024-01-03,21.5\n",
        "{path} must begin with the names of its columns: '2024-01-01' in the first line is a date",
    ),
    "header only": ("day,sales,weekday\n", "{path} has no rows"),
    "ragged": (
        "day,sales,weekday\n2024-01-01,1,2\n2024-01-02,1,2,3\n",
        "{path} is not a CSV file with as many cells in each line: Error tokenizing data. C error: Expected 3 fields "
        "in line 3, saw 4",
    ),
}


@pytest.mark.parametrize(("content", "message"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_a_bad_table_is_refused_by_naming_the_place(write, content, message):
    path = write(content)
    with pytest.raises(DataError, match=exactly(message.format(path=path))):
        read_table(path, target="sales", past_covariates="weekday")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "sale"}, "no column 'sale': did you mean 'sales'?"),
        ({"target": "xyz"}, "no column 'xyz': the columns are 'day', 'sales', 'returns', 'weekday'"),
        ({"time": "date"}, "no column 'date': did you mean 'day'?"),
        ({}, "several columns could be the target: choose from 'sales', 'returns', 'weekday' (--target)"),
        (
            {"target": "sales", "past_covariates": "sales"},
            "column 'sales' is named twice: a column is time, target, past covariate, future covariate, id or static",
        ),
        (
            {"target": "sales", "freq": "fortnight"},
            "unknown frequency 'fortnight': give one such as h, 30min, D, B, W-SUN, MS, QS or YS",
        ),
        (
            {"target": "sales", "freq": "W-WED"},
            "irregular time stamps: '2024-01-01' at line 2 comes where 2024-01-03 00:00:00 is due at frequency W-WED; "
            "complete the rows or give another frequency (--freq)",
        ),
        (
            {"target": "sales", "time": "returns"},
            f"time column 'returns' holds neither dates nor whole numbers: '{weekly_wave()['returns'][0]}' at line 2",
        ),
    ],
)
def test_a_wrong_argument_is_refused_by_naming_it(write, arguments, message):
    path = write(weekly_wave())
    with pytest.raises(DataError, match=exactly(message)):
        read_table(path, **arguments)


def test_rows_without_target_need_a_future_covariate(write):
    path = write(changed(sales=([87, 88, 89], None)))
    message = "the last 3 rows have no target: remove them, or name the columns known there (--future-covariates)"
    with pytest.raises(DataError, match=exactly(message)):
        read_table(path, target="sales")


def test_a_path_that_is_no_readable_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=exactly(f"{tmp_path / 'none.csv'}: no such file")):
        read_table(tmp_path / "none.csv")
    with pytest.raises(DataError, match=exactly(f"{tmp_path} is a directory: name a file")):
        read_table(tmp_path)
    binary = tmp_path / "binary.csv"
    binary.write_bytes(np.random.default_rng(0).bytes(1000))
    message = f"{binary} is not a CSV file: its bytes are not UTF-8 text; save it as UTF-8"
    with pytest.raises(DataError, match=exactly(message)):
        read_table(binary)
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes(b"day,sales\n")
    with pytest.raises(DataError, match=f"^{broken} cannot be read: Not a gzipped file"):
        read_table(broken)


def test_no_numeric_column_is_refused(write):
    path = write("day,shop\n2024-01-01,north\n2024-01-02,south\n2024-01-03,north\n")
    with pytest.raises(DataError, match=exactly("no numeric column to forecast: column 'shop' has 'north' at line 2")):
        read_table(path)


def test_whole_numbers_take_a_whole_step(write):
    path = write(pd.DataFrame({"step": [0, 2, 4, 7], "y": range(4)}))
    with pytest.raises(
        DataError, match=r"^irregular time stamps: '7' at line 5 comes after '4' where 6 is due at frequency 2"
    ):
        read_table(path, time="step")
    with pytest.raises(DataError, match=r"^frequency 'D' does not fit a time column of whole numbers"):
        read_table(path, time="step", freq="D")


def test_gaps_are_found_and_kept(write):
    frame = weekly_wave().drop(index=[50, 51, 70])
    frame.loc[[10, 20], "sales"] = None
    frame.loc[[20], "weekday"] = None
    table = read_table(write(frame), target=["sales"], past_covariates="weekday")
    assert len(table.target) == len(weekly_wave())
    assert table.target.freq_str == "D"
    missing = np.flatnonzero(np.isnan(table.target.values()[:, 0]))
    assert missing.tolist() == [10, 20, 50, 51, 70]
    assert np.flatnonzero(np.isnan(table.past_covariates.values()[:, 0])).tolist() == [20, 50, 51, 70]
    assert table.gaps == "found 3 empty cells and 3 missing rows: taken as not observed"
    expected = weekly_wave()["sales"].to_numpy()
    np.testing.assert_array_equal(np.delete(table.target.values()[:, 0], missing), np.delete(expected, missing))


def test_a_single_gap_is_counted_as_one(write):
    assert read_table(write(weekly_wave().drop(index=9)), target="sales").gaps == (
        "found 1 missing row: taken as not observed"
    )
    assert read_table(write(changed(sales=(9, None))), target="sales").gaps == (
        "found 1 empty cell: taken as not observed"
    )
    assert read_table(write(weekly_wave()), target="sales").gaps == ""


def test_steps_of_whole_numbers_may_be_missing(write):
    path = write(pd.DataFrame({"step": [0, 2, 4, 8, 10, 12], "y": [1, 2, 3, 5, 6, 8]}))
    table = read_table(path, time="step", target="y")
    assert table.target.time_index.tolist() == [0, 2, 4, 6, 8, 10, 12]
    assert np.isnan(table.target.values()[3, 0])


def test_more_missing_rows_than_rows_are_irregular(write):
    frame = weekly_wave().iloc[[0, 1, 2, 3, 30, 31, 32, 60, 61, 62, 63, 64]]
    with pytest.raises(DataError, match=r"^irregular time stamps: '2024-01-31' at line 6"):
        read_table(write(frame), target="sales", freq="D")


def test_gaps_of_a_known_future_are_filled_up_to_the_last_target_only(write):
    frame = weekly_wave().astype({"weekday": float})
    frame.loc[frame.index[-7:], ["sales", "returns"]] = None
    frame.loc[[11, 12], "weekday"] = None
    table = read_table(write(frame), target="sales", future_covariates="weekday")
    known = weekly_wave()["weekday"].to_numpy(dtype=float)
    np.testing.assert_allclose(
        table.future_covariates.values()[11:13, 0], np.interp([11, 12], [10, 13], known[[10, 13]])
    )
    assert table.gaps == "found 2 empty cells: taken as not observed"
    frame.loc[frame.index[-3], "weekday"] = None
    with pytest.raises(DataError, match=r"^future covariate 'weekday' is empty at .*, after the last target"):
        read_table(write(frame), target="sales", future_covariates="weekday")


def test_a_time_stamp_off_the_axis_is_named(write):
    frame = weekly_wave()
    frame["day"] = [f"{day} 00:00" for day in frame["day"]]
    frame.loc[50, "day"] = frame.loc[50, "day"].replace("00:00", "06:00")
    message = (
        r"^irregular time stamps: '2024-02-20 06:00' at line 52 comes after '2024-02-19 00:00' where "
        r"2024-02-20 00:00:00 is due at frequency D; complete the rows"
    )
    with pytest.raises(DataError, match=message):
        read_table(write(frame), target="sales")
