"""The Legendre memory of LMUFormer: its matrices and its cell."""

from darts_tsformers.recurrence import LegendreMemory, legendre_matrices, legendre_response
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, renamed, with_weights


def run_matrices(golden: Golden) -> Ours:
    order, theta = golden.meta["order"], golden.meta["theta"]
    a, b = legendre_matrices(order, theta)
    return Ours({"A": a, "B": b[:, None], "H": legendre_response(order, theta, golden.meta["L"])})


MATRICES = Mapping(systems=("LMU matrices",), run=run_matrices)

NAMES = {"W_u.": "project_in.", "W_h.": "project_out."}


def run_cell(golden: Golden) -> Ours:
    meta, x = golden.meta, golden.inputs["x"]
    cell = LegendreMemory(meta["input"], meta["hidden"], meta["order"], meta["theta"])
    with_weights(cell, renamed(golden.params, NAMES))
    return Ours({"h": cell(x), "memory": cell.remember(x), "u": cell.write(x)})


CELL = Mapping(systems=("LMU cell (parallel = recurrent)",), run=run_cell)
