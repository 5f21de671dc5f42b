"""Informer: sparse attention over time steps, a distilling encoder, a decoder that gives the horizon at once."""

from collections.abc import Sequence
from typing import cast

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.attention import AttentionLike, build_attention
from darts_tsformers.checks import require_at_least, require_flag, require_one_of, require_probability
from darts_tsformers.layers.norm import NORMS
from darts_tsformers.layers.recomputing import Recomputing
from darts_tsformers.layers.transformer.decoder import DecoderLayer
from darts_tsformers.layers.transformer.distilling import Distilling
from darts_tsformers.layers.transformer.encoder import EncoderLayer
from darts_tsformers.layers.transformer.token_embedding import TokenEmbedding
from darts_tsformers.networks._network import Network
from darts_tsformers.recording.layout import Layout, TimeAxis, horizon, look_back
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS


class Informer(Network, Recomputing, name="informer"):
    """Encoder-decoder transformer over time steps.

    The look-back is embedded step by step and encoded, halved between layers. The decoder sees the last steps of the
    look-back, the start token, followed by a placeholder for each step to forecast, and gives all of them in one pass.

    Covariates: future covariates take the place of the paper's time marks, in encoder and decoder; past covariates
    are embedded with the target in the encoder; static covariates add to every token, from zero at the start.

    Cost: that of the mechanism in the look-back, O(L ln L) by default; the decoder attends to the encoder exactly.

    Parameters
    ----------
    d_model
        Width of a token (``D``); even.
    attention
        Mechanism over time steps in the encoder, and in the decoder's self-attention if it has a causal form (exact
        attention there if not).
    distil
        Whether the sequence is halved between the layers of the encoder.
    distil_norm
        ``"batch"``, as in the paper, or ``"layer"``.
    replica_layers
        Layers of each of several encoders, the ``k``-th of which sees the last ``L // 2 ** k`` steps; their memories
        are joined. ``(3, 2, 1)`` in the paper. None for one encoder of ``n_encoder_layers``.
    mix
        Whether the decoder's self-attention lays heads and time steps out as the authors' code does by default, which
        undoes its causal mask. For parity only.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Zhou et al., "Informer: Beyond Efficient Transformer for Long Sequence Time-Series Forecasting", AAAI 2021.

    Deviations: heads and time are never mixed unless asked for; convolutions repeat the end values instead of joining
    the ends; dropout acts on the output of attention; queries, keys and values start from Xavier's distribution with no
    bias, 1.73 times as wide as in the authors' code.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import Informer
    >>> network = Informer(Sizes(input_length=48, output_length=6, n_targets=3, n_future=2), d_model=16)
    >>> known = {"historic_future": torch.randn(2, 48, 2), "future": torch.randn(2, 6, 2)}
    >>> network(Window(target=torch.randn(2, 48, 3), **known)).shape
    torch.Size([2, 6, 3, 1])
    """

    reads = ALL_KINDS

    def __init__(
        self,
        sizes: Sizes,
        *,
        label_length: int | None = None,
        d_model: int = 64,
        n_heads: int = 4,
        n_encoder_layers: int = 2,
        n_decoder_layers: int = 1,
        d_ff: int = 128,
        dropout: float = 0.05,
        activation: str = "gelu",
        attention: AttentionLike = "prob_sparse",
        distil: bool = True,
        distil_norm: str = "batch",
        replica_layers: Sequence[int] | None = None,
        padding_mode: str = "replicate",
        mix: bool = False,
    ) -> None:
        super().__init__(sizes)
        require_at_least(1, d_ff=d_ff, n_decoder_layers=n_decoder_layers)
        require_probability(dropout=dropout)
        require_flag(distil=distil, mix=mix)
        require_one_of(NORMS, distil_norm=distil_norm)
        self.label_length = sizes.label_length(label_length)

        def embedding(n_values: int) -> TokenEmbedding:
            return TokenEmbedding(
                n_values,
                d_model,
                n_known=sizes.n_future,
                n_static=sizes.n_static * sizes.n_static_rows,
                padding_mode=padding_mode,
                dropout=dropout,
            )

        def encoder(n_layers: int) -> DistillingEncoder:
            return DistillingEncoder(
                nn.ModuleList(
                    EncoderLayer(
                        d_model,
                        n_heads,
                        d_ff,
                        dropout=dropout,
                        activation=activation,
                        norm="layer",
                        attention=attention,
                        n_tokens=sizes.input_length,
                    )
                    for _ in range(n_layers)
                ),
                nn.ModuleList(
                    Distilling(d_model, norm=distil_norm, padding_mode=padding_mode) if distil else nn.Identity()
                    for _ in range(n_layers - 1)
                ),
                nn.LayerNorm(d_model),
            )

        if replica_layers is not None and not (isinstance(replica_layers, Sequence) and len(replica_layers)):
            raise ValueError(f"replica_layers={replica_layers!r} must be None or the layers of each encoder, as (2, 1)")
        depths = [n_encoder_layers] if replica_layers is None else list(replica_layers)
        for depth in depths:
            require_at_least(1, **{"n_encoder_layers" if replica_layers is None else "replica_layers": depth})
        if sizes.input_length >> (len(depths) - 1) < 1:
            raise ValueError(
                f"replica_layers={replica_layers!r} needs input_chunk_length={sizes.input_length} to be at least "
                f"{1 << (len(depths) - 1)}"
            )
        self.encoder_embedding = embedding(sizes.n_targets + sizes.n_past)
        self.encoders = nn.ModuleList(encoder(depth) for depth in depths)
        self.decoder_embedding = embedding(sizes.n_targets)
        self.decoder_layers = nn.ModuleList(
            DecoderLayer(
                d_model,
                n_heads,
                d_ff,
                dropout=dropout,
                activation=activation,
                self_attention=attention if build_attention(attention).supports_causal else "full",
                cross_attention="full",
                n_tokens=self.label_length + sizes.output_length,
                mix=mix,
            )
            for _ in range(n_decoder_layers)
        )
        self.decoder_norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, sizes.n_targets * sizes.n_parameters)

    def layouts(self) -> dict[str, Layout]:
        """Return what the tokens stand for: steps; behind a distilling layer, spans of them."""
        found: dict[str, Layout] = {}
        whole, memory = look_back(self.sizes), TimeAxis((), ())
        for k, encoder in enumerate(cast(Sequence[DistillingEncoder], self.encoders)):
            axes = encoder.axes(whole[-(len(whole) >> k) :])
            found |= {f"encoders.{k}.layers.{i}.attention": Layout((axis, axis)) for i, axis in enumerate(axes)}
            memory += axes[-1]
        decoded = whole[-self.label_length :] + horizon(self.sizes)
        for i in range(len(self.decoder_layers)):
            found[f"decoder_layers.{i}.self_attention"] = Layout((decoded, decoded))
            found[f"decoder_layers.{i}.cross_attention"] = Layout((decoded, memory))
        return found

    def forward(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Forecast."""
        static = None if window.static is None else window.static.flatten(1)
        tokens = self._decoder_tokens(window, static)
        memory = self._memory(window, static)
        for layer in self.decoder_layers:
            tokens = self.run(layer, tokens, memory)
        out = self.head(self.decoder_norm(tokens[:, -self.sizes.output_length :]))
        return rearrange(out, "B H (C Q) -> B H C Q", Q=self.sizes.n_parameters)

    def _memory(self, window: Window, static: Float[Tensor, "B S"] | None) -> Float[Tensor, "B M D"]:
        values = window.target if window.past is None else torch.cat([window.target, window.past], dim=-1)
        steps = torch.arange(values.shape[1], device=values.device, dtype=torch.float32)
        tokens = self.encoder_embedding(values, steps, window.historic_future, static)
        length = tokens.shape[1]
        return torch.cat([encoder(tokens[:, -(length >> k) :]) for k, encoder in enumerate(self.encoders)], dim=1)

    def _decoder_tokens(self, window: Window, static: Float[Tensor, "B S"] | None) -> Float[Tensor, "B K D"]:
        start, horizon = window.target[:, -self.label_length :], self.sizes.output_length
        values = torch.cat([start, start.new_zeros(start.shape[0], horizon, start.shape[2])], dim=1)
        steps = torch.arange(values.shape[1], device=values.device, dtype=torch.float32)
        steps = torch.where(steps < self.label_length, steps, steps + self.sizes.output_shift)
        known = None
        if window.historic_future is not None and window.future is not None:
            known = torch.cat([window.historic_future[:, -self.label_length :], window.future], dim=1)
        return self.decoder_embedding(values, steps, known, static)


class DistillingEncoder(nn.Module, Recomputing):
    """Encoder layers with something between each two, and a normalisation at the end."""

    def __init__(self, layers: nn.ModuleList, between: nn.ModuleList, norm: nn.Module) -> None:
        super().__init__()
        self.layers = layers
        self.between = between
        self.norm = norm

    def forward(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "B M D"]:
        """Encode."""
        x, _ = self.run(self.layers[0], x)
        for distil, layer in zip(self.between, list(self.layers)[1:], strict=True):
            x, _ = self.run(layer, self.run(distil, x))
        return self.norm(x)

    def axes(self, axis: TimeAxis) -> list[TimeAxis]:
        """Return the tokens of each layer: spans of the pooling, whose convolution sees one token more at each end."""
        axes = [axis]
        for distil in self.between:
            axes.append(axes[-1].pooled() if isinstance(distil, Distilling) else axes[-1])
        return axes
