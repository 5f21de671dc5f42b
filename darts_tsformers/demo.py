"""What the command line does, on the weekly carbon dioxide of Mauna Loa that statsmodels ships."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from darts_tsformers.cli import main as command


def main(argv: Sequence[str] | None = None) -> int:
    """Forecast half a year; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m darts_tsformers.demo", description=__doc__)
    parser.add_argument("--out", default="demo", metavar="DIR", help="folder for the results (default: %(default)s)")
    out = parser.parse_args(argv).out

    from statsmodels.datasets import co2

    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "co2.csv"
        co2.load_pandas().data.interpolate().to_csv(data, index_label="week")
        arguments = ["forecast", str(data), "--horizon", "26", "--quantiles", "0.1", "0.5", "0.9", "--out", out]
        print(f"darts-tsformers {' '.join(arguments)}\n", flush=True)
        status = command(arguments)
    if status == 0:
        print(f"\nThe picture is {Path(out) / 'forecast.png'}.")
    return status


if __name__ == "__main__":
    sys.exit(main())
