"""The selective scan as ``mambapy`` and ``transformers`` have it: the same letters, ``u`` for the input."""

from darts_tsformers.recurrence import selective_scan
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours


def run(golden: Golden) -> Ours:
    inputs = dict(golden.inputs)
    y, last_state = selective_scan(inputs.pop("u"), **inputs)
    return Ours({"y": y, "last_state": last_state})


SCAN = Mapping(systems=("selective scan (S6)",), run=run)
