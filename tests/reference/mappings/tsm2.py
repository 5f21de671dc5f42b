"""TSM2: the whole network, with the normalisation that the replication has around it, and its auxiliary inputs."""

from torch import Tensor

from darts_tsformers.layers.recurrent.auxiliary_inputs import AuxiliaryInputs
from darts_tsformers.networks import MambaMixer
from darts_tsformers.window import Sizes, Window
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, renamed, with_weights

NAMES = {
    "patch_embedding.": "embedding.",
    "pos_embed": "position",
    "norm_2d.norm1.": "norm.",
    "norm_2d.norm2.": "patch_norm.",
}
IN_LAYERS = {
    "token_mixers": "time_mixer.block",
    "channel_mixers_fwd": "variate_mixer.onward",
    "channel_mixers_bwd": "variate_mixer.reverse",
    "token_norms": "time_norm",
    "channel_norms": "variate_norm",
    "alpha": "into_time.times",
    "beta": "into_time.variates",
    "theta": "into_variates.times",
    "gamma": "into_variates.variates",
}
SETTINGS = ("stride", "d_model", "d_state", "d_conv", "expand")


def our_name(name: str) -> str:
    part, _, rest = name.partition(".")
    if part not in IN_LAYERS:
        return name
    layer, dot, last = rest.partition(".")
    return f"stack.layers.{layer}.{IN_LAYERS[part]}{dot}{last}"


def run(golden: Golden) -> Ours:
    """Leave out the steps behind the last full patch, as the replication does."""
    meta, x = golden.meta, golden.inputs["x"]
    used = (meta["N"] - 1) * meta["stride"] + meta["patch_len"]
    level = x.mean(1, keepdim=True)
    spread = x.std(1, keepdim=True) + 1e-5
    window = Window(((x - level) / spread)[:, :used])
    weights = {our_name(name): weight for name, weight in renamed(golden.params, NAMES).items()}
    weights["position"] = weights["position"].squeeze(0)

    def forecast(*, residual: bool) -> Tensor:
        network = MambaMixer(
            Sizes(used, meta["H"], n_targets=meta["M"]),
            patch_length=meta["patch_len"],
            pad_end=False,
            n_encoder_layers=meta["num_layers"],
            residual=residual,
            **{name: meta[name] for name in SETTINGS},
        )
        return with_weights(network, weights)(window).squeeze(-1) * spread + level

    return Ours({"y": forecast(residual=True), "y_plain": forecast(residual=False)})


NETWORK = Mapping(systems=("TSM2 (MambaMixer for series)",), run=run)


def run_auxiliary(golden: Golden) -> Ours:
    meta, given = golden.meta, golden.inputs
    names = {
        "future_mixer_fwd.": "mixer.onward.",
        "future_mixer_bwd.": "mixer.reverse.",
        "linear_future.": "future.",
        "linear_static.": "static.",
    }
    inputs = AuxiliaryInputs(
        meta["T"],
        n_future=meta["TZ"] * meta["CZ"],
        n_static=meta["CS"],
        d_state=golden.params["future_mixer_fwd.A_log"].shape[1],
        d_conv=golden.params["future_mixer_fwd.conv1d.weight"].shape[2],
    )
    with_weights(inputs, renamed(golden.params, names))
    return Ours({"y": inputs(given["x"], given["Z"].flatten(2), given["S"])})


AUXILIARY = Mapping(systems=("TSM2 auxiliary inputs",), run=run_auxiliary)
