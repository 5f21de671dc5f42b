"""The loss on what was observed."""

from dataclasses import replace

import numpy as np
import torch
from darts.utils.data.torch_datasets.utils import TorchTrainingBatch
from darts.utils.likelihood_models.base import LikelihoodType
from darts.utils.likelihood_models.torch import TorchLikelihood
from torch import Tensor


def hide_blind_forecasts(batch: TorchTrainingBatch) -> TorchTrainingBatch:
    """Mark the future of a component as not observed where nothing of its past was: there is nothing to learn from."""
    if batch.future_target is None:
        return batch
    blind = batch.past_target.isnan().all(dim=1, keepdim=True)
    return replace(batch, future_target=batch.future_target.masked_fill(blind, torch.nan))


def observed_only(
    prediction: Tensor, target: Tensor, weight: Tensor | None, *, jointly: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Gather what was observed of a batch into one long series.

    Parameters
    ----------
    prediction
        ``(B, H, C, Q)``.
    target, weight
        ``(B, H, C)``; a weight may have one component for all.
    jointly
        Whether the components of one step belong together; a step then counts if all of them were observed.

    Returns
    -------
    The three as ``(1, n, 1, Q)`` and ``(1, n, 1)``, or with ``C`` components if ``jointly``. A batch without a gap
    comes back as it is.
    """
    observed = ~target.isnan()
    if observed.all():
        return prediction, target, weight
    weight = None if weight is None else weight.expand_as(target)
    if jointly:
        steps = observed.all(dim=-1)
        return prediction[steps][None], target[steps][None], None if weight is None else weight[steps][None]
    return (
        prediction[observed][None, :, None],
        target[observed][None, :, None],
        None if weight is None else weight[observed][None, :, None],
    )


def is_joint(likelihood: TorchLikelihood | None) -> bool:
    """Whether a likelihood, or its prior, speaks of all components of a step at once."""
    if likelihood is None:
        return False
    priors = likelihood._prior_params or ()
    return likelihood.type is LikelihoodType.Dirichlet or any(
        np.ndim(prior) > 0 for prior in priors if prior is not None
    )
