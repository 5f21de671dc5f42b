"""Where the classes of other packages are documented, so that types in the reference link there without a network."""

DARTS = "https://unit8co.github.io/darts/generated_api/darts."
PANDAS = "https://pandas.pydata.org/docs/reference/api/pandas."
TORCH = "https://docs.pytorch.org/docs/stable/"
TORCH_MODEL = "models.forecasting.torch_forecasting_model.TorchForecastingModel"

LINKS = {
    "darts.TimeSeries": f"{DARTS}timeseries.html#darts.timeseries.TimeSeries",
    f"darts.{TORCH_MODEL}": f"{DARTS}{TORCH_MODEL.rpartition('.')[0]}.html#darts.{TORCH_MODEL}",
    "pandas.DataFrame": f"{PANDAS}DataFrame.html",
    "pandas.Timestamp": f"{PANDAS}Timestamp.html",
    "pandas.Index": f"{PANDAS}Index.html",
    "torch.Tensor": f"{TORCH}tensors.html#torch.Tensor",
    "torch.Generator": f"{TORCH}generated/torch.Generator.html",
    "torch.dtype": f"{TORCH}tensor_attributes.html#torch.dtype",
    "torch.nn.Module": f"{TORCH}generated/torch.nn.Module.html",
    "torch.optim.Optimizer": f"{TORCH}optim.html#torch.optim.Optimizer",
    "xarray.Dataset": "https://docs.xarray.dev/en/stable/generated/xarray.Dataset.html",
}
"""Addresses by the name under which our files import a class."""
