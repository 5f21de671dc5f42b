"""Recurrent cells of FlashRNN, their inputs already projected."""

from darts_tsformers.recurrence import headwise_recurrence
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours


def run(golden: Golden) -> Ours:
    inputs = golden.inputs
    cells = [name.removeprefix("W_") for name in inputs if name.startswith("W_")]
    return Ours(
        {cell: headwise_recurrence(*(inputs[f"{what}_{cell}"] for what in "WRb"), cell=cell)[0] for cell in cells}
    )


CELLS = Mapping(systems=("head-wise RNNs (FlashRNN cells)",), run=run)
