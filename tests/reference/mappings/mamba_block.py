"""The Mamba block, whose parameters have the same names in ``mamba_ssm``, ``mambapy``, ``transformers`` and here."""

from typing import Any

from torch import Tensor
from torch.func import functional_call

from darts_tsformers.layers.recurrent.mamba import MambaBlock

SETTINGS = ("d_model", "d_state", "d_conv", "expand", "dt_rank")


def reproduce(golden: Any) -> dict[str, Tensor]:
    """Compute the outputs of a golden file from its inputs and parameters."""
    block = MambaBlock(**{name: golden.meta[name] for name in SETTINGS}).double()
    return {"y": functional_call(block, golden.params, (golden.inputs["x"],), strict=True)}
