"""What diffusions of look-back and horizon have in common."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import torch
from einops import rearrange, reduce
from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_one_of
from darts_tsformers.diffusion import SPACINGS, Denoise, Guidance, Schedule, spaced
from darts_tsformers.networks._paths import Noise, drawn_paths, median_of
from darts_tsformers.recording import is_recording, record
from darts_tsformers.window import Sizes, Window

SAMPLERS = ("ddim", "ddpm")
EVALUATION_SEED = 0
ROWS = 128
"""Series that the point forecast denoises at a time: the graph of one step of all of them is in memory."""
Watch: TypeAlias = Callable[[Float[Tensor, "B L C"]], None]
"""Is shown how hard each step of the look-back pulled."""
WatchedSample: TypeAlias = Callable[[Window, Noise, Watch | None], Float[Tensor, "B H C"]]
"""Draws one path for each window, watched or not."""


@dataclass(frozen=True)
class Sampling:
    """How a diffusion is sampled; a rule that is broken is an error that names the argument.

    Attributes
    ----------
    n_diffusion_steps
        Steps over which noise comes in.
    sampler
        ``"ddim"``, or ``"ddpm"`` over all steps.
    n_sampling_steps
        Steps that ``"ddim"`` takes of them, about; at most all.
    spacing
        Of these: ``"uniform"`` or ``"quadratic"``.
    eta
        New noise in each of them, from 0 to 1.
    """

    n_diffusion_steps: int
    sampler: str
    n_sampling_steps: int
    spacing: str
    eta: float | int

    def __post_init__(self) -> None:
        require_at_least(1, n_diffusion_steps=self.n_diffusion_steps, n_sampling_steps=self.n_sampling_steps)
        require_one_of(SAMPLERS, sampler=self.sampler)
        require_one_of(SPACINGS, spacing=self.spacing)
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta={self.eta!r} must be from 0 to 1")

    def steps(self) -> list[int]:
        """Return the steps that are taken, in increasing order."""
        if self.sampler == "ddpm":
            return list(range(self.n_diffusion_steps))
        return spaced(self.n_diffusion_steps, max(self.n_diffusion_steps // self.n_sampling_steps, 1), self.spacing)


def drawn_noise(
    x: Float[Tensor, "B *S"], schedule: Schedule, *, anew: bool
) -> tuple[Float[Tensor, "B *S"], Int[Tensor, " B"]]:
    """Return noise to put on series, and a step for each; the same each time unless ``anew``."""
    generator = None if anew else torch.Generator().manual_seed(EVALUATION_SEED)
    noise = torch.randn(x.shape, generator=generator, dtype=torch.float32, device="cpu").to(x)
    return noise, torch.randint(len(schedule), x.shape[:1], generator=generator, device="cpu").to(x.device)


def covariates_of_components(window: Window, sizes: Sizes) -> Float[Tensor, "BC T F"] | None:
    """Return the covariates of each step of look-back and horizon, of each component; past ones are zero ahead."""
    n_targets = window.target.shape[-1]
    over_time = [] if window.past is None else [with_horizon(window.past, sizes)]
    if window.historic_future is not None and window.future is not None:
        over_time.append(torch.cat([window.historic_future, window.future], dim=1))
    parts = [x[:, None].expand(-1, n_targets, -1, -1) for x in over_time]
    if window.static is not None:
        parts.append(window.static[:, :, None].expand(-1, n_targets, sizes.input_length + sizes.output_length, -1))
    return torch.cat(parts, dim=-1).flatten(0, 1) if parts else None


def horizon_of(x: Float[Tensor, "BC T"], window: Window, sizes: Sizes) -> Float[Tensor, "B H C"]:
    """Return the steps to forecast of series drawn for each component, in the precision of the window."""
    drawn = rearrange(x[:, -sizes.output_length :], "(B C) H -> B H C", B=len(window.target))
    return drawn.to(window.target.dtype)


def with_horizon(x: Tensor, sizes: Sizes) -> Tensor:
    """Add zeros for the steps to forecast."""
    return torch.cat([x, x.new_zeros(len(x), sizes.output_length, x.shape[-1])], dim=1)


def at_least_single(x: Tensor) -> Tensor:
    """Return single precision for half: rounding would add up over the steps of a sampler."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


@dataclass(frozen=True)
class WatchedGuidance(Guidance):
    """Guidance that remembers how far it has moved what was observed."""

    moved: list[Tensor] = field(default_factory=list)

    def gradient(
        self, denoise: Denoise, x: Float[Tensor, "R *S"], t: int, schedule: Schedule
    ) -> tuple[Float[Tensor, "R *S"], Float[Tensor, "R *S"]]:
        guess, gradient = super().gradient(denoise, x, t, schedule)
        size = gradient.abs() * self.observed
        self.moved[:] = [size + self.moved[0]] if self.moved else [size]
        return guess, gradient

    def pull(self) -> Float[Tensor, "R *S"]:
        """Return the sizes of the gradients so far, summed over the steps of the sampler."""
        return self.moved[0] if self.moved else torch.zeros_like(self.values)


def median_forecast(sample: WatchedSample, window: Window, n_paths: int, module: nn.Module) -> Float[Tensor, "B H C 1"]:
    """Forecast by the median of paths that are the same each time; record of the module what pulled, and the spread."""
    pulls: list[Tensor] = []
    rows = max(ROWS // window.target.shape[-1], 1)
    watch = pulls.append if is_recording("guidance") else None
    paths = drawn_paths(lambda window, noise: sample(window, noise, watch), window, n_paths, rows=rows)
    if pulls:
        record("guidance", module, pull=reduce(torch.cat(pulls), "(n B) L C -> B L C", "mean", n=n_paths))
    record("spread", module, deviation=paths.std(dim=0, correction=0))
    return median_of(paths)


@contextmanager
def differentiable(window: Window) -> Iterator[Window]:
    """Leave inference mode, in which Darts predicts, and give the window in tensors that gradients can be taken by."""
    with torch.inference_mode(False):
        yield replace(window, **{name: x.clone() for name, x in vars(window).items() if x is not None})
