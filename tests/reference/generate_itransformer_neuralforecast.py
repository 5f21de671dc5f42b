"""Write the golden files of iTransformer as neuralforecast computes it."""

import torch
from _golden import scatter_, series, write
from neuralforecast.models import iTransformer

DEFAULTS = {
    "n_variates": 3,
    "input_length": 37,
    "output_length": 5,
    "d_model": 12,
    "n_heads": 3,
    "n_encoder_layers": 3,
    "d_ff": 19,
    "use_instance_norm": True,
}
CASES = {
    "C1": {"n_variates": 1},
    "C3": {},
    "C7": {"n_variates": 7},
    "C1-nonorm": {"n_variates": 1, "use_instance_norm": False},
    "C3-nonorm": {"use_instance_norm": False},
    "C7-nonorm-h1": {"n_variates": 7, "use_instance_norm": False, "n_heads": 1},
    "C7-L13-layers1-h4": {"n_variates": 7, "input_length": 13, "n_encoder_layers": 1, "n_heads": 4},
}


def main() -> None:
    for seed, (case, changes) in enumerate(CASES.items()):
        settings = DEFAULTS | changes
        model = iTransformer(
            h=settings["output_length"],
            input_size=settings["input_length"],
            n_series=settings["n_variates"],
            hidden_size=settings["d_model"],
            n_heads=settings["n_heads"],
            e_layers=settings["n_encoder_layers"],
            d_ff=settings["d_ff"],
            use_norm=settings["use_instance_norm"],
            dropout=0.0,
            max_steps=1,
        ).eval()
        scatter_(model, seed=5000 + seed)
        x = series(6000 + seed, 3, settings["input_length"], settings["n_variates"])
        with torch.no_grad():
            y = model.forecast(x.clone())
        write(f"itransformer-neuralforecast-{case}", settings, model, x, y)


if __name__ == "__main__":
    main()
