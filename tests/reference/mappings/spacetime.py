"""SpaceTime: companion models as a kernel, as a layer and in closed loop, and the fixed kernels before them."""

import torch
import torch.nn.functional as F

from darts_tsformers.layers.recurrent.differencing import Differencing
from darts_tsformers.recurrence import CompanionSSM, companion_kernel
from darts_tsformers.recurrence.companion import normalised
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, with_weights


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
