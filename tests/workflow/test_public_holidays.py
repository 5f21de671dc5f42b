from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries

from darts_tsformers.workflow import DataError, Table, compare, load, read_table, with_holidays, write_report
from tests.helpers import exactly
from tests.workflow.conftest import TINY


def days(n_days=61, freq="D", start="2023-11-03"):
    times = pd.date_range(start, periods=n_days, freq=freq)
    return pd.DataFrame({"day": times, "units": 20.0 + np.arange(n_days) % 7})


def test_holidays_are_known_beyond_the_end_and_marked_at_every_step_of_their_day():
    table = read_table(days(61, freq="6h", start="2023-12-20"), country_holidays="DE")
    found = table.future_covariates["holidays_DE"].to_series()
    assert len(found) == 61 + 1000
    marked = found.index[found == 1]
    assert set(marked[:12].strftime("%m-%d")) == {"12-25", "12-26", "01-01"}
    assert table.country_holidays == "DE"


def test_holidays_stand_beside_other_covariates_and_end_with_them():
    frame = days().assign(promo=1.0)
    frame.loc[58:, "units"] = np.nan
    table = read_table(frame, future_covariates="promo", country_holidays="US")
    assert list(table.future_covariates.components) == ["promo", "holidays_US"]
    assert len(table.future_covariates) == 61


def test_each_of_several_series_has_them():
    frame = pd.concat([days(n).assign(shop=name) for name, n in (("a", 41), ("b", 37))])
    tables = read_table(frame, target="units", id="shop", country_holidays="FR")
    assert [list(one.future_covariates.components) for one in tables.values()] == [["holidays_FR"]] * 2
    with pytest.raises(DataError, match=r"^series 'a': no holidays are known of country 'XX'"):
        read_table(frame, target="units", id="shop", country_holidays="XX")


def test_a_saved_forecaster_finds_them_anew(tmp_path):
    table = read_table(days(), country_holidays="DE")
    arguments = {"lookback": 7, "epochs": 1, "model_arguments": TINY, "refit": False, "verbose": False}
    write_report(compare(table, 3, "itransformer", **arguments), tmp_path / "out")
    days().to_csv(tmp_path / "days.csv", index=False)
    forecaster = load(tmp_path / "out")
    made = [forecaster.predict(data).point for data in (table, table.target, tmp_path / "days.csv")]
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize(
    ("target", "country", "message"),
    [
        (days(), "XX", "no holidays are known of country 'XX': give its ISO code, such as DE, FR or US"),
        (days(freq="W-SUN"), "DE", "holidays need steps of a day or less, not W-SUN: leave them out"),
    ],
)
def test_what_has_no_holidays_is_refused(target, country, message):
    with pytest.raises(DataError, match=exactly(message)):
        read_table(target, country_holidays=country)


def test_numbered_steps_and_a_second_column_of_the_name_are_refused():
    with pytest.raises(DataError, match=r"^holidays need dates, but the steps are numbered"):
        with_holidays(Table(TimeSeries.from_values(np.arange(9.0))), "DE")
    table = with_holidays(read_table(days()), "DE")
    with pytest.raises(DataError, match=r"^column 'holidays_DE' is there already"):
        with_holidays(replace(table, country_holidays=None), "DE")
