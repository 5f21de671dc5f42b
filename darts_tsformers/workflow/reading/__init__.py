"""From a file as it is to the series that a forecaster needs: formats, numbers, dates, and which column is what."""

from darts_tsformers.workflow.reading.reader import read_table

__all__ = ["read_table"]
