"""Write the golden files of PatchTST as transformers computes it.

It cuts patches from the end of the window, so the sizes leave no step over, and it knows neither end padding nor
residual attention. Its separate heads cannot be run without pooling.
"""

import torch
from _golden import scatter_, series, write
from transformers import PatchTSTConfig, PatchTSTForPrediction

DEFAULTS = {
    "n_variates": 1,
    "input_length": 37,
    "output_length": 5,
    "patch_length": 7,
    "stride": 3,
    "pad_end": False,
    "d_model": 12,
    "n_heads": 3,
    "n_encoder_layers": 3,
    "d_ff": 19,
    "residual_attention": False,
    "use_instance_norm": True,
    "activation": "gelu",
    "norm": "batch",
}
CASES = {
    "C1": {},
    "C7": {"n_variates": 7},
    "C7-nonorm": {"n_variates": 7, "use_instance_norm": False},
    "C7-relu-layernorm": {"n_variates": 7, "activation": "relu", "norm": "layer"},
    "C7-disjoint-h2": {"n_variates": 7, "input_length": 35, "stride": 7, "n_heads": 2},
}


def main() -> None:
    for seed, (case, changes) in enumerate(CASES.items()):
        settings = DEFAULTS | changes
        assert (settings["input_length"] - settings["patch_length"]) % settings["stride"] == 0
        model = PatchTSTForPrediction(
            PatchTSTConfig(
                num_input_channels=settings["n_variates"],
                context_length=settings["input_length"],
                prediction_length=settings["output_length"],
                patch_length=settings["patch_length"],
                patch_stride=settings["stride"],
                num_hidden_layers=settings["n_encoder_layers"],
                d_model=settings["d_model"],
                num_attention_heads=settings["n_heads"],
                ffn_dim=settings["d_ff"],
                activation_function=settings["activation"],
                norm_type="batchnorm" if settings["norm"] == "batch" else "layernorm",
                scaling="std" if settings["use_instance_norm"] else None,
                pre_norm=False,
                pooling_type=None,
                positional_encoding_type="random",
                share_projection=True,
                loss="mse",
            )
        ).eval()
        scatter_(model, seed=3000 + seed)
        x = series(4000 + seed, 3, settings["input_length"], settings["n_variates"])
        with torch.no_grad():
            y = model(past_values=x).prediction_outputs
        write(f"patchtst-transformers-{case}", settings, model, x, y)


if __name__ == "__main__":
    main()
