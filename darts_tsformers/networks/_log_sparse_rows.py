"""What the rows of a LogSparse Transformer are made of, and the horizon of its direct form."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.layers.transformer.feed_forward import FeedForward
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import zero_linear


class RowEmbedding(nn.Module):
    """A sum of linear maps of what a row holds, and its position.

    The values of the target come apart from all the rest, which is known of every row before any step is forecast.

    Parameters
    ----------
    sizes
        Sizes of the problem.
    d_model
        Width of a row.
    n_rows
        Rows there can be.
    """

    def __init__(self, sizes: Sizes, d_model: int, *, n_rows: int) -> None:
        super().__init__()
        self.values = nn.Linear(sizes.n_targets, d_model, bias=False)
        self.past = nn.Linear(sizes.n_past, d_model, bias=False) if sizes.n_past else None
        is_read_on = bool(sizes.n_past) and n_rows > sizes.input_length
        self.unknown_past = nn.Parameter(torch.zeros(d_model)) if is_read_on else None
        self.future = nn.Linear(sizes.n_future, d_model, bias=False) if sizes.n_future else None
        n_static = sizes.n_static * sizes.n_static_rows
        self.static = zero_linear(n_static, d_model) if n_static else None
        self.position = nn.Parameter(0.02 * torch.randn(n_rows, d_model))

    def known(self, window: Window, future: Float[Tensor, "B R F"] | None) -> Float[Tensor, "B R D"]:
        """Embed all but the values, with the future covariates that belong to each row."""
        past = None if window.past is None else self._past(window.past)
        return self._sum(self._positions(window), past, future, window.static)

    def row(
        self, row: Window, future: Float[Tensor, "B 1 F"] | None, at: int, start: Int[Tensor, " B"] | None
    ) -> Float[Tensor, "B 1 D"]:
        """Embed a single row, at a place in its window; one without past covariates is read on to."""
        place = torch.tensor([at], device=row.target.device) if start is None else (at - start)[:, None]
        past = self.unknown_past if self.past is None or row.past is None else self.past(row.past)
        return self._sum(self.position[place], past, future, row.static) + self.values(row.target)

    def _sum(
        self,
        out: Float[Tensor, "*B R D"],
        past: Float[Tensor, "..."] | None,
        future: Float[Tensor, "B R F"] | None,
        static: Float[Tensor, "B V S"] | None,
    ) -> Float[Tensor, "... R D"]:
        if past is not None:
            out = out + past
        if self.future is not None and future is not None:
            out = out + self.future(future)
        if self.static is not None and static is not None:
            out = out + self.static(static.flatten(1))[:, None]
        return out

    def _positions(self, window: Window) -> Float[Tensor, "B R D"]:
        """Return the position of each row, counted from the first of its history."""
        if window.start is None:
            return self.position.expand(window.target.shape[0], -1, -1)
        steps = torch.arange(len(self.position), device=self.position.device)
        return self.position[(steps - window.start[:, None]).clamp_min(0)]

    def _past(self, past: Float[Tensor, "B L P"]) -> Float[Tensor, "B R D"]:
        assert self.past is not None
        observed = self.past(past)
        if self.unknown_past is None:
            return observed
        n_beyond = len(self.position) - past.shape[1]
        return torch.cat([observed, self.unknown_past.expand(past.shape[0], n_beyond, -1)], dim=1)


class HorizonMap(nn.Module):
    """From the rows of the look-back to one state for each step to forecast, which then meets what is known of it."""

    def __init__(self, sizes: Sizes, d_model: int, d_ff: int, *, dropout: float, activation: str) -> None:
        super().__init__()
        self.time = nn.Linear(sizes.input_length, sizes.output_length)
        self.future = nn.Linear(sizes.n_future, d_model, bias=False) if sizes.n_future else None
        self.feed_forward = FeedForward(d_model, d_ff, dropout=dropout, activation=activation)

    def forward(self, rows: Float[Tensor, "B L D"], future: Float[Tensor, "B H F"] | None) -> Float[Tensor, "B H D"]:
        """Return the states."""
        steps = self.time(rows.mT).mT
        if self.future is not None and future is not None:
            steps = steps + self.future(future)
        return steps + self.feed_forward(steps)
