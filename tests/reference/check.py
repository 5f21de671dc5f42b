"""Run golden files through our mappings: ``python -m tests.reference.check FOLDER [--only PREFIX ...]``.

Prints a line a file. Exits with 1 if a file misses its tolerance, cannot be read or has no mapping, or if a prefix fits
no file.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten

from tests.reference.comparison import Comparison, compare
from tests.reference.files import read
from tests.reference.mapping import Mapping, discover


def check(path: Path, mappings: dict[str, Mapping]) -> tuple[bool, str]:
    """Return whether a golden file is met, and what is to be said of it. Whatever goes wrong is said, not raised."""
    system = "?"
    try:
        golden = read(path)
        system = golden.system
        if system not in mappings:
            return False, f"{_title(path, system)}  FAIL: no mapping"
        comparisons = compare(golden, mappings[system])
    except Exception as error:
        return False, f"{_title(path, system)}  FAIL: {_said(error)}"
    outputs = [comparison for comparison in comparisons if not comparison.key.startswith("grad/")]
    gradients = [comparison for comparison in comparisons if comparison.key.startswith("grad/")]
    missed = [comparison for comparison in comparisons if not comparison.met]
    n_left_out = len(golden.outputs | golden.float32) - len({_name(comparison) for comparison in outputs})
    n_left_out += len(golden.gradients) + len(golden.fingerprints) - len(gradients)
    verdict = "FAIL: " + ", ".join(map(_missed, missed)) if missed else "ok"
    note = f" ({n_left_out} left out)" if n_left_out else ""
    return not missed, f"{_title(path, system)}  out {_worst(outputs)}  grad {_worst(gradients)}  {verdict}{note}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reference.check", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the golden files lie")
    parser.add_argument("--only", nargs="+", metavar="PREFIX", default=[""], help="files whose names begin so")
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is no folder")
    paths = sorted(options.folder.glob("*.npz"))
    strays = [prefix for prefix in options.only if not any(path.name.startswith(prefix) for path in paths)]
    for prefix in strays:
        print(f"FAIL: no golden file in {options.folder} begins with {prefix!r}")
    mappings = discover()
    n_failed = n_met = 0
    for path in paths:
        if path.name.startswith(tuple(options.only)):
            met, line = check(path, mappings)
            print(line, flush=True)
            n_met, n_failed = n_met + met, n_failed + (not met)
    print(f"{n_met} ok, {n_failed} FAIL")
    return 1 if n_failed or strays else 0


def _title(path: Path, system: str) -> str:
    return f"{path.stem:<36}  {shorten(system, 48, placeholder='...'):<48}"


def _said(error: Exception) -> str:
    what = "asked for and not there" if isinstance(error, KeyError) else type(error).__name__
    return shorten(f"{what}: {error}", 300, placeholder=" ...")


def _name(comparison: Comparison) -> str:
    return comparison.key.partition("/")[2]


def _worst(comparisons: list[Comparison]) -> str:
    """Show the difference that comes closest to its tolerance, with this tolerance."""
    if not comparisons:
        return f"{'-':<16}"
    worst = max(comparisons, key=lambda comparison: comparison.difference / comparison.tolerance)
    return f"{worst.difference:.1e} of {worst.tolerance:.0e}"


def _missed(comparison: Comparison) -> str:
    return f"{comparison.key} {comparison.difference:.1e}"


if __name__ == "__main__":
    sys.exit(main())
