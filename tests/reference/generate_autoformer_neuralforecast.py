"""Write the golden files of Autoformer as neuralforecast computes it.

Its correlations are wrong for odd lengths: look-back, and label and horizon together, are even. It is run without
covariates, and with such as are known for all steps, which take the place of the time marks. Queries and keys are drawn
smaller than the rest, or the softmax over the delays would magnify what is lost to rounding.
"""

import torch
from _golden import scatter_, series, write
from neuralforecast.losses.pytorch import MAE, MQLoss
from neuralforecast.models import Autoformer

DEFAULTS = {
    "input_length": 24,
    "output_length": 8,
    "label_length": 12,
    "n_future": 0,
    "n_parameters": 1,
    "kernel_size": 5,
    "d_model": 12,
    "n_heads": 3,
    "n_encoder_layers": 2,
    "n_decoder_layers": 1,
    "d_ff": 19,
    "activation": "gelu",
    "factor": 1,
}
CASES = {
    "L24-H8": {},
    "L24-H8-c3": {"factor": 3},
    "L24-H8-relu": {"activation": "relu"},
    "L24-H20-h1": {"output_length": 20, "n_heads": 1},
    "L24-H3-W9-layers3-2": {"output_length": 3, "label_length": 9, "n_encoder_layers": 3, "n_decoder_layers": 2},
    "L8-H34-k9": {"input_length": 8, "label_length": 4, "output_length": 34, "kernel_size": 9},
    "L24-H8-F2": {"n_future": 2},
    "L24-H8-Q3": {"n_parameters": 3, "factor": 2},
    "L24-H8-Q3-F1-layers1": {"n_parameters": 3, "n_future": 1, "n_encoder_layers": 1},
}


def main() -> None:
    for seed, (case, changes) in enumerate(CASES.items()):
        settings = DEFAULTS | changes
        model = Autoformer(
            h=settings["output_length"],
            input_size=settings["input_length"],
            futr_exog_list=[f"known{i}" for i in range(settings["n_future"])],
            decoder_input_size_multiplier=settings["label_length"] / settings["input_length"],
            hidden_size=settings["d_model"],
            dropout=0.0,
            factor=settings["factor"],
            n_head=settings["n_heads"],
            conv_hidden_size=settings["d_ff"],
            activation=settings["activation"],
            encoder_layers=settings["n_encoder_layers"],
            decoder_layers=settings["n_decoder_layers"],
            MovingAvg_window=settings["kernel_size"],
            loss=MAE() if settings["n_parameters"] == 1 else MQLoss(quantiles=[0.1, 0.5, 0.9]),
            max_steps=1,
        ).eval()
        assert model.label_len == settings["label_length"]
        scatter_(model, seed=13000 + seed)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "query_projection" in name or "key_projection" in name:
                    weight *= 0.3
        x = series(14000 + seed, 3, settings["input_length"], 1)
        known = None
        if settings["n_future"]:
            steps = settings["input_length"] + settings["output_length"]
            known = series(15000 + seed, 3, steps, settings["n_future"])
        with torch.no_grad():
            y = model({"insample_y": x, "futr_exog": known})
        write(f"autoformer-neuralforecast-{case}", settings, model, x, y, known=known)


if __name__ == "__main__":
    main()
