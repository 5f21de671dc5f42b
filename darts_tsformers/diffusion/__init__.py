"""Series out of noise: schedules, samplers, guidance by what was observed, inpainting, refinement. Pure PyTorch."""

from darts_tsformers.diffusion.guidance import Denoise, Guidance, distance, quantile_levels
from darts_tsformers.diffusion.inpainting import inpainted
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
    "inpainted",
    "quantile_levels",
    "refined",
    "spaced",
]
