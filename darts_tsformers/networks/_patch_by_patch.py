"""What networks share that forecast the next patch from each patch, and read on what they forecast."""

from abc import abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from darts_tsformers.networks._lessons import Lesson, Training
from darts_tsformers.networks._network import Feed
from darts_tsformers.recording.layout import Layout, TimeAxis
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import CovariateHead
from darts_tsformers.window.instance_norm import InstanceNorm, Statistics


@dataclass(frozen=True)
class Patched:
    """Whole patches of a window, and where the history of each sample begins in them; None if with the first step.

    Attributes
    ----------
    values
        Of the patches.
    start
        Step at which each history begins.
    covariates
        Future covariates from the first of these steps on, as far as any pass may look; zero where they are not known.
        None if the network reads them elsewhere, or there are none.
    """

    values: Float[Tensor, "B T C"]
    start: Int[Tensor, " B"] | None
    covariates: Float[Tensor, "B M F"] | None = None

    def there(self) -> Bool[Tensor, "B T C"] | None:
        """Say which values are no padding; None if all."""
        if self.start is None:
            return None
        steps = torch.arange(self.values.shape[1], device=self.values.device)
        return (steps >= self.start[:, None])[..., None].expand_as(self.values)

    def followed_by(self, patch: Float[Tensor, "B p C"]) -> "Patched":
        """Return as many patches, the newest of them ``patch``."""
        n = patch.shape[1]
        start = None if self.start is None else (self.start - n).clamp_min(0)
        covariates = None if self.covariates is None else F.pad(self.covariates[:, n:], (0, 0, 0, n))
        return Patched(torch.cat([self.values[:, n:], patch], dim=1), start, covariates)


class PatchByPatch(nn.Module):
    """The part of a network that looks after patches: it cuts, normalises, forecasts, reads on and learns from each.

    The look-back is cut into patches from its end; the first one may lack steps, and is level there. Each pass sees
    its patches at their own level and spread, and forecasts from each patch the next one. A horizon is put together of
    patches: what was forecast is read on as the newest patch, and the oldest one is forgotten.

    It learns from every patch. Beyond the first patch of the horizon it learns the newest one of each pass, from what
    was really there.
    """

    sizes: Sizes

    def _build_passes(self, patch_length: int, kinds: Collection[str]) -> None:
        """Build what all such networks have; covariates of some kinds add to the horizon before it is read on."""
        self.patch_length = patch_length
        self.norm = InstanceNorm(epsilon=1e-5)
        covariates = CovariateHead(self.sizes, kinds)
        self.covariates = covariates if covariates.is_used else None

    @abstractmethod
    def _raw_ahead(self, values: Float[Tensor, "B T C"], patches: Patched, n_read: int) -> Float[Tensor, "S B T C Q"]:
        """Forecast from each patch the next one, at level 0 and spread 1; ``S`` sums of parts, the last of all."""

    @property
    def feeds_on_itself(self) -> bool:
        """Always: each patch of the horizon is forecast from the one before."""
        return True

    @property
    def n_passes(self) -> int:
        """How many patches reach over the horizon, the steps of an output shift included."""
        return -(-(self.sizes.output_shift + self.sizes.output_length) // self.patch_length)

    def _layout(self) -> Layout:
        """Return what the tokens stand for: the patches that are read, of the look-back and of the horizon."""
        p, length = self.patch_length, self.sizes.input_length
        last = range(p - length - self._n_lacking, p * self.n_passes, p)
        axis = TimeAxis(tuple(max(end - p, -length) + 1 for end in last), tuple(last))
        return Layout((axis, axis), per_component=True)

    def _rolled_out(self, window: Window, feed: Feed) -> Float[Tensor, "S B H C Q"]:
        """Forecast the horizon, patch after patch."""
        shift, p = self.sizes.output_shift, self.patch_length
        added = F.pad(self._added(window), (0, 0, 0, 0, shift, 0))
        patches = self._patched(window)
        parts: list[Tensor] = []
        for i in range(self.n_passes):
            more = added[:, i * p : (i + 1) * p]
            parts.append(self.ahead(patches, i)[:, :, -p:][:, :, : more.shape[1]] + more)
            fed = feed(parts[-1][-1])
            if i + 1 < self.n_passes:
                patches = patches.followed_by(fed.to(patches.values.dtype))
        return torch.cat(parts, dim=2)[:, :, shift:]

    def learn(self, window: Window) -> Training:
        """Forecast the next patch from each patch of the look-back, and from the newest one of all further passes."""
        assert window.future_target is not None
        p, n = self.patch_length, self.n_passes
        gap = window.target[:, -1:].expand(-1, self.sizes.output_shift, -1)
        followed = torch.cat([gap, window.future_target], dim=1)
        passes = [self._patched(window)]
        for i in range(n - 1):
            passes.append(passes[-1].followed_by(followed[:, i * p : (i + 1) * p]))
        first, *others = self.ahead(_side_by_side(passes))[-1].chunk(n)
        forecast = torch.cat([first, *(one[:, -p:] for one in others)], dim=1)
        at, step = self._reach(first.shape[1], forecast.shape[1], forecast.device)
        added = F.pad(self._added(window), (0, 0, 0, 0, self.sizes.input_length, 0))
        return Training(None, [Lesson("patches", forecast[:, at] + added[:, step], self._known(window, at, step))])

    def ahead(self, patches: Patched, n_read: int = 0) -> Float[Tensor, "S B T C Q"]:
        """Return what no part of the network, the first one, the first two, ... forecast from each patch of the next.

        Parameters
        ----------
        patches
            What to read.
        n_read
            How many patches of the horizon are among them; with any, attention is recorded of the newest alone.
        """
        there = patches.there()
        values, statistics = self.norm(patches.values, None if there is None else ~there)
        if there is not None:
            values = values.masked_fill(~there, 0)
        return self._restored(self._raw_ahead(values, patches, n_read), statistics)

    def _restored(self, raw: Float[Tensor, "S B T C Q"], statistics: Statistics) -> Float[Tensor, "S B T C Q"]:
        """Bring what is a level back to the units of the window."""
        n = self.sizes.n_levels
        levels = raw[..., :n] * statistics.spread.unsqueeze(-1) + statistics.level.unsqueeze(-1)
        return torch.cat([levels, raw[..., n:].to(levels.dtype)], dim=-1)

    @property
    def _n_lacking(self) -> int:
        """Steps that the first patch of a look-back lacks."""
        return -self.sizes.input_length % self.patch_length

    def _patched(self, window: Window) -> Patched:
        """Return the patches of a look-back."""
        lacking = self._n_lacking
        values = F.pad(window.target, (0, 0, lacking, 0))
        covariates = self._covariates_of_patches(window)
        if window.start is not None:
            return Patched(values, window.start + lacking, covariates)
        start = torch.full((len(values),), lacking, device=values.device) if lacking else None
        return Patched(values, start, covariates)

    def _covariates_of_patches(self, window: Window) -> Float[Tensor, "B M F"] | None:  # noqa: ARG002
        """Return future covariates for :class:`Patched`; None unless patches are read with them."""
        return None

    def _reach(self, n_first: int, n: int, device: torch.device) -> tuple[Int[Tensor, " M"], Int[Tensor, " M"]]:
        """Return which of ``n`` forecasts are of a step that is known, and which step of look-back and horizon it is.

        The first ``n_first`` begin at the second patch of the look-back; all follow one another.
        """
        length, shift = self.sizes.input_length, self.sizes.output_shift
        of = torch.arange(n, device=device) + length - n_first + self.patch_length
        known = (of < length) | (of >= length + shift) & (of < length + shift + self.sizes.output_length)
        at, of = known.nonzero().squeeze(1), of[known]
        return at, torch.where(of < length, of, of - shift)

    def _known(
        self, window: Window, at: Int[Tensor, " M"], step: Int[Tensor, " M"]
    ) -> Int[Tensor, " M"] | Int[Tensor, "B M C"]:
        """Return of which steps the forecasts are; the first one, which is not known, for those made from padding."""
        if window.start is None:
            return step
        patch = (window.start + self._n_lacking) // self.patch_length
        is_padding = (at // self.patch_length < patch[:, None])[..., None]
        return torch.where(is_padding, 0, step[:, None]).expand(-1, -1, window.target.shape[-1])

    def _added(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Return what covariates add to the horizon."""
        if self.covariates is not None:
            out: Tensor = self.covariates(window)
            return out
        target = window.target
        return target.new_zeros(target.shape[0], self.sizes.output_length, target.shape[-1], self.sizes.n_parameters)


def _side_by_side(passes: Sequence[Patched]) -> Patched:
    """Make one batch of several passes."""
    starts = [one.start for one in passes if one.start is not None]
    covariates = [one.covariates for one in passes if one.covariates is not None]
    return Patched(
        torch.cat([one.values for one in passes]),
        torch.cat(starts) if starts else None,
        torch.cat(covariates) if covariates else None,
    )
