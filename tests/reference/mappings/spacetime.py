"""SpaceTime: companion models as a kernel, as a layer and in closed loop, the fixed kernels, and the whole network."""

import torch
import torch.nn.functional as F
from torch import Tensor

from darts_tsformers.layers.recurrent.differencing import Differencing
from darts_tsformers.networks import SpaceTime
from darts_tsformers.recurrence import CompanionSSM, companion_kernel
from darts_tsformers.recurrence.companion import normalised
from darts_tsformers.window import Sizes, Window
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, renamed, with_weights


def run_kernel(golden: Golden) -> Ours:
    """Take the states from kernels that read one entry each."""
    a, b, c = (golden.inputs[name] for name in "abc")
    a = normalised(a, golden.meta["norm_order"])
    entries = torch.eye(a.shape[-1])
    states = companion_kernel(a[:, None], b[:, None], entries, golden.meta["L"])
    return Ours({"kernel": companion_kernel(a, b, c, golden.meta["L"]), "states": states})


KERNEL = Mapping(systems=("SpaceTime companion kernel",), run=run_kernel)


def layer(golden: Golden, **settings: bool) -> CompanionSSM:
    meta, weights = golden.meta, dict(golden.params)
    if not settings["skip"]:
        weights.pop("skip", None)
    n_kernels, n_entries = weights["a"].shape
    ssm = CompanionSSM(meta["model_dim"], n_entries, n_kernels, norm_order=meta["norm_order"], **settings)
    return with_weights(ssm, weights)


def run_open_loop(golden: Golden) -> Ours:
    return Ours({"y": layer(golden, skip=golden.meta["skip_connection"])(golden.inputs["u"])})


OPEN_LOOP = Mapping(systems=("CompanionSSM open loop", "ShiftSSM open loop"), run=run_open_loop)


def run_closed_loop(golden: Golden) -> Ours:
    ssm, u = layer(golden, skip=False, closed_loop=True), golden.inputs["u"]
    outputs, inputs = ssm.forecast(u, golden.meta["H"])
    return Ours(
        {"closed_y": outputs, "closed_next_input": inputs, "open_y": ssm(u), "open_next_input": ssm.next_inputs(u)}
    )


CLOSED_LOOP = Mapping(systems=("SpaceTime closed-loop companion SSM (decoder)",), run=run_closed_loop)


def run_preprocessing(golden: Golden) -> Ours:
    """Take the windows from the file. Differences alone go on with order 0 after order 3."""
    meta, u = golden.meta, golden.inputs["u"]
    width, n_kernels, length = meta["model_dim"], meta["n_kernels"], meta["L"]
    layer = Differencing(width, n_kernels, max_window=max(meta["ma_windows"]))
    layer.windows = torch.tensor(meta["ma_windows"]).view_as(layer.windows)
    kernels = layer.kernels(u.dtype)[:, :length]
    orders = torch.arange(width).remainder(n_kernels).remainder(4)
    differenced = torch.stack([Differencing(4, 4)(u[..., [i] * 4])[..., order] for i, order in enumerate(orders)], -1)
    return Ours({"kernels": F.pad(kernels, (0, length - kernels.shape[1])), "y": layer(u), "differencing": differenced})


PREPROCESSING = Mapping(systems=("SpaceTime preprocessing SSMs (fixed kernels)",), run=run_preprocessing)


NAMES = {
    "embedding.layers.": "embedding.",
    "encoder.blocks.": "blocks.",
    "mlp.layers.2.": "mix.",
    "decoder.blocks.": "decoder.",
    "output.layers.2.": "decoder.project.",
}
NOT_OURS = ("pre.diff_kernel", "decoder.blocks.ssm.skip")
"""Kernels that are fixed, and a skip that the authors' decoder leaves out."""


def run_network(golden: Golden) -> Ours:
    """Subtract the mean of the window before and add it after; the windows of averages are read off their kernels."""
    meta, x, future = golden.meta, golden.inputs["x"], golden.inputs["future"]
    model = SpaceTime(
        Sizes(meta["L"], meta["H"], n_targets=meta["input_dim"]),
        channel_independent=False,
        d_model=meta["model_dim"],
        d_state=meta["kernel_dim"],
        n_encoder_layers=2 if meta["two_blocks"] else 1,
        n_kernels=meta["block0_n_kernels"],
        max_window=meta["max_avg_window"],
        embedding=meta["embedding"],
        norm_order=meta["norm_order"],
    )
    model.blocks[0].skip_preprocessing = meta["skip_preprocess_block0"]
    weights = {name: weight for name, weight in golden.params.items() if not name.endswith(NOT_OURS)}
    averages = weights.pop("encoder.blocks.0.pre.ma_r_kernel")
    filters = Differencing(meta["model_dim"], meta["pre_n_kernels"], max_window=meta["max_avg_window"])
    model.blocks[0].preprocessing = filters
    weights["blocks.0.preprocessing.windows"] = (averages != 0).sum(-1).view_as(filters.windows)
    with_weights(model, renamed(weights, NAMES))
    mean = x.mean(dim=1, keepdim=True)
    window = Window(x - mean)
    u = model._encoded(window, None)
    values, next_inputs = (y[:, 1:] for y in model.decoder.open_loop(u))
    outputs = {
        "y": model(window)[..., 0] + mean,
        "open_y": values + mean,
        "next_input": next_inputs,
        "decoder_input": u,
    }
    return Ours(outputs | losses(outputs, torch.cat([x, future], dim=1), meta["kernel_dim"]))


def losses(outputs: dict[str, Tensor], series: Tensor, n: int) -> dict[str, Tensor]:
    length, horizon = outputs["open_y"].shape[1], outputs["y"].shape[1]
    pairs = [
        (outputs["y"], series[:, -horizon:]),
        (outputs["open_y"][:, n - 1 :], series[:, n : length + 1]),
        (outputs["next_input"][:, n - 1 : -1], outputs["decoder_input"][:, n:]),
    ]
    squares = torch.stack([F.mse_loss(ours, true) for ours, true in pairs])
    return {"losses_mse": squares, "losses_rmse": squares.sqrt()}


NETWORK = Mapping(systems=("SpaceTime network",), run=run_network, tolerances={"out/*": 1e-9})
