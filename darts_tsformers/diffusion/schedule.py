"""How much noise a series has at each step of a diffusion."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from darts_tsformers.checks import require_at_least


class Schedule:
    r"""Noise that is added to a series over ``T`` steps, until next to nothing is left of it.

    .. math:: x_t = \sqrt{\bar\alpha_t}\, x + \sqrt{1 - \bar\alpha_t}\, \epsilon, \qquad
        \bar\alpha_t = \prod_{s \le t} (1 - \beta_s)

    Steps are counted from 0, at which there is some noise already.

    Parameters
    ----------
    n_steps
        Steps ``T``.
    first, last
        Variances ``beta`` of the noise of the first and the last step; those between lie on a line.

    Attributes
    ----------
    betas, kept
        ``beta`` and ``alpha-bar`` of each step, ``(T,)``, in float64 on the processor.

    Raises
    ------
    ValueError
        If ``n_steps`` is below 1, or the variances are not in increasing order in (0, 1).

    Notes
    -----
    Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models", NeurIPS 2020.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.diffusion import Schedule
    >>> schedule = Schedule(n_steps=100)
    >>> x, noise = torch.ones(2, 5), torch.zeros(2, 5)  # (B, ...)
    >>> schedule.noised(x, noise, torch.tensor([0, 99]))[:, 0]
    tensor([0.9999, 0.0750])
    """

    def __init__(self, n_steps: int, *, first: float = 1e-4, last: float = 0.1) -> None:
        require_at_least(1, n_steps=n_steps)
        if not 0 < first <= last < 1:
            raise ValueError(f"first={first!r} and last={last!r} must be in (0, 1) and in this order")
        self.betas = torch.linspace(first, last, n_steps, dtype=torch.float64, device="cpu")
        self.kept = (1 - self.betas).cumprod(dim=0)

    def __len__(self) -> int:
        return len(self.betas)

    def kept_before(self, t: int | None) -> float:
        """Return ``alpha-bar`` of a step, and 1 for None: of the series itself."""
        return 1.0 if t is None else float(self.kept[t])

    def posterior_variance(self, t: int) -> float:
        """Return the variance that step ``t - 1`` still has when step ``t`` and the series are known; 0 for step 0."""
        before = self.kept_before(t - 1 if t else None)
        return (1 - before) / (1 - float(self.kept[t])) * float(self.betas[t])

    def noised(
        self, x: Float[Tensor, "B *S"], noise: Float[Tensor, "B *S"], t: Int[Tensor, " B"]
    ) -> Float[Tensor, "B *S"]:
        """Return each series at a step of its own."""
        signal, spread = self._shares(x, t)
        return signal * x + spread * noise

    def noise_in(
        self, x: Float[Tensor, "B *S"], velocity: Float[Tensor, "B *S"], t: Int[Tensor, " B"]
    ) -> Float[Tensor, "B *S"]:
        r"""Return the noise in each series by its velocity.

        .. math:: v = \sqrt{\bar\alpha_t}\, \epsilon - \sqrt{1 - \bar\alpha_t}\, x, \qquad
            \epsilon = \sqrt{1 - \bar\alpha_t}\, x_t + \sqrt{\bar\alpha_t}\, v

        Salimans and Ho, "Progressive Distillation for Fast Sampling of Diffusion Models", ICLR 2022.
        """
        signal, spread = self._shares(x, t)
        return spread * x + signal * velocity

    def clean(self, x: Float[Tensor, "*S"], guess: Float[Tensor, "*S"], t: int) -> Float[Tensor, "*S"]:
        """Return the series without the noise that it is guessed to have at a step."""
        kept = float(self.kept[t])
        clean: Tensor = (x - (1 - kept) ** 0.5 * guess) / kept**0.5
        return clean

    def noised_from(
        self, before: int | None, x: Float[Tensor, "*S"], noise: Float[Tensor, "*S"], t: int
    ) -> Float[Tensor, "*S"]:
        """Return series that were at a step ``before``, None for without noise, at a later step ``t``."""
        share = float(self.kept[t]) / self.kept_before(before)
        later: Tensor = share**0.5 * x + (1 - share) ** 0.5 * noise
        return later

    def _shares(
        self, x: Float[Tensor, "B *S"], t: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B *#S"], Float[Tensor, "B *#S"]]:
        """Return the factors of series and noise at a step of each."""
        kept = self.kept[t.cpu()].view(-1, *[1] * (x.ndim - 1)).to(x.device)
        return kept.sqrt().to(x.dtype), (1 - kept).sqrt().to(x.dtype)
