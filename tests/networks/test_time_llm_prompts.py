"""What the prompts of Time-LLM say, and how they become ids."""

import statistics as by_python

import pytest
import torch

from darts_tsformers.networks._time_llm_prompts import (
    Prompts,
    autocorrelation,
    left_padded,
    statistics,
    strongest_lags,
    task,
)
from darts_tsformers.window import Sizes
from tests.helpers import draw


def letters(texts: list[str]) -> list[list[int]]:
    return [[ord(letter) for letter in text] for text in texts]


def spoken(prompts: Prompts, series: torch.Tensor) -> list[str]:
    opening, ids, observed = prompts(series, letters)
    observed = torch.ones_like(ids, dtype=torch.bool) if observed is None else observed
    rows = (torch.cat([opening, row[there]]).tolist() for row, there in zip(ids, observed, strict=True))
    return ["".join(map(chr, row)) for row in rows]


@pytest.mark.parametrize("length", [1, 2, 13, 24])
def test_autocorrelation_is_a_sum_of_products_around_a_circle(length):
    series = draw(3, length, dtype=torch.float64)
    expected = [[float(one @ one.roll(lag)) for lag in range(length // 2 + 1)] for one in series]
    torch.testing.assert_close(autocorrelation(series), torch.tensor(expected, dtype=torch.float64))


def test_the_strongest_lags_of_a_wave_are_its_period_and_what_is_near():
    wave = torch.sin(torch.arange(60) * 2 * torch.pi / 12)[None].double()
    assert strongest_lags(wave)[0, :2].tolist() == [12, 24]
    assert strongest_lags(torch.cat([wave, wave.cos()]))[0].tolist() == strongest_lags(wave)[0].tolist()


def test_a_constant_window_is_like_itself_at_every_lag():
    assert strongest_lags(torch.full((1, 13), 2.0)).tolist() == [[1, 2, 3, 4, 5]]
    assert strongest_lags(torch.zeros(1, 6)).tolist() == [[1, 2, 3]]
    assert strongest_lags(torch.zeros(2, 1)).shape == (2, 0)


@pytest.mark.parametrize("length", [13, 24])
def test_statistics_are_those_of_the_window(length):
    series = 3 * draw(4, length)
    for said, one in zip(statistics(series), series.double().tolist(), strict=True):
        lowest, highest, median = min(one), max(one), by_python.median_low(one)
        assert f"lowest {lowest:.2f}, highest {highest:.2f}, median {median:.2f};" in said
        assert f"it {'rises' if one[-1] > one[0] else 'falls'};" in said
        assert said.count(",") == 6  # and five lags


def test_what_rounds_to_zero_has_no_sign():
    said = statistics(torch.tensor([[-0.001, 0.0, -0.001], [-10.0, -0.5, -10.0]]))
    assert said[0].startswith(" Window: lowest 0.00, highest 0.00, median 0.00; it ends where it began;")
    assert said[1].startswith(" Window: lowest -10.00, highest -0.50, median -10.00;")
    assert statistics(torch.zeros(1, 1))[0].endswith("it ends where it began; it is a single step.")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_statistics_of_other_precisions(dtype):
    series = torch.tensor([[0.5, 2.0, -1.25, 1.0]])
    assert statistics(series.to(dtype)) == statistics(series)


def test_the_task_is_said_with_its_lengths():
    plain = task(Sizes(13, 5), None)
    assert plain.endswith("Task: from 13 past values, forecast the 5 values that follow.")
    assert task(Sizes(13, 5, output_shift=4), "Load.").startswith("Series: Load. Task: from 13 past values")
    assert task(Sizes(13, 5, output_shift=4), None).endswith("5 values, from 5 steps after the last one on.")


def test_a_prompt_says_series_task_and_window_in_this_order():
    series, sizes = draw(3, 13), Sizes(13, 5)
    opening = task(sizes, "Hourly load of a town.")
    with_statistics, without = (Prompts(sizes, "Hourly load of a town.", with_statistics=way) for way in (True, False))
    assert spoken(with_statistics, series) == [f"{opening}{said} Values:" for said in statistics(series)]
    assert spoken(without, series) == [f"{opening} Values:"]


def test_what_prompts_begin_with_is_apart_from_what_differs():
    series = torch.tensor([[1.0, 2.0, 4.0], [1.0, -2.0, 4.0], [1.0, 3.0, 4.0]])
    both = Prompts(Sizes(3, 5), None, with_statistics=True)(series, letters)
    assert "".join(map(chr, both.opening)) == f"{task(Sizes(3, 5), None)} Window: lowest "
    assert both.observed.sum(dim=1).tolist() == [both.ids.shape[1] - 1, both.ids.shape[1], both.ids.shape[1] - 1]
    alike = Prompts(Sizes(3, 5), None, with_statistics=True)(series[[0, 2]], letters)
    assert alike.ids.numel()
    assert alike.observed is None
    alone = Prompts(Sizes(3, 5), None, with_statistics=False)(series, letters)
    assert (alone.ids.shape, alone.observed) == ((1, 0), None)


def test_padding_is_on_the_left():
    ids, observed = left_padded([[5, 7, 6], [8], [9, 4]], torch.device("cpu"))
    assert ids.tolist() == [[5, 7, 6], [0, 0, 8], [0, 9, 4]]
    assert observed.tolist() == [[True, True, True], [False, False, True], [False, True, True]]
