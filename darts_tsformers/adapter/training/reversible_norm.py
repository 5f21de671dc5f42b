"""Darts' reversible instance normalisation, for windows with gaps."""

import torch
from darts.models.components.layer_norm_variants import RINorm


class ObservedRINorm(RINorm):
    """Normalises by what was observed; a gap stays one. Without gaps it is Darts' own, bit for bit.

    So it adds Darts' absolute ``eps`` of 1e-5 to the variance, as
    :class:`~darts_tsformers.window.instance_norm.InstanceNorm` does not: in small units of the data forecasts turn to
    the mean.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the window, ``(B, L, C)``, at a level of 0 and a spread of 1."""
        missing = x.isnan()
        if not torch.compiler.is_exporting() and not missing.any():
            return super().forward(x)
        n_observed = (~missing).sum(dim=1, keepdim=True).clamp_min(1)
        self.mean = (x.nansum(dim=1, keepdim=True) / n_observed).detach()
        variance = (x - self.mean).square().nansum(dim=1, keepdim=True) / n_observed
        self.stdev = (variance + self.eps).sqrt().detach()
        return self.transform(x)

    def transform(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise by the statistics at hand; the gradient does not pass through a gap."""
        missing = x.isnan()
        if not torch.compiler.is_exporting() and not missing.any():
            return super().transform(x)
        return torch.where(missing, x, super().transform(torch.where(missing, self.mean, x)))
