"""Components are found by their names, or refused: never taken for each other."""

import numpy as np
import pytest
from darts import TimeSeries
from darts.utils.likelihood_models.torch import QuantileRegression

from darts_tsformers.explain import explain
from darts_tsformers.models import TSFormerModel
from tests.checkpoints.generate import HERE, forecast, inputs
from tests.contracts.cases import CASE, SHARED, Case, H, make_data

DATA = make_data(3, ("past", "future"))
TIED = CASE["TemporalFusionTransformerModel"]
FREE = CASE["ITransformerModel"]


def backwards(series: TimeSeries) -> TimeSeries:
    return series[list(series.components[::-1])]


def renamed(series: TimeSeries, *names: str) -> TimeSeries:
    return series.with_columns_renamed(list(series.components), list(names))


def all_backwards() -> dict[str, TimeSeries]:
    return {name: backwards(series) for name, series in DATA.covariates().items()}


@pytest.fixture(scope="module", params=SHARED, ids=lambda case: case.name)
def model(request) -> TSFormerModel:
    return request.param.model(n_epochs=2).fit(DATA.series, **DATA.covariates())


def test_covariates_in_another_order_are_the_same(model):
    expected = model.predict(H + 2, DATA.series, **DATA.covariates())
    assert expected == model.predict(H + 2, DATA.series, **all_backwards())
    how = {"start": 45, "start_format": "position", "forecast_horizon": H, "retrain": False, "last_points_only": False}
    past, there = (
        model.historical_forecasts(DATA.series, **how, **given) for given in (DATA.covariates(), all_backwards())
    )
    assert past == there
    ours, theirs = (explain(model, DATA.series, **given) for given in (DATA.covariates(), all_backwards()))
    assert ours.forecasts == theirs.forecasts


def test_a_model_trains_on_covariates_in_one_order_only():
    both = [DATA.series, DATA.series]
    given = {name: [series, backwards(series)] for name, series in DATA.covariates().items()}
    models = [FREE.model().fit(both, **each) for each in (given, {name: [one[0]] * 2 for name, one in given.items()})]
    forecasts = [one.predict(H, DATA.series, **DATA.covariates()) for one in models]
    assert forecasts[0] == forecasts[1]
    again = [
        one.fit(DATA.series, **each) for one, each in zip(models, (DATA.covariates(), all_backwards()), strict=True)
    ]
    assert again[0].predict(H) == again[1].predict(H)


def test_encodings_go_on_beside_covariates_in_another_order():
    encoders = {"cyclic": {"future": ["dayofweek"]}, "position": {"past": ["relative"]}}
    model = FREE.model(add_encoders=encoders).fit(DATA.series, **DATA.covariates())
    assert model.predict(H, DATA.series, **DATA.covariates()) == model.predict(H, DATA.series, **all_backwards())


@pytest.mark.parametrize("kind", ["past_covariates", "future_covariates"])
@pytest.mark.parametrize("names", [("p0", "humidity"), ("humidity", "wind")], ids="-".join)
def test_covariates_of_other_names_are_refused(model, kind, names):
    names = tuple(name.replace("p", kind[0]) if name == "p0" else name for name in names)
    given = DATA.covariates() | {kind: renamed(DATA.covariates()[kind], *names)}
    with pytest.raises(
        ValueError, match=rf"{kind} 0 has the components \[.*'humidity'.*\], which must be those of tra"
    ):
        model.predict(H, DATA.series, **given)


def test_a_target_in_another_order_is_refused(model):
    with pytest.raises(ValueError, match=r"series 0 has .*\['y2', 'y1', 'y0'\], which must be in the order"):
        model.predict(H, backwards(DATA.series), **DATA.covariates())
    with pytest.raises(ValueError, match=r"series 1 has .*\['y2', 'y1', 'y0'\], which must be in the order"):
        FREE.model().fit([DATA.series, backwards(DATA.series)])


@pytest.mark.parametrize(("case", "names"), [(TIED, "abc"), (TIED, ("y0", "y1", "a")), (FREE, ("y0", "y1", "a"))])
def test_a_target_of_other_names_is_refused(case: Case, names):
    model = case.model().fit(DATA.series)
    with pytest.raises(ValueError, match=r"series 0 has the components .*'a'.* are missing and \['a'"):
        model.predict(H, renamed(DATA.series, *names))


def test_a_model_that_is_tied_to_no_component_forecasts_another_target_and_any_one_alone():
    model = FREE.model().fit(DATA.series)
    expected = model.predict(H, DATA.series).values()
    np.testing.assert_array_equal(model.predict(H, renamed(DATA.series, *"abc")).values(), expected)
    assert model.predict(H, DATA.series["y1"]).n_components == 1
    alone = TIED.model().fit(DATA.series["y1"])
    assert alone.predict(H, DATA.series["y2"]).n_components == 1


def test_series_of_several_names_have_none_to_go_by():
    series = [DATA.series, renamed(DATA.series, *"abc")]
    model = TIED.model(likelihood=QuantileRegression([0.1, 0.5, 0.9])).fit(series)
    assert len(model.predict(H, [renamed(DATA.series, *"xyz"), DATA.series])) == 2


def test_a_stream_takes_its_rows_in_the_order_of_training():
    model = CASE["LogSparseTransformerModel-history"].model().fit(DATA.series, **DATA.covariates())
    begun = DATA.series[:30]
    with pytest.raises(ValueError, match=r"past_covariates has the components \['p1', 'p0'\]"):
        model.stream(begun, **all_backwards())
    stream = model.stream(begun, **{name: one[:30] for name, one in DATA.covariates().items()})
    given = {name: one[30:40] for name, one in DATA.covariates().items()}
    with pytest.raises(ValueError, match=r"values has the components \['y2', 'y1', 'y0'\]"):
        stream.update(backwards(DATA.series[30:32]), **given)
    with pytest.raises(ValueError, match=r"future_covariates has the components \['f1', 'f0'\]"):
        stream.update(DATA.series[30:32], **given | {"future_covariates": backwards(given["future_covariates"])})
    assert stream.update(DATA.series[30:32], **given).end_time == DATA.series.time_index[31]


def test_weights_are_found_by_name():
    weights = DATA.series.with_values(np.tile(np.array([1.0, 5.0, 0.0], dtype=np.float32), (len(DATA.series), 1)))
    models = [FREE.model().fit(DATA.series, sample_weight=each) for each in (weights, backwards(weights))]
    assert models[0].predict(H) == models[1].predict(H)


def test_names_come_back_from_files(tmp_path):
    model = TIED.model().fit(DATA.series, **DATA.covariates())
    model.save(tmp_path / "a.pt", clean=True)
    weights = TIED.model()
    weights.load_weights(tmp_path / "a.pt")
    expected = model.predict(H, DATA.series, **DATA.covariates())
    for one in (type(model).load(tmp_path / "a.pt"), weights):
        assert one.predict(H, DATA.series, **all_backwards()) == expected
        with pytest.raises(ValueError, match="which must be in the order of training"):
            one.predict(H, backwards(DATA.series), **DATA.covariates())


def test_files_of_earlier_versions_know_no_names():
    model = TSFormerModel.load(HERE / "0.1" / "ITransformerModel.pt")
    assert model._component_names == {}
    assert np.isfinite(forecast(model, inputs(HERE / "0.1"))).all()
