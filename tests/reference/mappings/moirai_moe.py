"""Moirai-MoE: packing, scales, states, experts, mixtures, their density, and decoding with a stand-in for chance."""

from collections.abc import Iterator

import torch
from torch import Tensor

from darts_tsformers.layers.mixture.distribution import Mixture
from darts_tsformers.layers.transformer.variate_attention import Places
from darts_tsformers.models.moirai_moe import MoiraiMoEModel
from darts_tsformers.networks import MoiraiMoE
from darts_tsformers.networks._moirai_tokens import Piece, Tokens, scales
from darts_tsformers.window import Sizes, Window
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, with_weights

PARAMETERS = {
    "df": "component_0_df",
    "t_loc": "component_0_loc",
    "t_scale": "component_0_scale",
    "normal_loc": "component_1_loc",
    "total_count": "component_2_total_count",
    "logits": "component_2_logits",
    "log_loc": "component_3_loc",
    "log_scale": "component_3_scale",
    "log_weights": "weights_log_probs",
}


class AsTheReference(MoiraiMoE, name="moirai_moe_of_the_reference"):
    """The network with what our windows do not say: which values of covariates were observed, padding or not.

    Covariates count as real in the first patch if that was filled up, even before the history begins; and they have
    values there, where ours have zeros.
    """

    observed: dict[str, Tensor]
    seen: list[tuple[Tensor, Tensor]]

    def pieces(self, window: Window, ahead: Tensor) -> tuple[list[Piece], list[Piece], list[Piece]]:
        target, future, past = super().pieces(window, ahead)
        future = self._told(future, window.historic_future, "feat_dynamic_real")
        return target, future, self._told(past, window.past, "past_feat_dynamic_real")

    def _told(self, pieces: list[Piece], values: Tensor | None, name: str) -> list[Piece]:
        if not pieces:
            return []
        context, *ahead = pieces
        there, seen = context.there.clone(), context.observed.clone()
        there[:, : self._fill] = True
        length = self.sizes.input_length
        seen[:, self._fill :] = self.observed[name][:, :length]
        followed = [one._replace(observed=self._filled(self.observed[name][:, length:])) for one in ahead]
        values = torch.nn.functional.pad(values, (0, 0, self._fill, 0))
        return [context._replace(values=values, there=there, observed=seen), *followed]

    def _scaled(self, *args, **kwargs):
        tokens, found = super()._scaled(*args, **kwargs)
        self.seen.append(found)
        return tokens, found


def run(golden: Golden) -> Ours:
    network = network_of(golden)
    outputs, of_density = of_module(golden, network)
    for name, part in decoded(golden, network):
        outputs[name] = part
    return Ours(outputs, {"": of_density})


def network_of(golden: Golden) -> AsTheReference:
    forecast, module = golden.meta["forecast"], golden.meta["module"]
    arguments = MoiraiMoEModel.architecture(module)
    sizes = Sizes(
        forecast["context_length"],
        forecast["prediction_length"],
        n_targets=forecast["target_dim"],
        n_past=forecast["past_feat_dynamic_real_dim"],
        n_future=forecast["feat_dynamic_real_dim"],
    )
    network = AsTheReference(sizes, patch_length=forecast["patch_size"], **arguments).double().eval()
    weights = {MoiraiMoEModel.key_map.ours(name): weight for name, weight in golden.params.items()}
    with_weights(network.decoder, weights)
    return network


def of_module(golden: Golden, network: MoiraiMoE) -> tuple[dict[str, Tensor], Tensor]:
    """Return what the module makes of tokens with the known future, and the mean of what its density says of them."""
    packed = golden.part("packed_with_future/")
    places = Places(packed["time_id"].long(), packed["variate_id"][0].long(), packed["sample_id"].bool())
    tokens = Tokens(packed["target"], packed["observed_mask"].bool(), places, places.variate)
    level, spread = scales(tokens, packed["prediction_mask"].bool())
    outputs = {"loc": level, "scale": spread, "attention_mask": places.seen().squeeze(1)}
    decoder, seen = network.decoder, []
    patches = (tokens.values - level) / spread
    outputs["embedding"] = decoder.embedding(patches, network.size)
    x = outputs["embedding"]
    for i, (layer, centroids) in enumerate(zip(decoder.layers, decoder.centroids, strict=True)):
        handle = layer.feed_forward.register_forward_pre_hook(lambda _, given: seen.append(given[0].flatten(0, 1)))
        x = layer(x, places, centroids)
        handle.remove()
        experts, weights = layer.feed_forward.route(seen[-1], centroids)
        shape = (*x.shape[:2], -1)
        outputs |= {f"layer_{i}": x, f"gate_experts_{i}": experts.view(shape), f"gate_weights_{i}": weights.view(shape)}
    outputs["encoded"] = decoder.norm(x)
    mixture = decoder(patches, places, network.size)
    outputs |= {f"param_{theirs}": getattr(mixture, ours) for ours, theirs in PARAMETERS.items()}
    outputs["mixture_mean"] = mixture.mean * spread + level
    value = tokens.values.abs() + 0.25
    density = mixture.log_prob((value - level) / spread) - spread.log()
    outputs["log_prob_of_abs_target_plus_quarter"] = density
    return outputs, -density[tokens.observed].mean()


def decoded(golden: Golden, network: AsTheReference) -> Iterator[tuple[str, Tensor]]:
    """Forecast with location plus z deviations of the Student-t distribution in place of draws, for several z."""
    window, network.seen, paths = window_of(golden), [], []
    names = {"feat_dynamic_real": "observed_", "past_feat_dynamic_real": "past_observed_"}
    network.observed = {
        name: golden.inputs[prefix + name.removeprefix("past_")].bool()
        for name, prefix in names.items()
        if name in golden.inputs
    }
    for z in golden.meta["standin_z"]:

        def choose(mixture: Mixture, z: float = z) -> Tensor:
            return mixture.t_loc + mixture.t_scale * z

        paths.append(network.decoded(window, choose))
    forecast = torch.stack(paths, dim=1)
    yield "forecast_standin", forecast.squeeze(-1) if network.sizes.n_targets == 1 else forecast
    for step in range(network.n_ahead):
        for name, part in zip(("loc", "scale"), zip(*network.seen[step :: network.n_ahead], strict=True), strict=True):
            yield f"decode_pass_{step}_{name}", part[0] if step == 0 else torch.stack(part)


def window_of(golden: Golden) -> Window:
    given, context = golden.inputs, golden.meta["forecast"]["context_length"]
    future = given.get("feat_dynamic_real")
    return Window(
        given["past_target"],
        past=given.get("past_feat_dynamic_real"),
        historic_future=None if future is None else future[:, :context],
        future=None if future is None else future[:, context:],
        start=(~given["past_is_pad"].bool()).int().argmax(dim=1),
        missing=~given["past_observed_target"].bool(),
    )


MOIRAI_MOE = Mapping(
    systems=("Moirai-MoE",),
    run=run,
    tolerances={"f32/log_prob*": 5e-4},
)
