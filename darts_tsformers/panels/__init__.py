"""Panels of many series: a store on disk, and training and forecasting from it."""

try:
    import pyarrow  # noqa: F401
except ImportError as error:
    raise ImportError("panels need pyarrow: pip install 'darts-tsformers[panels]'") from error

from darts_tsformers.panels.backtest import backtest_panel
from darts_tsformers.panels.batches import as_batch
from darts_tsformers.panels.datasets import PanelInferenceDataset, PanelTrainingDataset
from darts_tsformers.panels.fitting import fit_panel
from darts_tsformers.panels.forecasting import forecast_panel
from darts_tsformers.panels.ray_fitting import fit_on_ray
from darts_tsformers.panels.ray_forecasting import forecast_on_ray
from darts_tsformers.panels.sampler import BlockSampler
from darts_tsformers.panels.store import Panel
from darts_tsformers.panels.windows import WindowSizes

__all__ = [
    "BlockSampler",
    "Panel",
    "PanelInferenceDataset",
    "PanelTrainingDataset",
    "WindowSizes",
    "as_batch",
    "backtest_panel",
    "fit_on_ray",
    "fit_panel",
    "forecast_on_ray",
    "forecast_panel",
]
