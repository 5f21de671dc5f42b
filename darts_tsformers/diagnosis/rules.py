"""From figures to findings: each rule says when something is wrong, and what to try."""

from collections.abc import Callable
from math import isfinite, isnan
from typing import NamedTuple

from darts_tsformers.diagnosis.figures import TINY_SPREAD, Figures

FLAT_BELOW = 0.1
MISSING_ABOVE = 0.3
OVERFIT_ABOVE = 0.1
STILL_FALLING_ABOVE = 0.02


class Rule(NamedTuple):
    """When a finding holds, and how it is worded."""

    holds: Callable[[Figures], bool]
    words: Callable[[Figures], str]


def lost(figures: Figures) -> list[str]:
    """Name what is NaN or infinite of forecasts and losses."""
    losses = {name: getattr(figures, name) for name in ("train_loss", "validation_loss")}
    found = [name for name, loss in losses.items() if loss is not None and not isfinite(loss)]
    return [f"{100 * figures.lost_share:.3g}% of the forecast values"] * (figures.lost_share > 0) + found


def verdict(figures: Figures) -> str:
    """Say in a sentence whether a model is better than the better one of two naive forecasts."""
    windows = f"over {figures.n_windows} window{'s' if figures.n_windows != 1 else ''}"
    if isnan(figures.mae):
        return f"The error of the model cannot be told, {windows}."
    naive = {"the last value": figures.mae_last_value}
    if figures.season > 1:
        naive[f"the last season of {figures.season} steps"] = figures.mae_seasonal
    best = min(naive, key=naive.__getitem__)
    errors = f"MAE {figures.mae:.4g} against {naive[best]:.4g}"
    if figures.mae < naive[best]:
        return f"Better than repeating {best}: {errors}, {1 - figures.mae / naive[best]:.0%} less, {windows}."
    return f"No better than repeating {best}: {errors}, {windows}."


RULES = (
    Rule(
        lambda f: bool(lost(f)),
        lambda f: (
            f"NaN or infinite: {', '.join(lost(f))}. Most likely the training broke down. Train anew with a lower "
            'learning rate, clipped gradients (pl_trainer_kwargs={"gradient_clip_val": 1.0}), or the series scaled, '
            "with Darts' Scaler for one."
        ),
    ),
    Rule(
        lambda f: isnan(f.mae) and not f.lost_share,
        lambda f: (
            f"Nothing was observed where the {f.n_windows} windows were forecast: no error can be told. Diagnose on a "
            "series with observed values after its first look-back."
        ),
    ),
    Rule(
        lambda f: f.variance_ratio < FLAT_BELOW,
        lambda f: (
            f"The forecast is flat: its variance is {f.variance_ratio:.1%} of what came. Try a look-back of at least "
            f"two seasons ({2 * f.season} steps), more epochs, less dropout, or covariates that drive the series."
        ),
    ),
    Rule(
        lambda f: f.skill_last_value <= 0,
        lambda f: (
            f"No better than repeating the last value (MAE {f.mae:.4g} against {f.mae_last_value:.4g}). Try more "
            f"epochs, {'' if f.is_normalised else 'use_instance_norm=True, '}a smaller model; or the "
            "series is close to a random walk."
        ),
    ),
    Rule(
        lambda f: f.season > 1 and f.skill_seasonal <= 0,
        lambda f: (
            f"No better than repeating the last season of {f.season} steps (MAE {f.mae:.4g} against "
            f"{f.mae_seasonal:.4g}). Try a look-back of several seasons, calendar encoders (add_encoders), more epochs."
        ),
    ),
    Rule(
        lambda f: f.overfit > OVERFIT_ABOVE,
        lambda f: (
            f"The validation loss rose from {f.best_validation_loss:.4g} at its best to {f.validation_loss:.4g} at the "
            "end: it overfits. Stop early, keep the best checkpoint, or use more dropout or a smaller model."
        ),
    ),
    Rule(
        lambda f: f.still_falling > STILL_FALLING_ABOVE and f.overfit <= 0,
        lambda f: (
            f"The training loss fell from {f.train_loss_before:.4g} to {f.train_loss:.4g} in the last epoch: it was "
            "still learning. Train for more epochs or with a higher learning rate."
        ),
    ),
    Rule(
        lambda f: f.missing_share > MISSING_ABOVE,
        lambda f: (
            f"{f.missing_share:.0%} of the input was not observed. Try a coarser frequency, or a shorter look-back "
            "that holds more of what was."
        ),
    ),
    Rule(
        lambda f: f.dead_share > 0,
        lambda f: (
            f"{f.dead_share:.0%} of the windows are constant: there is no spread to normalise by. Try a longer "
            "look-back, or leave out components that never move."
        ),
    ),
    Rule(
        lambda f: f.tiny_share > 0,
        lambda f: (
            f"{f.tiny_share:.0%} of the windows have a standard deviation below {TINY_SPREAD:g}, which the "
            "normalisation hardly sees. Scale the series, with Darts' Scaler for one."
        ),
    ),
)
