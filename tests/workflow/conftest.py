from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from darts_tsformers.workflow import Comparison, Table, compare, read_table

TINY = {"d_model": 8, "n_heads": 2, "n_encoder_layers": 1, "d_ff": 8}
"""Arguments of a model that trains in no time."""


def weekly_wave(n_rows: int = 90) -> pd.DataFrame:
    """Days with a wave of seven, a second one upside down, and a covariate that counts the days of the week."""
    step = np.arange(n_rows)
    noise = np.random.default_rng(0).normal(scale=0.1, size=n_rows)
    sales = 10 + 0.05 * step + np.sin(2 * np.pi * step / 7) + noise
    return pd.DataFrame(
        {
            "day": pd.date_range("2024-01-01", periods=n_rows).strftime("%Y-%m-%d"),
            "sales": sales.round(3),
            "returns": (20 - sales + 0.1 * np.cos(step)).round(3),
            "weekday": step % 7,
        }
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[[pd.DataFrame | str], Path]:
    """Write a frame or a text as a CSV file."""

    def write_csv(content: pd.DataFrame | str) -> Path:
        path = tmp_path / "data.csv"
        text = content if isinstance(content, str) else content.to_csv(index=False)
        path.write_text(text, encoding="utf-8")
        return path

    return write_csv


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    path = tmp_path_factory.mktemp("table") / "data.csv"
    weekly_wave().to_csv(path, index=False)
    return read_table(path, target=["sales", "returns"])


@pytest.fixture(scope="session")
def comparison(table: Table) -> Comparison:
    quantiles = (0.9, 0.1, 0.5)
    return compare(
        table, 5, "patchtst", lookback=14, epochs=2, quantiles=quantiles, model_arguments=TINY, seed=3, verbose=False
    )
