"""Training on a draw of the target's components."""

from dataclasses import replace

import torch
from darts.utils.data.torch_datasets.utils import TorchTrainingBatch


def number_drawn(train_variates: int | float, n_targets: int) -> int:
    """Return how many of ``n_targets`` components to draw.

    Raises
    ------
    ValueError
        If ``train_variates`` is neither an integer of at least 1 nor a share in (0, 1].
    """
    if isinstance(train_variates, float) and 0 < train_variates <= 1:
        return max(1, round(train_variates * n_targets))
    if isinstance(train_variates, int) and not isinstance(train_variates, bool) and train_variates >= 1:
        return min(train_variates, n_targets)
    raise ValueError(f"train_variates={train_variates!r} must be None, an integer of at least 1 or a share in (0, 1]")


def draw_components(batch: TorchTrainingBatch, train_variates: int | float) -> TorchTrainingBatch:
    """Draw components of target, statics and weights, all the same; what is one for all stays."""
    n_targets = batch.past_target.shape[-1]
    drawn = torch.randperm(n_targets)[: number_drawn(train_variates, n_targets)].to(batch.past_target.device)

    def rows(static: torch.Tensor | None) -> torch.Tensor | None:
        return static if static is None or static.shape[1] == 1 else static[:, drawn]

    def columns(x: torch.Tensor | None) -> torch.Tensor | None:
        return x if x is None or x.shape[-1] == 1 else x[..., drawn]

    return replace(
        batch,
        past_target=columns(batch.past_target),
        future_target=columns(batch.future_target),
        sample_weight=columns(batch.sample_weight),
        static_covariates=rows(batch.static_covariates),
    )
