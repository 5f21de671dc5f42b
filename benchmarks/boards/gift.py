"""The part of GIFT-Eval that is rebuilt here.

Seasons are the board's choice: 1 for days and weeks.
"""

from functools import partial

from benchmarks.boards import files
from benchmarks.boards.board import Board, Configuration

_ett = partial(files.ett, "ETTm1")
_births = partial(files.archive, "us_births_dataset.tsf")
_river = partial(files.archive, "saugeenday_dataset.tsf")

GIFT = Board(
    name="GIFT-Eval",
    source=("gift.csv", "4fd98a9f803a"),
    n_configurations=97,
    loss="CRPS",
    configurations=[
        Configuration("ett1/15T/short", _ett, 48, 96, 20),
        Configuration("ett1/15T/medium", _ett, 480, 96, 15),
        Configuration("ett1/15T/long", _ett, 720, 96, 10),
        Configuration("ett1/H/short", partial(_ett, step="h"), 48, 24, 20),
        Configuration("ett1/H/medium", partial(_ett, step="h"), 480, 24, 4),
        Configuration("ett1/H/long", partial(_ett, step="h"), 720, 24, 3),
        Configuration("ett1/D/short", partial(_ett, step="D", drop="last"), 30, 1, 3),
        Configuration("ett1/W/short", partial(_ett, step="W-THU", drop="last"), 8, 1, 2),
        Configuration("jena_weather/10T/short", files.weather, 48, 144, 20),
        Configuration("jena_weather/10T/medium", files.weather, 480, 144, 11),
        Configuration("jena_weather/10T/long", files.weather, 720, 144, 8),
        Configuration("jena_weather/H/short", partial(files.weather, step="h", drop="last"), 48, 24, 19),
        Configuration("jena_weather/H/medium", partial(files.weather, step="h", drop="last"), 480, 24, 2),
        Configuration("jena_weather/H/long", partial(files.weather, step="h", drop="last"), 720, 24, 2),
        Configuration("jena_weather/D/short", partial(files.weather, step="D", drop="last"), 30, 1, 2),
        Configuration("m4_hourly/H/short", partial(files.archive, "m4_hourly_dataset.tsf.gz"), 48, 24, 1),
        Configuration("hospital/M/short", partial(files.archive, "hospital_dataset.tsf"), 12, 12, 1),
        Configuration("us_births/D/short", _births, 30, 1, 20),
        Configuration("us_births/W/short", partial(_births, step="W-TUE", drop="last"), 8, 1, 14),
        Configuration("us_births/M/short", partial(_births, step="MS"), 12, 12, 2),
        Configuration("saugeen/D/short", _river, 30, 1, 20),
        Configuration("saugeen/W/short", partial(_river, step="W-THU", how="mean", drop="last"), 8, 1, 20),
        Configuration("saugeen/M/short", partial(_river, step="MS", how="mean"), 12, 12, 7),
    ],
)
