"""The encoder and decoder that Autoformer and FEDformer share: seasonal part and trend come apart step by step."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_probability
from darts_tsformers.layers.decomposition.moving_average import MixtureDecomposition
from darts_tsformers.layers.decomposition.progressive import DecomposingDecoderLayer, DecomposingEncoderLayer
from darts_tsformers.layers.decomposition.seasonal_norm import SeasonalNorm
from darts_tsformers.layers.recomputing import Recomputing
from darts_tsformers.layers.transformer.feed_forward import FeedForward
from darts_tsformers.layers.transformer.token_embedding import TokenEmbedding
from darts_tsformers.networks._network import mechanism_paths
from darts_tsformers.recording import record
from darts_tsformers.recording.layout import Layout, horizon, look_back
from darts_tsformers.window import Sizes, Window


@dataclass(frozen=True)
class Parts:
    """How to build what the two architectures differ in; each call builds afresh.

    Attributes
    ----------
    encoder_attention, decoder_attention, cross_attention
        Attention of the encoder, of the decoder to itself, and of the decoder to the encoder.
    decomposition
        Split of tokens, ``(B, L, D)``, into remainder and trend.
    """

    encoder_attention: Callable[[], nn.Module]
    decoder_attention: Callable[[], nn.Module]
    cross_attention: Callable[[], nn.Module]
    decomposition: Callable[[], nn.Module]


class DecompositionTransformer(nn.Module, Recomputing):
    """Encoder and decoder with progressive decomposition.

    The decoder starts from the decomposed end of the look-back, the label: of the seasonal part followed by zeros, and
    of the trend followed by the mean of the window. Its layers refine the seasonal part and add to the trend.

    Future covariates take the place of the papers' time marks, in encoder and decoder; past covariates are embedded
    with the target in the encoder; static covariates add to every token. Tokens have no position.

    Parameters
    ----------
    sizes
        Sizes of the problem.
    parts
        What the architectures differ in.
    label_length, d_model, d_ff, n_encoder_layers, n_decoder_layers, dropout, activation, padding_mode
        As the architectures have them.
    """

    def __init__(
        self,
        sizes: Sizes,
        parts: Parts,
        *,
        label_length: int | None,
        d_model: int,
        d_ff: int,
        n_encoder_layers: int,
        n_decoder_layers: int,
        dropout: float,
        activation: str,
        padding_mode: str,
    ) -> None:
        super().__init__()
        require_at_least(1, n_encoder_layers=n_encoder_layers, n_decoder_layers=n_decoder_layers, d_ff=d_ff)
        require_probability(dropout=dropout)
        self.sizes = sizes
        self.label_length = sizes.label_length(label_length)
        n_out = sizes.n_targets * sizes.n_parameters

        def embedding(n_values: int) -> TokenEmbedding:
            return TokenEmbedding(
                n_values,
                d_model,
                n_known=sizes.n_future,
                n_static=sizes.n_static * sizes.n_static_rows,
                padding_mode=padding_mode,
                dropout=dropout,
                position=False,
            )

        def feed_forward() -> FeedForward:
            return FeedForward(d_model, d_ff, dropout=dropout, activation=activation, bias=False)

        self.decomposition = parts.decomposition()
        self.encoder_embedding = embedding(sizes.n_targets + sizes.n_past)
        self.encoder_layers = nn.ModuleList(
            DecomposingEncoderLayer(parts.encoder_attention(), feed_forward(), parts.decomposition)
            for _ in range(n_encoder_layers)
        )
        self.encoder_norm = SeasonalNorm(d_model)
        self.decoder_embedding = embedding(sizes.n_targets)
        self.decoder_layers = nn.ModuleList(
            DecomposingDecoderLayer(
                parts.decoder_attention(),
                parts.cross_attention(),
                feed_forward(),
                parts.decomposition,
                d_model=d_model,
                n_out=n_out,
                padding_mode=padding_mode,
            )
            for _ in range(n_decoder_layers)
        )
        self.decoder_norm = SeasonalNorm(d_model)
        self.head = nn.Linear(d_model, n_out)

    def forward(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Forecast: the sum of trend and seasonal part. The trend can be recorded."""
        static = None if window.static is None else window.static.flatten(1)
        seasonal_start, trend = self._start(window.target)
        x = self.decoder_embedding(seasonal_start, None, self._known(window), static)
        memory = self._memory(window, static)
        for layer in self.decoder_layers:
            x, more = self.run(layer, x, memory)
            trend = trend + rearrange(more, "B L (C Q) -> B L C Q", Q=self.sizes.n_parameters)
        trend = trend[:, self.label_length :]
        record("trend", self, trend=trend)
        seasonal = self.head(self.decoder_norm(x)[:, self.label_length :])
        return trend + rearrange(seasonal, "B H (C Q) -> B H C Q", Q=self.sizes.n_parameters)

    def layouts(self, within: str) -> dict[str, Layout]:
        """Return what the tokens stand for, by the path of each layer in the module that is this one's home: steps."""
        seen = look_back(self.sizes)
        decoded = seen[-self.label_length :] + horizon(self.sizes)
        axes = {"attention": (seen, seen), "self_attention": (decoded, decoded), "cross_attention": (decoded, seen)}
        mixtures = [path for path, part in self.named_modules() if isinstance(part, MixtureDecomposition)]
        found = {path: axes[path.split(".")[-1]] for path in mechanism_paths(self)}
        found |= {path: (decoded if path.startswith("decoder_layers.") else seen,) for path in mixtures}
        return {f"{within}.{path}": Layout(of) for path, of in found.items()}

    def _start(self, target: Float[Tensor, "B L C"]) -> tuple[Float[Tensor, "B K C"], Float[Tensor, "B K C Q"]]:
        """Return what the decoder starts from: of the seasonal part, and of each parameter's trend.

        A parameter that is no level, such as a scale, has no trend to start from.
        """
        ahead = self.sizes.output_length
        seasonal, trend = self.decomposition(target)
        level = target.mean(dim=1, keepdim=True).expand(-1, ahead, -1)
        seasonal = nn.functional.pad(seasonal[:, -self.label_length :], (0, 0, 0, ahead))
        trend = torch.cat([trend[:, -self.label_length :], level], dim=1).unsqueeze(-1)
        others = trend.new_zeros(*trend.shape[:-1], self.sizes.n_parameters - self.sizes.n_levels)
        return seasonal, torch.cat([*[trend] * self.sizes.n_levels, others], dim=-1)

    def _known(self, window: Window) -> Float[Tensor, "B K F"] | None:
        if window.historic_future is None or window.future is None:
            return None
        return torch.cat([window.historic_future[:, -self.label_length :], window.future], dim=1)

    def _memory(self, window: Window, static: Float[Tensor, "B S"] | None) -> Float[Tensor, "B L D"]:
        values = window.target if window.past is None else torch.cat([window.target, window.past], dim=-1)
        x = self.encoder_embedding(values, None, window.historic_future, static)
        for layer in self.encoder_layers:
            x = self.run(layer, x)
        memory: Tensor = self.encoder_norm(x)
        return memory
