import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from darts import TimeSeries
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from darts_tsformers.panels import Panel, sorting, source
from tests.panels.tables import NAMED, series_of, untidy

REGIONS = ["east", "north", "south"]


@pytest.fixture(scope="module")
def table():
    return untidy()


@pytest.fixture(scope="module")
def panel(table):
    return Panel.from_pandas(table, **NAMED)


def assert_same(panel, table):
    expected = series_of(table, panel.schema.categories["region"])
    assert panel.ids.to_pylist() == sorted(expected)
    for shop, series in expected.items():
        for found, one in zip(panel[shop], series, strict=True):
            assert found.time_index.equals(one.time_index)
            assert found.freq == one.freq
            assert found.components.equals(one.components)
            np.testing.assert_array_equal(found.values(), one.values())
        assert_frame_equal(
            panel[shop].target.static_covariates, series[0].static_covariates, check_names=False, check_dtype=True
        )


def test_a_series_is_as_pandas_and_darts_make_it(panel, table):
    assert panel.schema.categories == {"region": REGIONS}
    assert_same(panel, table)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6), rows_per_shard=st.sampled_from([1, 53, 10**6]), batch=st.sampled_from([23, 10**6]))
def test_rows_may_come_in_any_order_batch_and_shard(seed, rows_per_shard, batch):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "BATCH_ROWS", batch)
        patch.setattr(sorting, "PART_BYTES", 2000)
        table = untidy(3, seed=seed)
        panel = Panel.from_pandas(table, **NAMED, rows_per_shard=rows_per_shard, freq="D")
        in_order = table.sort_values(["shop", "day"])
        same = Panel.from_pandas(in_order, **NAMED, rows_per_shard=rows_per_shard, freq="D")
    assert_same(panel, table)
    assert panel.schema == same.schema
    assert len(panel.shards) == {1: 3, 53: len(panel.shards), 10**6: 1}[rows_per_shard]


class FromC:
    """What is left of a frame of Polars when only the C interface of Arrow is known."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("kind", ["table", "reader", "c", "large", "dictionary", "parquet", "files", "folder"])
def test_every_way_in_gives_the_same_panel(kind, table, panel, tmp_path):
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    if kind == "large":
        arrow = arrow.set_column(0, "shop", arrow["shop"].cast(pa.large_string()))
    if kind == "dictionary":
        arrow = arrow.set_column(0, "shop", arrow["shop"].dictionary_encode())
    if kind in ("parquet", "files", "folder"):
        for i, (first, stop) in enumerate([(0, 31), (31, 32), (32, len(table))]):
            pq.write_table(arrow.slice(first, stop - first), tmp_path / f"{i}.parquet")
        paths = {
            "parquet": str(tmp_path / "*.parquet"),
            "files": [tmp_path / f"{i}.parquet" for i in (2, 0, 1)],
            "folder": tmp_path,
        }
        found = Panel.from_parquet(paths[kind], **NAMED)
    else:
        data = {"reader": arrow.to_reader(5), "c": FromC(arrow)}.get(kind, arrow)
        found = Panel.from_arrow(data, **NAMED)
    assert found.schema == panel.schema


def test_a_list_of_series_gives_the_same_panel(table, panel):
    expected = series_of(table, REGIONS)
    ids = list(expected)[::-1]
    target, past, future = zip(*(expected[shop] for shop in ids), strict=True)
    found = Panel.from_series(target, past, future, ids=ids, rows_per_shard=41)
    for shop in ids:
        for one, other in zip(found[shop], panel[shop], strict=True):
            np.testing.assert_array_equal(one.values(), other.values())
            assert one.time_index.equals(other.time_index)
    assert len(found.shards) > 1


@pytest.mark.parametrize("freq", ["MS", "h", "B", "W-WED", 3])
def test_months_hours_and_whole_numbers(freq):
    n = 17
    stamps = 5 + 3 * np.arange(n) if freq == 3 else pd.date_range("2020-01-01", periods=n, freq=freq)
    table = pd.DataFrame({"k": [7] * n + [-2] * (n - 4), "t": [*stamps, *stamps[4:]], "y": np.arange(2.0 * n - 4)})
    panel = Panel.from_pandas(table[::-1], id="k", time="t", target="y")
    assert panel.ids.to_pylist() == [-2, 7]
    assert panel.schema.axis.freq == freq
    assert panel[7].target == TimeSeries.from_times_and_values(
        pd.RangeIndex(5, 5 + 3 * n, 3) if freq == 3 else stamps, np.arange(n, dtype=np.float32), columns=["y"]
    )
    assert panel[-2].target.start_time() == stamps[4]


def test_written_parquet_is_read_again_as_the_same_panel(panel, tmp_path):
    panel.to_parquet(tmp_path / "all.parquet")
    assert Panel.from_parquet(tmp_path / "all.parquet", **NAMED).schema == panel.schema


def test_head_and_repr(panel, table):
    ordered = table.sort_values(["shop", "day"])
    expected = ordered[[*NAMED_ORDER]].head(31).reset_index(drop=True)
    assert_frame_equal(panel.head(31), expected, check_dtype=False)
    assert repr(panel) == (
        f"Panel(7 series, {len(table)} rows; target=['units', 'price'], past=['visits'], future=['promo'], "
        "static=['region', 'size'], freq='D')"
    )


NAMED_ORDER = ["shop", "day", "units", "price", "visits", "promo", "region", "size"]


def test_a_copy_is_a_path(panel):
    assert len(pickle.dumps(panel)) < 400
    assert pickle.loads(pickle.dumps(panel)).schema == panel.schema


def test_unknown_series(panel):
    with pytest.raises(KeyError, match="there is no series 'nobody'"):
        panel["nobody"]
    with pytest.raises(KeyError, match="there is no series 3"):
        panel[3]


def test_joined_panels_have_all_series(table):
    shops = sorted(table["shop"].unique())
    one, other = (Panel.from_pandas(table[table["shop"].isin(some)], **NAMED) for some in (shops[1::2], shops[::2]))
    joint = Panel.concat([one, other])
    assert joint.ids.to_pylist() == shops[1::2] + shops[::2]
    for shop in shops:
        whole = Panel.from_pandas(table, **NAMED)[shop]
        for found, expected in zip(joint[shop], whole, strict=True):
            np.testing.assert_array_equal(found.values(), expected.values())
            assert found.time_index.equals(expected.time_index)
        region = table.loc[table["shop"] == shop, "region"].iloc[0]
        code = joint[shop].target.static_covariates["region"].item()
        assert joint.schema.categories["region"][int(code)] == region
    with pytest.raises(ValueError, match=rf"series '{shops[1]}' is in two panels"):
        Panel.concat([joint, one])


def test_appended_steps_follow_and_replace_what_was_known_of_the_future(table):
    ordered = table.sort_values(["shop", "day"]).reset_index(drop=True)
    step = ordered.groupby("shop").cumcount()
    late = ordered["shop"].unique()[-1]
    cut = (step < 9) & (ordered["shop"] != late)
    before = ordered[cut | ((step < 12) & (ordered["shop"] != late))].copy()
    before.loc[~cut, ["units", "price", "visits"]] = np.nan
    before.loc[~cut, "promo"] = 9.0
    before.loc[before.groupby("shop").cumcount() == 8, "units"] = 1.0
    ordered.loc[cut & (step == 8), "units"] = 1.0
    grown = Panel.from_pandas(before, **NAMED, rows_per_shard=19).append(ordered[~cut])
    whole = Panel.from_pandas(ordered, **NAMED)
    assert sorted(grown.ids.to_pylist()) == whole.ids.to_pylist()
    for shop in whole.ids.to_pylist():
        for found, expected in zip(grown[shop], whole[shop], strict=True):
            np.testing.assert_array_equal(found.values(), expected.values())
            assert found.time_index.equals(expected.time_index)


def test_appended_steps_have_to_follow(panel, table):
    with pytest.raises(ValueError, match=r"the new steps begin at .* and must begin at "):
        panel.append(table)


def test_known_future_beyond_the_new_steps_stays():
    days = pd.date_range("2024-01-01", periods=7)
    old = pd.DataFrame({"k": "a", "t": days, "y": [1, 2, 3] + [np.nan] * 4, "f": np.arange(7.0)})
    new = pd.DataFrame({"k": "a", "t": days[3:5], "y": [4.0, 5.0], "f": [30.0, 40.0]})
    grown = Panel.from_pandas(old, id="k", time="t", target="y", future="f").append(new)
    assert grown["a"].target.values().ravel().tolist() == [1, 2, 3, 4, 5]
    assert grown["a"].future.values().ravel().tolist() == [0, 1, 2, 30, 40, 5, 6]
