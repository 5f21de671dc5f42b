"""ReGENN. Its encoder attends over the samples of a batch; here ours is given them where it expects variables."""

import torch
from torch import Tensor, nn

from darts_tsformers.layers.mixing.graph_learning import co_occurrence
from darts_tsformers.networks import ReGENN
from darts_tsformers.window import Sizes, Window
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, renamed, with_weights

NAMES = {
    "SourceEvolution.time_weights": "time_map.weight",
    "SourceEvolution.time_bias": "time_map.bias",
    "SourceEvolution.": "source.",
    "TargetEvolution.": "target.",
    "adjacency_weights": "weight",
    "adjacency_bias": "bias",
    "cosine_weights": "scale",
    "cosine_bias": "shift",
    "TimeEncoder.self_attn.in_proj_": "encoder.layers.0.attention.project_in.",
    "TimeEncoder.self_attn.out_proj.": "encoder.layers.0.attention.project_out.",
    "TimeEncoder.linear1.": "encoder.layers.0.feed_forward.0.",
    "TimeEncoder.linear2.": "encoder.layers.0.feed_forward.3.",
    "TimeEncoder.norm1.": "encoder.layers.0.attention_norm.",
    "TimeEncoder.norm2.": "encoder.layers.0.feed_forward_norm.",
    "TimeGate.": "gate.lstm.",
    "VariableSequencer.": "decoder.lstm.",
    "Autoregression.weights": "highway.weight",
    "Autoregression.bias": "highway.bias",
}
TRANSPOSED = ("time_map.weight", "highway.weight")
COLUMNS = ("time_map.bias", "highway.bias")
UNUSED = ("target.time_weights", "target.time_bias")


class SampleMates(nn.Module):
    """Let samples attend to each other, variable by variable."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.layers = encoder.layers

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens.transpose(0, 1)
        for layer in self.layers:
            tokens, _ = layer(tokens)
        return tokens.transpose(0, 1)


class StoredGraph(nn.Module):
    """The second evolution, of a graph that was stored and not of the first one's."""

    def __init__(self, evolution: nn.Module, graph: Tensor) -> None:
        super().__init__()
        self.evolution, self.graph = evolution, graph

    def embedded(self, _: Tensor) -> Tensor:
        return self.evolution.embedded(self.graph)

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        return self.evolution(x, embedded)


def run(golden: Golden) -> Ours:
    network, stored = network_of(golden)
    embedded = network.source.embedded(network.graph)
    if golden.meta["encoder"]:
        network.encoder = SampleMates(network.encoder)
    network.target = StoredGraph(network.target, stored)
    out = network(Window(golden.inputs["x"])).squeeze(-1)
    return Ours(
        {
            "adjacency": co_occurrence(golden.inputs["x_train"]),
            "y": activation(golden.meta["output_function"])(out),
            "evolved_graph": embedded,
            "similarity": network.evolved_graph(),
        }
    )


def network_of(golden: Golden) -> tuple[ReGENN, Tensor]:
    """Return the network, and the graph that the second evolution has stored."""
    meta = golden.meta
    ours = renamed(golden.params, NAMES)
    network = ReGENN(
        Sizes(meta["window"], meta["stride"], n_targets=meta["variables"]),
        n_encoder_layers=int(meta["encoder"]),
        d_ff=len(ours["encoder.layers.0.feed_forward.0.bias"]) if meta["encoder"] else 1,
        bidirectional_gate=meta["bidirectional_gate"],
        bidirectional_decoder=meta["bidirectional_sequencer"],
        highway=meta["autoregression"],
    )
    network.evolution_activation = activation(meta["evolution_function"])
    ours["graph"], stored = ours.pop("source.adjacency"), ours.pop("target.adjacency")
    ours = {name: weight for name, weight in ours.items() if name not in UNUSED}
    for name in ours.keys() & set(TRANSPOSED):
        ours[name] = ours[name].mT
    for name in ours.keys() & set(COLUMNS):
        ours[name] = ours[name].squeeze(-1)
    with_weights(network, ours)
    for lstm in (network.gate.lstm, network.decoder.lstm):  # which keep a list of their weights
        lstm._flat_weights = [getattr(lstm, name) for name in lstm._flat_weights_names]
    return network, stored


def activation(name: str | None) -> nn.Module:
    return nn.Identity() if name is None else getattr(torch.nn, name)()


REGENN = Mapping(systems=("ReGENN",), run=run)
