"""Write the golden files of the parts of the Temporal Fusion Transformer as neuralforecast computes them."""

from itertools import count

import torch
from _golden import scatter_, series, write
from neuralforecast.models.tft import GRN, InterpretableMultiHeadAttention, VariableSelectionNetwork
from torch import Tensor, nn

BATCH = 5
GRN_CASES = {
    "L7": {"d_in": 6, "d_hidden": 6, "d_out": 6},
    "L11-context": {"length": 11, "d_in": 6, "d_hidden": 6, "d_out": 6, "d_context": 4},
    "L7-out3": {"d_in": 6, "d_hidden": 5, "d_out": 3},
    "L7-out3-context": {"d_in": 6, "d_hidden": 5, "d_out": 3, "d_context": 4},
}
ATTENTION_CASES = {
    "L7": {},
    "L11-D12-h2": {"length": 11, "d_model": 12, "n_heads": 2},
    "L7-h1": {"n_heads": 1},
    "L7-full": {"causal": False},
}
SELECTION_CASES = {
    "m5": {"n_variables": 5},
    "m2-L11-D12": {"n_variables": 2, "length": 11, "d_model": 12},
    "m3-context": {"n_variables": 3, "d_context": 6},
}


class EmbeddedSelection(nn.Module):
    """Its selection, and before it the embedding of numbers that its own embedding layer makes."""

    def __init__(self, settings: dict) -> None:
        super().__init__()
        shape = settings["n_variables"], settings["d_model"]
        self.slope, self.intercept = (nn.Parameter(torch.empty(shape)) for _ in range(2))
        self.selection = VariableSelectionNetwork(
            hidden_size=settings["d_model"], num_inputs=settings["n_variables"], dropout=0.0, grn_activation="ELU"
        )

    def forward(self, x: Tensor, context: Tensor | None) -> Tensor:
        mixture, _ = self.selection(x[..., None] * self.slope + self.intercept, context)
        return mixture


@torch.no_grad()
def main() -> None:
    seeds = count()

    for case, changes in GRN_CASES.items():
        settings, seed = {"length": 7, "d_context": 0} | changes, next(seeds)
        same = settings["d_in"] == settings["d_out"]
        model = GRN(
            settings["d_in"],
            settings["d_hidden"],
            output_size=None if same else settings["d_out"],
            context_hidden_size=settings["d_context"] or None,
        ).eval()
        scatter_(model, seed=21000 + seed)
        x = series(22000 + seed, BATCH, settings["length"], settings["d_in"])
        context = series(23000 + seed, BATCH, 1, settings["d_context"])[:, 0] if settings["d_context"] else None
        write(f"tft-grn-neuralforecast-{case}", settings, model, x, model(x, c=context), context)

    for case, changes in ATTENTION_CASES.items():
        settings, seed = {"length": 7, "d_model": 6, "n_heads": 3, "causal": True} | changes, next(seeds)
        model = InterpretableMultiHeadAttention(
            settings["n_heads"], settings["d_model"], settings["length"], attn_dropout=0.0, dropout=0.0
        ).eval()
        mask = model._buffers.pop("_mask")  # no weight, and not to be scattered
        scatter_(model, seed=21000 + seed)
        model.register_buffer("_mask", mask, persistent=False)
        x = series(22000 + seed, BATCH, settings["length"], settings["d_model"])
        y, _ = model(x, mask_future_timesteps=settings["causal"])
        write(f"tft-attention-neuralforecast-{case}", settings, model, x, y)

    for case, changes in SELECTION_CASES.items():
        settings, seed = {"length": 7, "d_model": 6, "d_context": 0} | changes, next(seeds)
        model = EmbeddedSelection(settings).eval()
        if not settings["d_context"]:
            del model.selection.joint_grn.lin_c
        scatter_(model, seed=21000 + seed)
        x = series(22000 + seed, BATCH, settings["length"], settings["n_variables"])
        context = series(23000 + seed, BATCH, 1, settings["d_context"])[:, 0] if settings["d_context"] else None
        write(f"tft-selection-neuralforecast-{case}", settings, model, x, model(x, context), context)


if __name__ == "__main__":
    main()
