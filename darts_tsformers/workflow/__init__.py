"""From a table to a tested forecast: the calls behind the command line.

>>> from darts_tsformers.workflow import compare, load, read_table, write_report
>>> table = read_table("sales.csv", target="units")  # doctest: +SKIP
>>> comparison = compare(table, horizon=28)  # doctest: +SKIP
>>> write_report(comparison, "forecast")  # doctest: +SKIP
>>> load("forecast").predict("newer_sales.csv")  # doctest: +SKIP
"""

from darts_tsformers.workflow.compare import compare
from darts_tsformers.workflow.comparison import Comparison
from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.forecaster import TableForecaster
from darts_tsformers.workflow.panel import compare_panel
from darts_tsformers.workflow.panel_comparison import PanelComparison
from darts_tsformers.workflow.prediction import Prediction
from darts_tsformers.workflow.public_holidays import with_holidays
from darts_tsformers.workflow.reading import read_table
from darts_tsformers.workflow.report import check_output_folder, write_panel_report, write_report
from darts_tsformers.workflow.saving import load
from darts_tsformers.workflow.settings import Settings
from darts_tsformers.workflow.several import compare_models
from darts_tsformers.workflow.table import Table, Tables

__all__ = [
    "Comparison",
    "DataError",
    "PanelComparison",
    "Prediction",
    "Settings",
    "Table",
    "TableForecaster",
    "Tables",
    "check_output_folder",
    "compare",
    "compare_models",
    "compare_panel",
    "load",
    "read_table",
    "with_holidays",
    "write_panel_report",
    "write_report",
]
