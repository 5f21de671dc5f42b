"""Files of several series, one below the other."""

import numpy as np
import pandas as pd
import pytest

from darts_tsformers.workflow import DataError, Tables, read_table
from tests.helpers import exactly

LENGTHS = {"north": 23, "south": 13, "007": 17}


def long_frame(freq="D"):
    """Three shops of their own lengths and starts."""
    parts = []
    for k, (shop, n) in enumerate(LENGTHS.items()):
        days = pd.date_range("2024-01-01", periods=n + 3 * k, freq=freq)[3 * k :]
        units = 100 * k + np.arange(n)
        parts.append(
            pd.DataFrame(
                {"shop": shop, "day": days.astype(str), "units": units, "promo": units % 3, "area": 50 + 10 * k}
            )
        )
    return pd.concat(parts, ignore_index=True).assign(region=lambda frame: np.where(frame["area"] > 55, "a", "b"))


def test_each_id_is_a_series_in_the_order_of_the_file(write):
    tables = read_table(write(long_frame()), target="units", past_covariates="promo", id="shop")
    assert isinstance(tables, Tables)
    assert {shop: len(table.target) for shop, table in tables.items()} == LENGTHS
    assert tables.id_names == ("shop",)
    for k, (table, covariates) in enumerate(zip(tables.values(), tables.past_covariates, strict=True)):
        np.testing.assert_array_equal(table.target.values()[:, 0], 100 * k + np.arange(len(table.target)))
        np.testing.assert_array_equal(covariates.values(), table.target.values() % 3)
        assert table.target.start_time() == pd.Timestamp("2024-01-01") + pd.Timedelta(days=3 * k)
    assert tables.future_covariates is None


@pytest.mark.parametrize("by", [["day"], ["units"]], ids=["by time", "by value"])
def test_the_rows_of_different_series_may_be_mixed(write, by):
    mixed = read_table(write(long_frame().sort_values(by, kind="stable")), target="units", id="shop")
    tables = read_table(write(long_frame()), target="units", id="shop")
    assert {shop: table.target for shop, table in mixed.items()} == {s: table.target for s, table in tables.items()}


def test_several_columns_may_tell_series_apart(write):
    frame = long_frame().assign(item=lambda frame: frame["units"] % 2)
    tables = read_table(write(frame), target="units", id=["shop", "item"])
    assert list(tables)[:2] == [("north", "0"), ("north", "1")]
    assert len(tables) == 6
    assert {table.target.freq_str for table in tables.values()} == {"2D"}


def test_static_columns_are_static_covariates_numbers_or_text(write):
    tables = read_table(write(long_frame()), target="units", id="shop", static=["area", "region"])
    found = [table.target.static_covariates.to_dict("records") for table in tables.values()]
    assert found == [[{"area": 50.0, "region": "b"}], [{"area": 60.0, "region": "a"}], [{"area": 70.0, "region": "a"}]]


def test_one_frequency_is_found_for_all(write):
    frame = long_frame()
    sparse = frame[~((frame["shop"] == "south") & (frame["units"] % 3 == 1))]
    short = sparse.drop(index=sparse.index[sparse["shop"] == "007"][2:])
    tables = read_table(write(short), target="units", id="shop")
    assert {table.target.freq_str for table in tables.values()} == {"D"}
    assert len(tables["007"].target) == 2
    assert tables["south"].n_missing_rows == 3
    assert tables.notes == ("found 3 missing rows: taken as not observed",)


def test_series_that_together_look_finer_keep_their_own_frequency(write):
    frame = long_frame("W-MON")
    tables = read_table(write(frame), target="units", id="shop")
    assert {table.target.freq_str for table in tables.values()} == {"W-MON"}


def test_series_may_be_apart_by_half_a_step():
    hours = pd.date_range("2024-01-01", periods=12, freq="2h")
    shifted = pd.concat(
        pd.DataFrame({"id": name, "t": hours + shift, "y": range(12)})
        for name, shift in (("a", pd.Timedelta(0)), ("b", pd.Timedelta("1h")))
    )
    tables = read_table(shifted, id="id")
    assert [table.target.freq_str for table in tables.values()] == ["2h", "2h"]
    assert tables["b"].target.start_time() == pd.Timestamp("2024-01-01 01:00")


def test_series_of_working_days_beside_one_of_all_days_are_daily():
    days = pd.date_range("2024-01-01", periods=30)
    office, kiosk = days[days.dayofweek < 5], days[:20]
    frame = pd.concat(pd.DataFrame({"id": name, "t": t, "y": 1.0}) for name, t in (("o", office), ("k", kiosk)))
    assert {table.target.freq_str for table in read_table(frame, id="id").values()} == {"D"}


def test_each_series_has_a_known_future_of_its_own(write):
    frame = long_frame().astype({"units": float})
    frame.loc[frame.groupby("shop").tail(4).index, "units"] = np.nan
    tables = read_table(write(frame), target="units", id="shop", future_covariates="promo")
    assert [len(series) for series in tables.targets] == [19, 9, 13]
    assert [len(series) for series in tables.future_covariates] == [23, 13, 17]


def test_series_that_come_newest_first_are_turned_round(write):
    tables = read_table(write(long_frame()[::-1]), target="units", id="shop")
    assert list(tables) == ["007", "south", "north"]
    assert tables["north"].target == read_table(write(long_frame()), target="units", id="shop")["north"].target
    assert tables.notes == ("rows were newest first: sorted, oldest first",)


def changed(row, **cells):
    frame = long_frame().astype(object)
    for name, value in cells.items():
        frame.loc[row, name] = value
    return frame


BAD = {
    "empty id": (changed(30, shop=None), {}, "id column 'shop' is empty at line 32: each row needs a value"),
    "duplicate": (
        changed(30, day="2024-01-10"),
        {},
        "series 'south': duplicate time stamp '2024-01-10' at line 32: keep one row for each time, or name the columns "
        "that tell several series apart (--id)",
    ),
    "unsorted": (
        changed(30, day="2024-01-02"),
        {},
        "series 'south': unsorted time stamps: '2024-01-02' at line 32 comes after '2024-01-10'; sort the rows, oldest "
        "first",
    ),
    "changing": (
        changed(30, region="b"),
        {"static": "region"},
        "static column 'region' changes within series 'south', from 'a' at line 25 to 'b' at line 32: a static column "
        "has one value for each series",
    ),
    "empty static": (
        changed(30, region=None),
        {"static": "region"},
        "static column 'region' is empty at line 32: each row needs a value",
    ),
    "empty target": (
        changed(slice(23, 35), units=None),
        {},
        "series 'south': target 'units' is empty: it needs values to learn from",
    ),
    "unknown id": ({}, {"id": "shops"}, "no column 'shops': did you mean 'shop'?"),
    "two roles": (
        {},
        {"static": "shop"},
        "column 'shop' is named twice: a column is time, target, past covariate, future covariate, id or static",
    ),
}


@pytest.mark.parametrize(("frame", "asked", "message"), BAD.values(), ids=BAD)
def test_a_bad_long_table_is_refused_by_naming_series_and_line(write, frame, asked, message):
    path = write(frame if len(frame) else long_frame())
    with pytest.raises(DataError, match=exactly(message)):
        read_table(path, **{"target": "units", "id": "shop"} | asked)


TSF = """# a comment
@relation sales
@attribute series_name string
@attribute state string
@attribute start_timestamp date
@frequency monthly
@missing true
@data
T1:NSW:2001-01-28 00-00-00:5.1,?,7,16777217
T2:VIC:2001-03-28 00-00-00:1,2,3
"""


def test_an_archive_file_is_a_long_table(tmp_path):
    path = tmp_path / "data.tsf"
    path.write_text(TSF)
    tables = read_table(path, static="state")
    assert list(tables) == ["T1", "T2"]
    np.testing.assert_array_equal(tables["T1"].target.values()[:, 0], [5.1, np.nan, 7, 16777217])
    assert tables["T2"].target.time_index.equals(pd.date_range("2001-03-01", periods=3, freq="MS"))
    assert tables["T2"].target.static_covariates["state"].tolist() == ["VIC"]
    assert tables.notes == ("found 1 empty cell: taken as not observed",)


def test_an_archive_file_of_one_series_is_one_table_and_may_have_no_dates(tmp_path):
    path = tmp_path / "data.tsf"
    lines = [line.replace(":2001-03-28 00-00-00", "") for line in TSF.splitlines() if not line.startswith("T1")]
    path.write_text("\n".join(line for line in lines if "start" not in line))
    assert read_table(path, time="time").target.time_index.equals(pd.RangeIndex(3))
