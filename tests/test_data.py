import gzip

import numpy as np
import pandas as pd
import pytest

from darts_tsformers.data import read_tsf, realistic_panel
from tests.contracts.cases import Case, sample_of_models

TSF = """# a comment
@relation Small
@attribute series_name string
@attribute start_timestamp date
@frequency {frequency}
@horizon 3
@data
T1:1979-01-01 00-00-00:{first}
T2:1980-03-01 00-00-00:{second}
"""


def write(path, frequency="monthly", n=60):
    values = np.arange(n) + 10.0
    text = TSF.format(
        frequency=frequency,
        first=",".join(str(v) for v in values),
        second=",".join("?" if i == 2 else str(100 * v) for i, v in enumerate(values[:50])),
    )
    path.write_text(text, encoding="latin-1")
    return path


def test_an_archive_file_is_read(tmp_path):
    first, second = read_tsf(write(tmp_path / "small.tsf"))
    assert first.start_time() == pd.Timestamp("1979-01-01")
    assert first.freq_str == "MS"
    assert list(first.components) == ["T1"]
    np.testing.assert_array_equal(first.values()[:3, 0], [10, 11, 12])
    assert second.start_time() == pd.Timestamp("1980-03-01")
    assert len(second) == 50
    assert np.isnan(second.values()[2, 0])
    assert second.dtype == np.float32


def test_a_compressed_file_is_read(tmp_path):
    plain = write(tmp_path / "small.tsf")
    with gzip.open(tmp_path / "small.tsf.gz", "wb") as file:
        file.write(plain.read_bytes())
    assert read_tsf(tmp_path / "small.tsf.gz") == read_tsf(plain)


def test_other_attributes_and_no_start_are_taken(tmp_path):
    path = tmp_path / "other.tsf"
    path.write_text("@attribute series_name string\n@attribute state string\n@frequency daily\n@data\nT1:NSW:1,2,?,4\n")
    (series,) = read_tsf(path)
    assert list(series.time_index) == [0, 1, 2, 3]
    assert np.isnan(series.values()[2, 0])
    path.write_text("@attribute series_name string\n@frequency daily\n@data\nT1:NSW:1,2\n")
    with pytest.raises(ValueError, match=r"has 2 attributes, the header names \['series_name'\]"):
        read_tsf(path)


def test_bad_files_say_what_is_wrong(tmp_path):
    with pytest.raises(ValueError, match="frequency='secondly' must be one of"):
        read_tsf(write(tmp_path / "bad.tsf", frequency="secondly"))
    (tmp_path / "empty.tsf").write_text("@frequency daily\n@data\n")
    with pytest.raises(ValueError, match="no series after @data"):
        read_tsf(tmp_path / "empty.tsf")


@pytest.fixture
def tidy(tmp_path):
    first, second = read_tsf(write(tmp_path / "small.tsf"))
    third = first * 7 + 3
    return [first, second.with_values(np.nan_to_num(second.values(), nan=1.0)), third]


def test_a_panel_has_gaps_short_series_groups_and_holidays(tidy):
    panel = realistic_panel(tidy, missing_share=0.2, short_share=0.5, shortest=20, seed=2)
    assert sorted({len(one) for one in panel.series}) == [20, 50, 60]
    share = np.mean(np.concatenate([np.isnan(one.values()[:, 0]) for one in panel.series]))
    assert 0.1 < share < 0.3
    assert [one.static_covariates["group"].item() for one in panel.series] == [0, 2, 1]
    for one, future in zip(panel.series, panel.future_covariates, strict=True):
        assert future.start_time() == one.start_time()
        assert len(future) == len(one) + 48


def test_the_same_seed_makes_the_same_panel(tidy):
    first, second = (realistic_panel(tidy, seed=3).series for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.values(), other.values())


def test_holidays_are_counted_by_step(tidy):
    (future, *_) = realistic_panel(tidy[:1], short_share=0.0).future_covariates
    assert future.components[0] == "holidays"
    december, august = (future[pd.Timestamp(f"1980-{month}-01")].values().item() for month in (12, 8))
    assert (december, august) == (1, 0)


@sample_of_models
def test_a_model_takes_such_a_panel(case: Case, tidy):
    panel = realistic_panel(tidy, shortest=13, short_share=0.5, seed=1)
    model = case.model(
        24, 6, min_input_chunk_length=6, categorical_embedding_sizes={"group": panel.n_groups}, n_epochs=2
    ).fit(panel.series, future_covariates=panel.future_covariates)
    forecasts = model.predict(9, panel.series, future_covariates=panel.future_covariates)
    assert all(np.isfinite(forecast.values()).all() for forecast in forecasts)
