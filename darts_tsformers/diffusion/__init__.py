"""Series out of noise: schedules, samplers, guidance by what was observed, refinement. Pure PyTorch."""

from darts_tsformers.diffusion.guidance import Denoise, Guidance, distance, quantile_levels
from darts_tsformers.diffusion.refinement import refined
from darts_tsformers.diffusion.samplers import SPACINGS, Draw, ddim, ddim_step, ddpm, ddpm_step, spaced
from darts_tsformers.diffusion.schedule import Schedule

__all__ = [
    "SPACINGS",
    "Denoise",
    "Draw",
    "Guidance",
    "Schedule",
    "ddim",
    "ddim_step",
    "ddpm",
    "ddpm_step",
    "distance",
    "quantile_levels",
    "refined",
    "spaced",
]
