"""A causal network and its model: as small as can be, with every kind of covariate."""

import torch
from torch import nn

from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.networks import Network, StreamingNetwork
from darts_tsformers.window.covariates import ALL_KINDS


class Fading(StreamingNetwork[torch.Tensor], Network, name="fading"):
    """Exponential averages of the target and of what it reads, from the first row of a history on.

    Parameters
    ----------
    reads_covariates
        Whether it has a place for covariates.
    """

    width_tie = "architecture"

    def __init__(self, sizes, *, reads_covariates: bool = True):
        super().__init__(sizes)
        self.reads = ALL_KINDS if reads_covariates else frozenset()
        n_future = sizes.n_future if reads_covariates else 0
        n_past = sizes.n_past if reads_covariates else 0
        n_static = sizes.n_static * sizes.n_static_rows if reads_covariates else 0
        self.n_seen = sizes.n_targets + n_past + n_future
        self.rate = nn.Parameter(torch.linspace(-2.0, 2.0, self.n_seen))
        self.out = nn.Linear(self.n_seen + n_static + sizes.output_length * n_future, sizes.output_length * self.n_out)

    @property
    def decay(self):
        return self.rate.sigmoid()

    @property
    def n_out(self):
        return self.sizes.n_targets * self.sizes.n_parameters

    def forward(self, window):
        return self.ahead(self.begin(window), window.future, window.static)

    def begin(self, window):
        seen = self._seen(window)
        state = torch.zeros_like(seen[:, 0])
        for i, row in enumerate(seen.unbind(1)):
            after = self.decay * state + (1 - self.decay) * row
            state = after if window.start is None else torch.where((i >= window.start)[:, None], after, state)
        return state

    def advance(self, state, row):
        return self.decay * state + (1 - self.decay) * self._seen(row)[:, 0]

    def ahead(self, state, future, static):
        others = [x.flatten(1) for x in (static, future) if x is not None and self.reads]
        out = self.out(torch.cat([state, *others], dim=-1))
        return out.view(-1, self.sizes.output_length, self.sizes.n_targets, self.sizes.n_parameters)

    def _seen(self, window):
        others = [window.past, window.historic_future] if self.reads else []
        return torch.cat([window.target, *(x for x in others if x is not None)], dim=-1)


class FadingModel(TSFormerModel):
    """A model of averages.

    Notes
    -----
    For tests.
    """

    network_class = Fading

    def __init__(
        self,
        input_chunk_length,
        output_chunk_length,
        output_chunk_shift=0,
        *,
        reads_covariates=True,
        use_instance_norm="running",
        instance_norm_affine=False,
        min_input_chunk_length=None,
        categorical_embedding_sizes=None,
        **kwargs,
    ):
        super().__init__()
