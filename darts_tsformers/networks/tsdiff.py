"""TSDiff: a diffusion of whole windows, drawn to what was observed while it is sampled."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from darts_tsformers.checks import require_at_least, require_flag, require_one_of, require_probability
from darts_tsformers.diffusion import Schedule, ddim, ddpm, distance, quantile_levels, refined
from darts_tsformers.layers.recurrent.s4_denoiser import S4Denoiser
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

GUIDANCES = ("quantile", "squared")


class TSDiff(Network, name="tsdiff"):
    r"""Learn to take noise off windows, look-back and horizon in one; draw new ones that agree with what was observed.

    .. math:: x_t = \sqrt{\bar\alpha_t}\, x + \sqrt{1 - \bar\alpha_t}\, \epsilon, \qquad
        \min_\theta \lVert \epsilon - \epsilon_\theta(x_t, t) \rVert^2

    The network learns without being told what is to be forecast. While it samples, an energy pulls the look-back of
    each path to its own quantile of what was observed (see :class:`~darts_tsformers.diffusion.Guidance`), and the
    horizon follows. What was not observed does not pull. With ``conditional=True`` the look-back is given to the
    network instead, which learns the noise of the rest alone, and nothing guides. Components are series of their own,
    with the same weights.

    A step holds the value, and those at some ``lags`` before it, which are noised and drawn together with it. The
    context is then the look-back without its first ``max(lags)`` steps.

    Covariates, which the paper has no place for: past, historic future, future and static ones of a step add to each
    block through a linear map that starts at zero; past ones are zero over the horizon. They are known, not drawn, in
    either form.

    Cost: O(P C s D (T log T + D T)) for P paths of s sampling steps over T = L + H steps of width D.

    Parameters
    ----------
    d_model
        Width of a step (``D``).
    d_state
        Numbers of the state of each feature, an even number.
    n_layers
        Blocks.
    d_step
        Width of the embedding of the diffusion's steps, an even number. None for twice ``d_model``.
    n_diffusion_steps
        Steps over which noise comes in.
    conditional
        Whether the look-back is an input, and not a guide.
    lags
        How many steps before it the values are that a step holds as well; below the look-back.
    skips
        Whether the noised values add to the guess of the noise.
    sampler
        ``"ddim"``, or ``"ddpm"`` over all steps.
    n_sampling_steps
        Steps that ``"ddim"`` takes of them, about; at most all.
    spacing
        Of these: ``"uniform"``, or ``"quadratic"``, closer where there is little noise.
    eta
        New noise in each of them, from 0 for none to 1 for that of ``"ddpm"``.
    guidance
        Distance of the energy: ``"quantile"``, or ``"squared"``.
    guidance_scale
        How strongly it pulls. The fewer steps are taken, the weaker it has to be: about 1 for 10 steps, 4 for
        ``"ddpm"``.
    n_paths
        Paths whose median is the point forecast.
    dropout
        In the state-space layers.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Kollovieh et al., "Predict, Refine, Synthesize: Self-Guiding Diffusion Models for Probabilistic Time Series
    Forecasting", NeurIPS 2023.

    Deviations: by default windows are normalised by mean and deviation, where theirs are divided by the mean of their
    absolute values (``use_instance_norm="magnitude"``), and sampled in 10 steps with new noise in each and a guidance
    of 1, where theirs take all 100 of DDPM and a guidance of 1 to 8. The error counts in the units of the data. A copy
    of a value by a lag guides if the value was observed, where theirs takes all of a lag's channel for observed. Where
    ``output_chunk_shift`` lies between value and lag, what would fall into it is the last value seen.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.networks import Noise, TSDiff
    >>> from darts_tsformers.window import Sizes, Window
    >>> sizes = Sizes(input_length=24, output_length=6)
    >>> network = TSDiff(sizes, d_model=8, d_state=4, n_layers=1, n_sampling_steps=2, n_paths=3).eval()
    >>> window = Window(torch.randn(2, 24, 3))  # (B, L, C): any number of components
    >>> network(window).shape
    torch.Size([2, 6, 3, 1])
    >>> network.sample(window, Noise(range(1), n_paths=1, seed=0, windows=window.target)).shape
    torch.Size([2, 6, 3])
    """

    sources: Tensor
    reads = ALL_KINDS
    validates_by_lessons = True
    draws_paths = True
    width_tie = None
    needs_future_target = True

    def __init__(
        self,
        sizes: Sizes,
        *,
        d_model: int = 32,
        d_state: int = 64,
        n_layers: int = 2,
        d_step: int | None = None,
        n_diffusion_steps: int = 100,
        conditional: bool = False,
        lags: Sequence[int] | None = None,
        skips: bool = False,
        sampler: str = "ddim",
        n_sampling_steps: int = 10,
        spacing: str = "uniform",
        eta: float | int = 1.0,
        guidance: str = "quantile",
        guidance_scale: float | int = 1.0,
        n_paths: int = 100,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(sizes)
        lags = tuple(lags or ())
        sampling = Sampling(n_diffusion_steps, sampler, n_sampling_steps, spacing, eta)
        require_at_least(1, d_model=d_model, n_paths=n_paths)
        require_probability(dropout=dropout)
        require_flag(conditional=conditional, skips=skips)
        require_one_of(GUIDANCES, guidance=guidance)
        if not guidance_scale >= 0:
            raise ValueError(f"guidance_scale={guidance_scale!r} must be at least 0")
        if lags and not 0 < min(lags) <= max(lags) < sizes.input_length:
            raise ValueError(f"lags={list(lags)} must be from 1 to {sizes.input_length - 1}, below the look-back")
        self.conditional, self.sampler, self.eta = conditional, sampler, float(eta)
        self.guidance, self.guidance_scale, self.n_paths = guidance, float(guidance_scale), n_paths
        self.schedule = Schedule(n_diffusion_steps)
        self.steps = sampling.steps()
        sources = _sources(sizes, lags)
        self.register_buffer("sources", sources, persistent=False)
        n_channels = sources.shape[1]
        self.denoiser = S4Denoiser(
            3 * n_channels if conditional else n_channels,
            n_channels,
            len(sources),
            d_model=d_model,
            d_step=2 * d_model if d_step is None else d_step,
            d_state=d_state,
            n_layers=n_layers,
            n_features=sizes.n_past + sizes.n_future + sizes.n_static,
            skips=skips,
            dropout=dropout,
        )

    def learn(self, window: Window) -> Training:
        """Guess the noise of the whole window; of what is to be forecast alone, if the look-back is known."""
        assert window.future_target is not None
        x = self._channels(torch.cat([window.target, window.future_target], dim=1))
        noise, t = drawn_noise(x, self.schedule, anew=self.training)
        guess = self._denoise(window)(self.schedule.noised(x, noise, t), t)
        learnt = self.sources >= self.sizes.input_length if self.conditional else self.sources >= 0
        forecast = rearrange((x + guess - noise)[:, learnt], "(B C) T -> B T C 1", B=len(window.target))
        return Training(None, [Lesson("noise", forecast, self.sources[learnt])])

    def forward(self, window: Window) -> Float[Tensor, "B H C 1"]:
        """Forecast by the median of paths that are the same each time."""
        return median_forecast(self._sample, window, self.n_paths, self.denoiser)

    def sample(self, window: Window, noise: Noise) -> Float[Tensor, "B H C"]:
        """Draw one path for each window."""
        return self._sample(window, noise)

    def _sample(self, window: Window, noise: Noise, watch: Watch | None = None) -> Float[Tensor, "B H C"]:
        with differentiable(window) as window, torch.no_grad():
            guide = None if self.conditional else self._guide(window, noise)
            draw, denoise = partial(self._draw, window, noise), self._denoise(window)
            if self.sampler == "ddpm":
                x = ddpm(denoise, draw(), self.schedule, draw, guide)
            else:
                x = ddim(denoise, draw(), self.schedule, self.steps, draw, guide, eta=self.eta)
            if watch is not None and guide is not None:
                watch(self._by_step(guide.pull(), window))
            return self._horizon(x, window)

    def refine(
        self,
        window: Window,
        base: Float[Tensor, "B H C"],
        noise: Noise,
        *,
        step: int,
        n_iterations: int,
        rate: float,
        noise_scale: float,
    ) -> Float[Tensor, "B H C"]:
        """Make look-back and forecast more like what the network knows, one path for each window.

        It stays near where it began: by quantiles with the whole of it, by squares with what was observed. See
        :func:`~darts_tsformers.diffusion.refined`.
        """
        with differentiable(replace(window, future_target=base)) as window, torch.no_grad():
            assert window.future_target is not None
            x = at_least_single(self._channels(torch.cat([window.target, window.future_target], dim=1)))
            guide = self._guide(window, noise)
            tied = guide.observed if guide.levels is None else torch.ones_like(guide.observed)

            def tie(y: Tensor) -> Tensor:
                return torch.where(tied, distance(y, x, guide.levels), 0).sum()

            y = refined(
                self._denoise(window),
                x,
                self.schedule,
                partial(self._draw, window, noise),
                tie,
                t=step,
                n_iterations=n_iterations,
                rate=rate,
                noise_scale=noise_scale,
            )
            return self._horizon(y, window)

    def _denoise(self, window: Window) -> Callable[[Tensor, int | Tensor], Tensor]:
        """Return what guesses the noise of windows like this one, at one step or at one of each."""
        features = covariates_of_components(window, self.sizes)
        known = self.denoiser.known(None if features is None else features[:, -len(self.sources) :])
        held = self._observed(window) if self.conditional else None
        values = self._channels(with_horizon(window.target, self.sizes))

        def guess(x: Tensor, t: int | Tensor) -> Tensor:
            seen = x.to(window.target.dtype)
            if held is not None:
                seen = torch.cat([seen * ~held, values * held, held.to(seen.dtype)], dim=-1)
            steps = torch.full(x.shape[:1], t, device=x.device) if isinstance(t, int) else t
            return self.denoiser(seen, steps, known).to(x.dtype)

        return guess

    def _guide(self, window: Window, noise: Noise) -> WatchedGuidance:
        """Return what pulls the paths to what was observed of the look-back."""
        values = at_least_single(self._channels(with_horizon(window.target, self.sizes)))
        levels = None
        if self.guidance == "quantile":
            of_rows = quantile_levels(noise.of_rows, noise.n_paths).to(values.dtype)
            levels = of_rows.repeat_interleave(window.target.shape[-1])[:, None, None]
        return WatchedGuidance(values, self._observed(window), self.guidance_scale, levels)

    def _observed(self, window: Window) -> Bool[Tensor, "BC T c"]:
        """Return what of the channels was observed."""
        missing = torch.zeros_like(window.target, dtype=torch.bool) if window.missing is None else window.missing
        return self._channels(with_horizon(~missing, self.sizes))

    def _channels(self, whole: Tensor) -> Tensor:
        """Lay look-back and horizon ``(B, L + H, C)`` out by steps with their lags, ``(B C, T, c)``."""
        return rearrange(whole[:, self.sources], "B T c C -> (B C) T c")

    def _draw(self, window: Window, noise: Noise) -> Float[Tensor, "BC T c"]:
        steps, channels = self.sources.shape
        drawn = rearrange(noise(steps, window.target.shape[-1], channels), "B T C c -> (B C) T c")
        return at_least_single(drawn)

    def _horizon(self, x: Float[Tensor, "BC T c"], window: Window) -> Float[Tensor, "B H C"]:
        return horizon_of(x[..., 0], window, self.sizes)

    def _by_step(self, pull: Float[Tensor, "BC T c"], window: Window) -> Float[Tensor, "B L C"]:
        """Add up what came over a step of the look-back and over its copies."""
        total = pull.new_zeros(len(pull), self.sizes.input_length + self.sizes.output_length)
        total.index_add_(1, self.sources.flatten(), pull.flatten(1))
        return rearrange(total[:, : self.sizes.input_length], "(B C) L -> B L C", B=len(window.target))


def _sources(sizes: Sizes, lags: Sequence[int]) -> Int[Tensor, "T c"]:
    """Return which row of look-back and horizon, one after the other, each channel of each step is."""
    length, shift = sizes.input_length, sizes.output_shift
    rows = torch.arange(max(lags, default=0), length + sizes.output_length, device="cpu")
    times = rows + shift * (rows >= length)
    sources = times[:, None] - torch.tensor([0, *lags], device="cpu")
    return torch.where(sources >= length + shift, sources - shift, sources.clamp_max(length - 1))
