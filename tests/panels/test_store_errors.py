import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from darts_tsformers.panels import Panel

SMALL = {"id": "k", "time": "t", "target": "y"}
DAYS = pd.date_range("2024-01-01", periods=5)


def frame(**changes):
    columns = {"k": ["a"] * 5 + ["b"] * 5, "t": [*DAYS, *DAYS], "y": np.arange(10.0)}
    return pd.DataFrame(columns | changes)


def written(tmp_path, *tables):
    for i, table in enumerate(tables):
        table = table if isinstance(table, pa.Table) else pa.Table.from_pandas(table, preserve_index=False)
        pq.write_table(table, tmp_path / f"{i}.parquet")
    return tmp_path / "*.parquet"


def test_a_stamp_that_comes_twice_names_its_files(tmp_path):
    paths = written(tmp_path, frame(), frame()[7:8])
    rule = r"0\.parquet and \S*1\.parquet: series 'b' has the stamp 2024-01-03 00:00:00 twice"
    with pytest.raises(ValueError, match=rule):
        Panel.from_parquet(paths, **SMALL, freq="D", store=tmp_path / "panel")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.parquet", "1.parquet"]


def test_a_step_without_a_row_is_an_error_or_a_gap(tmp_path):
    paths = written(tmp_path, frame()[:3], frame().drop(index=6)[3:])
    rule = r"1\.parquet: series 'b' has the stamp 2024-01-01 00:00:00 but no row for 2024-01-02 00:00:00"
    with pytest.raises(ValueError, match=rule):
        Panel.from_parquet(paths, **SMALL)
    panel = Panel.from_parquet(paths, **SMALL, fill_gaps=True)
    np.testing.assert_array_equal(panel["b"].target.values().ravel(), [5, np.nan, 7, 8, 9])
    assert panel["a"].target.values().ravel().tolist() == [0, 1, 2, 3, 4]


def test_a_stamp_between_two_steps(tmp_path):
    stamps = [*DAYS, *DAYS[:4], DAYS[4] + pd.Timedelta("1h")]
    with pytest.raises(ValueError, match=r"0\.parquet: series 'b' has the stamp 2024-01-05 01:00:00 which is not on"):
        Panel.from_parquet(written(tmp_path, frame(t=stamps)), **SMALL)


def test_a_column_of_another_type_in_another_file(tmp_path):
    other = pa.Table.from_pandas(frame(k=[1] * 5 + [2] * 5), preserve_index=False)
    with pytest.raises(ValueError, match=r"1\.parquet: column 'k' is of type int64, but of type .*string in .*0\.parq"):
        Panel.from_parquet(written(tmp_path, frame(), other), **SMALL)


@pytest.mark.parametrize(
    ("table", "named", "rule"),
    [
        (frame(), SMALL | {"target": "z"}, "there is no column 'z'; there are"),
        (frame(), SMALL | {"target": []}, r"target=\[\] must name at least one column"),
        (frame(), SMALL | {"past": "y"}, "column 'y' must be named once"),
        (frame(y=["x"] * 10), SMALL, "target column 'y' is of type .*string and must hold numbers"),
        (frame(t=["x"] * 10), SMALL, "time column 't' is of type .*string and must hold dates or integers"),
        (frame(t=[*DAYS.tz_localize("UTC")] * 2), SMALL, "time column 't' has the time zone 'UTC'"),
        (frame(k=[None] * 10), SMALL, "id column 'k' is of type null and must hold text or integers"),
        (frame(k=["a"] * 9 + [None]), SMALL, "the table: column 'k' must have no missing value"),
        (frame()[:0], SMALL, "the table has no rows"),
        (frame()[::5], SMALL, "freq=None cannot be inferred"),
        (frame(), SMALL | {"freq": 3}, "freq=3 must be a frequency of pandas such as 'D', as stamps are dates"),
        (frame(), SMALL | {"freq": "often"}, "freq='often' must be a frequency of pandas"),
        (frame(), SMALL | {"freq": "W-SUN"}, "the first stamp, 2024-01-01 00:00:00, is not on the axis"),
        (frame(s=[1] * 9 + [2]), SMALL | {"static": "s"}, "series 'b' .* 2024-01-05 .* 's' changes from 1.0 to 2.0"),
        (frame(s=["u"] * 5 + ["v"] * 4 + ["w"]), SMALL | {"static": "s"}, "'s' changes from 'v' to 'w'"),
        (frame(s=[None] + [1.0] * 9), SMALL | {"static": "s"}, "'s' must have no missing value"),
    ],
)
def test_tables_that_make_no_panel(table, named, rule, tmp_path):
    with pytest.raises(ValueError, match=rule):
        Panel.from_pandas(table, **named, store=tmp_path / "panel")
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_none(tmp_path):
    with pytest.raises(ValueError, match=r"x\*: there is no such Parquet file"):
        Panel.from_parquet(tmp_path / "x*", **SMALL)
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")
    with pytest.raises(ValueError, match=r"bad\.parquet cannot be read as Parquet"):
        Panel.from_parquet(tmp_path, **SMALL)
    with pytest.raises(ValueError, match="data=dict must be a table of Arrow"):
        Panel.from_arrow({"k": []}, **SMALL)


def test_a_store_is_not_written_over(tmp_path):
    Panel.from_pandas(frame(), **SMALL, store=tmp_path / "panel")
    with pytest.raises(FileExistsError, match="panel is there already"):
        Panel.from_pandas(frame(), **SMALL, store=tmp_path / "panel")


def test_damage_is_found(tmp_path):
    panel = Panel.from_pandas(frame(), **SMALL, store=tmp_path / "panel")
    panel.verify()
    path = tmp_path / "panel" / "shard-00000" / "target.f32"
    path.write_bytes(bytes(reversed(path.read_bytes())))
    with pytest.raises(ValueError, match=r"target\.f32 is damaged: its checksum"):
        Panel(tmp_path / "panel").verify()
    path.write_bytes(b"short")
    with pytest.raises(ValueError, match=r"target\.f32 is damaged: it must have 40 bytes and has 5"):
        Panel(tmp_path / "panel")["a"]
    with pytest.raises(ValueError, match=r"panel\.json cannot be read"):
        Panel(tmp_path)
    (tmp_path / "panel" / "panel.json").write_text('{"version": 99}')
    with pytest.raises(ValueError, match="holds a panel of version 99; this package reads version 1"):
        Panel(tmp_path / "panel")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"shape": (5, 2)}, "series 1: its target has components"),
        ({"freq": "h"}, "series 1: its target has the frequency h and must have D"),
    ],
)
def test_series_that_differ(changes, rule):
    from darts.utils.timeseries_generation import gaussian_timeseries
    from darts.utils.utils import generate_index

    index = generate_index(start=pd.Timestamp("2024-01-01"), length=5, freq=changes.get("freq", "D"))
    from darts import TimeSeries

    one = gaussian_timeseries(length=5, start=pd.Timestamp("2024-01-01"), column_name="0")
    other = TimeSeries.from_times_and_values(index, np.zeros(changes.get("shape", (5, 1))))
    with pytest.raises(ValueError, match=rule):
        Panel.from_series([one, other])


def test_names_of_series():
    from darts import TimeSeries

    series = [TimeSeries.from_values(np.arange(5.0))] * 2
    with pytest.raises(ValueError, match="ids must be 2 different ones"):
        Panel.from_series(series, ids=["a", "a"])
    with pytest.raises(ValueError, match=r"past_covariates has 1 series and must have 2"):
        Panel.from_series(series, series[:1])
    with pytest.raises(ValueError, match=r"series=\[\] must have at least one series"):
        Panel.from_series([])
