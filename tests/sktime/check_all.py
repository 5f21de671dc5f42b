"""All checks that sktime has, on every forecaster: ``python -m tests.sktime.check_all [name ...]``."""

import logging
import sys
import time
import warnings

import torch
from sktime.utils.estimator_checks import check_estimator

import darts_tsformers.sktime


def check(name: str) -> dict[str, object]:
    """Run every check on one class, and return those that failed with their exceptions."""
    start = time.perf_counter()
    results = check_estimator(getattr(darts_tsformers.sktime, name), verbose=False)
    failed = {test: outcome for test, outcome in results.items() if outcome != "PASSED"}
    seconds = time.perf_counter() - start
    print(f"{name}: {len(results) - len(failed)} passed, {len(failed)} failed in {seconds:.0f} s", flush=True)
    return failed


def main(names: list[str]) -> int:
    """Check the named classes, or all; return 1 if anything failed."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    torch.set_num_threads(1)
    failures = {name: check(name) for name in names or darts_tsformers.sktime.__all__}
    for name, failed in failures.items():
        for test, outcome in failed.items():
            print(f"{name} {test}: {outcome!r}")
    return int(any(failures.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
