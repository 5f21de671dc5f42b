"""Write the golden files of PatchTST as neuralforecast computes it."""

import torch
from _golden import scatter_, series, write
from neuralforecast.models.patchtst import PatchTST_backbone

DEFAULTS = {
    "n_variates": 1,
    "input_length": 37,
    "output_length": 5,
    "patch_length": 7,
    "stride": 3,
    "pad_end": True,
    "d_model": 12,
    "n_heads": 3,
    "n_encoder_layers": 3,
    "d_ff": 19,
    "residual_attention": True,
    "individual_head": False,
    "use_instance_norm": True,
    "instance_norm_affine": False,
}
CASES = {
    "C1-residual-pad": {},
    "C7-residual-pad": {"n_variates": 7},
    "C7-plain-pad": {"n_variates": 7, "residual_attention": False},
    "C7-residual-nopad": {"n_variates": 7, "pad_end": False},
    "C1-plain-nopad": {"residual_attention": False, "pad_end": False},
    "C7-residual-pad-affine": {"n_variates": 7, "instance_norm_affine": True},
    "C7-residual-pad-nonorm": {"n_variates": 7, "use_instance_norm": False},
    "C7-residual-pad-individual": {"n_variates": 7, "individual_head": True},
    "C7-plain-nopad-individual-affine": {
        "n_variates": 7,
        "residual_attention": False,
        "pad_end": False,
        "individual_head": True,
        "instance_norm_affine": True,
    },
    "C1-residual-pad-individual-affine": {"individual_head": True, "instance_norm_affine": True},
    "C7-residual-pad-h1-L40": {"n_variates": 7, "n_heads": 1, "input_length": 40, "n_encoder_layers": 2},
}


def main() -> None:
    for seed, (case, changes) in enumerate(CASES.items()):
        settings = DEFAULTS | changes
        model = PatchTST_backbone(
            c_in=settings["n_variates"],
            c_out=1,
            input_size=settings["input_length"],
            h=settings["output_length"],
            patch_len=settings["patch_length"],
            stride=settings["stride"],
            n_layers=settings["n_encoder_layers"],
            hidden_size=settings["d_model"],
            n_heads=settings["n_heads"],
            linear_hidden_size=settings["d_ff"],
            res_attention=settings["residual_attention"],
            padding_patch="end" if settings["pad_end"] else None,
            individual=settings["individual_head"],
            revin=settings["use_instance_norm"],
            affine=settings["instance_norm_affine"],
        ).eval()
        scatter_(model, seed=1000 + seed)
        x = series(2000 + seed, 3, settings["input_length"], settings["n_variates"])
        with torch.no_grad():
            y = model(x.mT).mT
        write(f"patchtst-neuralforecast-{case}", settings, model, x, y)


if __name__ == "__main__":
    main()
