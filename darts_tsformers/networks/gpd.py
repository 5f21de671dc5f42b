"""GPD: a diffusion of whole segments, whose horizon is painted in beside the look-back."""

from functools import partial

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from darts_tsformers.checks import require_at_least
from darts_tsformers.diffusion import Denoise, Schedule, inpainted
from darts_tsformers.layers.mixing.denoiser import PatchDenoiser
from darts_tsformers.networks._diffusion import (
    Sampling,
    Watch,
    WatchedGuidance,
    at_least_single,
    covariates_of_components,
    differentiable,
    drawn_noise,
    horizon_of,
    median_forecast,
    with_horizon,
)
from darts_tsformers.networks._lessons import Lesson, Training
from darts_tsformers.networks._network import Network
from darts_tsformers.networks._paths import Noise
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS


class GPD(Network, name="gpd"):
    r"""Learn to take noise off segments, look-back and horizon in one; forecast by filling in what is not known of one.

    .. math:: x_t = \sqrt{\bar\alpha_t}\, x + \sqrt{1 - \bar\alpha_t}\, \epsilon, \qquad
        \min_\theta \lVert \epsilon - \epsilon_\theta(x_t, t) \rVert^2

    The network learns without being told what is to be forecast. To forecast, it starts from noise; at each step down,
    what was observed of the look-back is put in place, noised as much as that step is, and pulls the rest, which is the
    horizon and what is missing, to agree with it (:func:`~darts_tsformers.diffusion.inpainted`). So it forecasts series
    that it never saw. Components are series of their own, with the same weights.

    The guess of the noise is made by perceptrons over patches of the segment, with skips from the first half of the
    blocks to the second: see :class:`~darts_tsformers.layers.mixing.denoiser.PatchDenoiser`.

    Covariates, which the paper has no place for: past, historic future, future and static ones add to each patch
    through a linear map that starts at zero; past ones are zero over the horizon. They are known, not drawn.

    Cost: O(P C s r D (L + H) / p (D + (L + H) / p)) for P paths of s sampling steps, each gone down r times.

    Parameters
    ----------
    patch_length
        Steps of a patch (``p``), at most those of look-back and horizon together: as many for the plain perceptron.
        None for 16, or all if they are fewer.
    d_model
        Width of a patch (``D``).
    expansion_factor
        Inner width of each perceptron, in multiples of the axis that it mixes.
    n_layers
        Blocks.
    d_step
        Width of the embedding of the diffusion's steps, an even number. None for twice ``d_model``.
    n_diffusion_steps
        Steps over which noise comes in.
    sampler
        ``"ddim"``, or ``"ddpm"`` over all steps with an ``eta`` of 1.
    n_sampling_steps
        Steps that ``"ddim"`` takes of them, about; at most all.
    spacing
        Of these: ``"uniform"``, or ``"quadratic"``, closer where there is little noise.
    eta
        New noise in each of them, from 0 for none to 1 for that of ``"ddpm"``.
    guidance_scale
        How strongly what was observed pulls the rest; 0 for not at all, which takes no gradients. The stronger, the
        less paths spread; too strong, they overshoot.
    n_passes
        How often each step is gone down (``r``). The more, the better the horizon fits the look-back, and the less
        paths spread.
    n_paths
        Paths whose median is the point forecast.
    dropout
        In the perceptrons.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Yang et al., "Generative Pre-Trained Diffusion Paradigm for Zero-Shot Time Series Forecasting", 2024,
    arXiv:2406.02212. Its code is not public; this is our reading of it. Ours: patches, how the skips are laid, and that
    what is known also pulls the rest (Ho et al., "Video Diffusion Models", NeurIPS 2022), or is put in place in many
    passes (Lugmayr et al., "RePaint", CVPR 2022). The network finds the noise by the velocity of the diffusion
    (Salimans and Ho, ICLR 2022), so that one that is too narrow to see all of it does not run away. Segments are
    normalised by their look-back while they are learnt, too. The error counts in the units of the data. About as much
    noise comes in over any number of steps as over 1,000 of variances from 1e-4 to 0.02; no variance is above 0.9.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.networks import GPD, Noise
    >>> from darts_tsformers.window import Sizes, Window
    >>> sizes = Sizes(input_length=24, output_length=6)
    >>> network = GPD(sizes, d_model=8, n_layers=2, n_sampling_steps=2, n_paths=3).eval()
    >>> window = Window(torch.randn(2, 24, 3))  # (B, L, C): any number of components
    >>> network(window).shape
    torch.Size([2, 6, 3, 1])
    >>> network.sample(window, Noise(range(1), n_paths=1, seed=0, windows=window.target)).shape
    torch.Size([2, 6, 3])
    """

    reads = ALL_KINDS
    validates_by_lessons = True
    draws_paths = True
    width_tie = None
    needs_future_target = True

    def __init__(
        self,
        sizes: Sizes,
        *,
        patch_length: int | None = None,
        d_model: int = 64,
        expansion_factor: int = 2,
        n_layers: int = 4,
        d_step: int | None = None,
        n_diffusion_steps: int = 1000,
        sampler: str = "ddim",
        n_sampling_steps: int = 20,
        spacing: str = "uniform",
        eta: float | int = 1.0,
        guidance_scale: float | int = 3.0,
        n_passes: int = 1,
        n_paths: int = 100,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(sizes)
        require_at_least(1, d_model=d_model, n_passes=n_passes, n_paths=n_paths)
        sampling = Sampling(n_diffusion_steps, sampler, n_sampling_steps, spacing, eta)
        self.steps, self.eta = sampling.steps(), 1.0 if sampler == "ddpm" else float(eta)
        if not guidance_scale >= 0:
            raise ValueError(f"guidance_scale={guidance_scale!r} must be at least 0")
        self.guidance_scale, self.n_passes, self.n_paths = float(guidance_scale), n_passes, n_paths
        self.schedule = _schedule(n_diffusion_steps)
        length = sizes.input_length + sizes.output_length
        self.denoiser = PatchDenoiser(
            length,
            patch_length=min(16, length) if patch_length is None else patch_length,
            d_model=d_model,
            d_step=2 * d_model if d_step is None else d_step,
            expansion_factor=expansion_factor,
            n_layers=n_layers,
            n_features=sizes.n_past + sizes.n_future + sizes.n_static,
            dropout=dropout,
        )

    def learn(self, window: Window) -> Training:
        """Guess the noise of the whole segment."""
        assert window.future_target is not None
        x = _series(torch.cat([window.target, window.future_target], dim=1))
        noise, t = drawn_noise(x, self.schedule, anew=self.training)
        guess = self._guessed(self.schedule.noised(x, noise, t), t, covariates_of_components(window, self.sizes))
        forecast = rearrange(x + guess - noise, "(B C) T -> B T C 1", B=len(window.target))
        return Training(None, [Lesson("noise", forecast, torch.arange(x.shape[1], device=x.device))])

    def forward(self, window: Window) -> Float[Tensor, "B H C 1"]:
        """Forecast by the median of paths that are the same each time."""
        return median_forecast(self._sample, window, self.n_paths, self.denoiser)

    def sample(self, window: Window, noise: Noise) -> Float[Tensor, "B H C"]:
        """Draw one path for each window."""
        return self._sample(window, noise)

    def _sample(self, window: Window, noise: Noise, watch: Watch | None = None) -> Float[Tensor, "B H C"]:
        with differentiable(window) as window, torch.no_grad():
            draw, denoise, guide = partial(self._draw, window, noise), self._denoise(window), self._guide(window)
            x = inpainted(denoise, draw(), self.schedule, self.steps, draw, guide, eta=self.eta, n_passes=self.n_passes)
            if watch is not None and guide.moved:
                pull = guide.pull()[:, : self.sizes.input_length]
                watch(rearrange(pull, "(B C) L -> B L C", B=len(window.target)))
            return horizon_of(x, window, self.sizes)

    def _denoise(self, window: Window) -> Denoise:
        """Return what guesses the noise of segments like this one."""
        features = covariates_of_components(window, self.sizes)

        def guess(x: Tensor, t: int) -> Tensor:
            steps = torch.full(x.shape[:1], t, device=x.device)
            return self._guessed(x, steps, features)

        return guess

    def _guessed(
        self, x: Float[Tensor, "BC T"], t: Int[Tensor, " BC"], features: Float[Tensor, "BC T F"] | None
    ) -> Float[Tensor, "BC T"]:
        dtype = self.denoiser.norm.weight.dtype
        velocity = self.denoiser(x.to(dtype), t, features)
        return self.schedule.noise_in(x, velocity.to(x.dtype), t)

    def _guide(self, window: Window) -> WatchedGuidance:
        """Return what was observed of each segment."""
        missing = torch.zeros_like(window.target, dtype=torch.bool) if window.missing is None else window.missing
        values = at_least_single(_series(with_horizon(window.target, self.sizes)))
        return WatchedGuidance(values, _series(with_horizon(~missing, self.sizes)), self.guidance_scale)

    def _draw(self, window: Window, noise: Noise) -> Float[Tensor, "BC T"]:
        length = self.sizes.input_length + self.sizes.output_length
        return at_least_single(_series(noise(length, window.target.shape[-1])))


def _schedule(n_steps: int) -> Schedule:
    """Return as much noise over any number of steps: that of 1,000 of variances from 1e-4 to 0.02."""
    return Schedule(n_steps, first=0.1 / n_steps, last=min(20 / n_steps, 0.9))


def _series(x: Tensor) -> Tensor:
    """Lay windows ``(B, T, C)`` out as series of their own, ``(B C, T)``."""
    return rearrange(x, "B T C -> (B C) T")
