"""The part of fev-bench that is rebuilt here."""

from functools import partial

from benchmarks.boards import files
from benchmarks.boards.board import Board, Configuration

_ett = partial(files.ett, "ETTh1", "ETTh2", how="mean", drop="both")

FEV = Board(
    name="fev-bench",
    source=("fev.csv", "1bc95fd779b3"),
    n_configurations=100,
    loss="SQL",
    naive_rows=1000,
    configurations=[
        Configuration("epf_np", partial(files.prices, "NP"), 24, 24, 20),
        Configuration("epf_pjm", partial(files.prices, "PJM"), 24, 24, 20),
        Configuration("epf_be", partial(files.prices, "BE"), 24, 24, 20),
        Configuration("ETT_1H", _ett, 168, 24, 20),
        Configuration("ETT_1D", partial(_ett, step="D"), 28, 7, 20),
        Configuration("ETT_1W", partial(_ett, step="W-SUN"), 13, 1, 5),
        Configuration("hospital", partial(files.archive, "hospital_dataset.tsf"), 12, 12, 4),
        Configuration("jena_weather_10T", files.weather, 144, 144, 20),
        Configuration("jena_weather_1H", partial(files.weather, step="h", drop="last"), 24, 24, 20),
        Configuration("jena_weather_1D", partial(files.weather, step="D", drop="last"), 28, 1, 11, naive_season=7),
        Configuration("australian_tourism", files.tourism, 8, 4, 2),
    ],
)
