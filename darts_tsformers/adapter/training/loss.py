"""The loss on what was observed."""

from dataclasses import replace

import numpy as np
import torch
from darts.utils.data.torch_datasets.utils import TorchTrainingBatch
from darts.utils.likelihood_models.base import LikelihoodType
from darts.utils.likelihood_models.torch import TorchLikelihood
from torch import Tensor

from darts_tsformers.adapter.likelihoods import has_unit, restore_rules
from darts_tsformers.adapter.training.lessons import Part
from darts_tsformers.window.instance_norm import Statistics
from darts_tsformers.window.restore import restore


def hide_blind_forecasts(batch: TorchTrainingBatch) -> TorchTrainingBatch:
    """Mark the future of a component as not observed where nothing of its past was, or where its weight is unknown.

    There is nothing to learn from either.
    """
    blind = batch.past_target.isnan().all(dim=1, keepdim=True)
    target = batch.future_target.masked_fill(blind, torch.nan)
    weight = batch.sample_weight
    if weight is not None:
        target = target.masked_fill(weight.isnan(), torch.nan)
        weight = weight.nan_to_num(nan=0.0)
    return replace(batch, future_target=target, sample_weight=weight)


def hide_what_does_not_count(batch: TorchTrainingBatch) -> TorchTrainingBatch:
    """Mark the future as not observed where its weight is zero: for what a network sees of it, not for the loss."""
    if batch.sample_weight is None:
        return batch
    return replace(batch, future_target=batch.future_target.masked_fill(batch.sample_weight == 0, torch.nan))


def fill_with_forecast(prediction: Tensor, target: Tensor) -> tuple[Tensor, float]:
    """Put the forecast itself, ``(B, H, C, 1)``, where the target is missing, ``(B, H, C)``.

    A loss keeps its shape this way, whatever it does with it, and finds no error there.

    Returns
    -------
    The target without gaps, and the factor by which a mean over all has to grow to be one over what was observed.
    """
    missing = target.isnan()
    n_observed = int((~missing).sum())
    if n_observed == target.numel():
        return target, 1.0
    return torch.where(missing, prediction.detach().squeeze(-1), target), target.numel() / max(n_observed, 1)


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


def in_unit(part: Part, unit: Tensor, likelihood: TorchLikelihood | None) -> Part:
    """Measure what is forecast, and what it is compared with, by a unit for each component, of all windows or each."""
    unit = unit.to(torch.promote_types(unit.dtype, torch.float32))
    share = 1 / (unit if unit.ndim == 3 else unit.expand(1, 1, part.target.shape[-1]))
    nothing = torch.zeros_like(share)
    by_unit = Statistics(level=nothing, spread=share, mean=nothing, magnitude=share, unit=torch.ones_like(share))
    forecast = restore(part.forecast, by_unit, restore_rules(likelihood))
    return part._replace(forecast=forecast, target=part.target / unit)


def loss_has_unit(likelihood: TorchLikelihood | None) -> bool:
    """Whether a loss means the same in any unit of the target; not if there are priors: they are in data units."""
    return has_unit(likelihood) and all(prior is None for prior in getattr(likelihood, "_prior_params", None) or ())


def is_joint(likelihood: TorchLikelihood | None) -> bool:
    """Whether a likelihood, or its prior, speaks of all components of a step at once."""
    if likelihood is None:
        return False
    priors = [prior for prior in likelihood._prior_params or () if prior is not None]
    return likelihood.type is LikelihoodType.Dirichlet or any(np.ndim(prior) > 0 for prior in priors)
