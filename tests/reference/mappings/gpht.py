"""GPHT: what enters and leaves each stage, forecasts of all patches, the loss over them, and roll-outs."""

import torch
from torch import Tensor

from darts_tsformers.models.gpht import GPHTModel
from darts_tsformers.networks import GPHT
from darts_tsformers.networks._patch_by_patch import Patched
from darts_tsformers.window import Sizes, Window
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, with_weights


def run(golden: Golden) -> Ours:
    x = golden.inputs["x"]
    network = network_of(golden, golden.meta["config"]["token_len"])
    weights = GPHTModel.arranged(golden.params)
    with_weights(network.hierarchy, {GPHTModel.key_map.ours(name): weight for name, weight in weights.items()})
    outputs = stages(network, x)
    for name in golden.outputs:
        if name.startswith("rollout_"):
            outputs[name] = roll_out(golden, network, int(name.removeprefix("rollout_")))
    if "future" in golden.inputs:
        target = torch.cat([x, golden.inputs["future"]], dim=1)[:, network.patch_length :]
        outputs["loss"] = (outputs["forward"] - target).square().mean()
        return Ours(outputs, {"": outputs["loss"]})
    return Ours(outputs)


def network_of(golden: Golden, n: int) -> GPHT:
    return GPHT(Sizes(golden.inputs["x"].shape[1], n), **GPHTModel.architecture(golden.meta["config"])).eval()


def stages(network: GPHT, x: Tensor) -> dict[str, Tensor]:
    """Return the forecast from each patch, and what each stage sees and says on the way."""
    seen: dict[str, Tensor] = {}
    handles = []
    for i, stage in enumerate(network.hierarchy.stages):

        def see(_, given: tuple[Tensor], out: Tensor, i: int = i) -> None:
            sizes = (x.shape[0], x.shape[2])
            seen[f"stage_{i}_input"] = given[0].unflatten(0, sizes).mT
            seen[f"stage_{i}_output"] = out.squeeze(-1).unflatten(0, sizes).mT

        handles.append(stage.register_forward_hook(see))
    forecast = network.ahead(Patched(x, None))[-1].squeeze(-1)
    for handle in handles:
        handle.remove()
    return seen | {"forward": forecast}


def roll_out(golden: Golden, network: GPHT, n: int) -> Tensor:
    ahead = network_of(golden, n)
    ahead.hierarchy = network.hierarchy
    return ahead(Window(golden.inputs["x"])).squeeze(-1)


GPHT_MAPPING = Mapping(systems=("GPHT",), run=run)
