"""What a network learns from: its forecast of the horizon, and what else it says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

OF_THE_HORIZON = "horizon"
TOTAL = "loss"


@dataclass(frozen=True)
class Lesson:
    """A further forecast to learn from, of any steps of the window, seen or to come.

    It is compared with the series there, in the units of the data: by the loss or the likelihood that the user chose,
    where the series was observed. The steps to forecast have the sample weights of the user; a step of the look-back
    has the mean of them, over the horizon of its window and component, so that a window of weight zero teaches nothing.

    Attributes
    ----------
    name
        What it is logged by.
    forecast
        In normalised units, as that of the horizon.
    steps
        Of which step each is: ``0 .. L - 1`` are those of the look-back, ``L .. L + H - 1`` those of the horizon, also
        where the two are apart. In any order, any number of times; the same for all, or for each window and component.
    weight
        Its share of the loss; that of the horizon is 1.
    counts
        Which of them count; None for all.
    unit
        What its errors are measured by, in the units of the data; None for what those of the horizon are.
    span
        Each forecast is of the mean over so many steps, from its own on; there are none after the horizon. It counts if
        all of them were observed, and weighs what the least of them does.

    Notes
    -----
    A network that learns what noise was added to a series can put its guess in the units of the series: ``series +
    guess - noise`` has the errors of the guess, and gaps and weights are as they should be.

    Examples
    --------
    The value of each step as the forecast of the next, the first step of the horizon included:

    >>> import torch
    >>> from darts_tsformers.networks import Lesson
    >>> past, future = torch.tensor([[[1.0], [2.0], [4.0]]]), torch.tensor([[[8.0], [16.0]]])
    >>> lesson = Lesson("next", forecast=past[..., None], steps=torch.tensor([1, 2, 3]))
    >>> lesson.of(torch.cat([past, future], dim=1)).flatten()
    tensor([2., 4., 8.])

    The means of two and two steps, the last of which stands alone:

    >>> lesson = Lesson("means", forecast=torch.zeros(1, 3, 1, 1), steps=torch.tensor([0, 2, 4]), span=2)
    >>> lesson.of(torch.cat([past, future], dim=1)).flatten()
    tensor([ 1.5000,  6.0000, 16.0000])
    """

    name: str
    forecast: Float[Tensor, "B T C Q"]
    steps: Int[Tensor, " T"] | Int[Tensor, "B T C"]
    weight: float = 1.0
    counts: Bool[Tensor, "#B #T C"] | None = None
    unit: Float[Tensor, "B 1 C"] | None = None
    span: int = 1

    def of(self, timeline: Float[Tensor, "B N C"]) -> Float[Tensor, "B T C"]:
        """Return what is at its steps of a timeline, ``N = L + H``; of spans the means."""
        values, inside = self._spans(timeline)
        return values.where(inside, 0).sum(dim=1) / inside.sum(dim=1)

    def weight_of(self, timeline: Float[Tensor, "B N C"]) -> Float[Tensor, "B T C"]:
        """Return the weights of its steps; of spans the least."""
        values, inside = self._spans(timeline)
        return values.where(inside, torch.inf).amin(dim=1)

    def _spans(self, timeline: Float[Tensor, "B N C"]) -> tuple[Float[Tensor, "B s T C"], Bool[Tensor, "B s T C"]]:
        """Return what is at each step of its spans, and which of these steps there are."""
        first = self.steps if self.steps.ndim == 3 else self.steps[:, None]
        first = first.expand(self.forecast.shape[:-1]).unsqueeze(1)
        steps = first + torch.arange(self.span, device=first.device)[:, None, None]
        last = timeline.shape[1] - 1
        values = timeline.gather(1, steps.clamp_max(last).flatten(1, 2)).view(steps.shape)
        return values, steps <= last


@dataclass(frozen=True)
class Score:
    """What forecasts of a kind that no loss knows cost, step by step, by a measure of the network's own.

    It counts where the series was observed, with the sample weights that a :class:`Lesson` has.

    Attributes
    ----------
    name
        What it is logged by.
    cost
        Of each step of look-back and horizon, ``N = L + H``; finite also where it does not count.
    counts
        Where it counts, if the series was observed there.
    weight
        Its share of the loss.

    Examples
    --------
    A likelihood with a deviation of its own:

    >>> import torch
    >>> from darts_tsformers.networks import Score
    >>> series, guess = torch.tensor([[[1.0], [2.0]]]), torch.zeros(1, 2, 1)
    >>> cost = -torch.distributions.Normal(guess, 2.0).log_prob(series)
    >>> Score("likelihood", cost, counts=torch.tensor([[[False], [True]]])).cost.flatten()
    tensor([1.7371, 2.1121])
    """

    name: str
    cost: Float[Tensor, "B N C"]
    counts: Bool[Tensor, "B N C"]
    weight: float = 1.0


@dataclass(frozen=True)
class Training:
    """What a network says in training. The loss is the sum of all parts.

    Attributes
    ----------
    forecast
        Of the horizon, in normalised units; None if it has none in training. Then it has to read all kinds of
        covariates: the shared head adds to this forecast, and would learn nothing.
    lessons
        Further forecasts, with what they are of.
    penalties
        Scalars that are to become small, by name, weighted already; sample weights do not touch them.
    scores
        What else is to become small, step by step; sample weights and gaps are taken into account.

    Raises
    ------
    ValueError
        If there is nothing to learn from, or two parts have one name; the horizon has one as well.

    Examples
    --------
    A network that learns to forecast from each step of the look-back too, at half the weight:

    >>> import torch
    >>> from darts_tsformers.networks import Lesson, Network, Training
    >>> from darts_tsformers.window import Sizes, Window
    >>> class Walk(Network, name="walk"):
    ...     def forward(self, window):
    ...         return window.target[:, -1:, :, None].expand(-1, self.sizes.output_length, -1, 1)
    ...
    ...     def learn(self, window):
    ...         steps = torch.arange(1, self.sizes.input_length)
    ...         return Training(self(window), [Lesson("next", window.target[:, :-1, :, None], steps, weight=0.5)])
    >>> training = Walk(Sizes(input_length=5, output_length=2)).learn(Window(target=torch.zeros(3, 5, 1)))
    >>> [(lesson.name, tuple(lesson.forecast.shape)) for lesson in training.lessons]
    [('next', (3, 4, 1, 1))]
    """

    forecast: Float[Tensor, "B H C Q"] | None = None
    lessons: Sequence[Lesson] = ()
    penalties: Mapping[str, Float[Tensor, ""]] = field(default_factory=dict)
    scores: Sequence[Score] = ()

    def __post_init__(self) -> None:
        own = [lesson.name for lesson in self.lessons] + [score.name for score in self.scores]
        names = [TOTAL, OF_THE_HORIZON, *own, *self.penalties]
        if len(set(names)) < len(names):
            raise ValueError(
                f"names={names[2:]} of lessons, scores and penalties must differ, and none be one of {names[:2]}"
            )
        if self.forecast is None and len(names) == 2:
            raise ValueError("forecast=None needs lessons, scores or penalties: there is nothing to learn from")

    def measured_by(self, unit: Float[Tensor, "B 1 C"] | None) -> "Training":
        """Measure the errors of all lessons by a unit; None for what those of the horizon are."""
        return replace(self, lessons=[replace(lesson, unit=unit) for lesson in self.lessons])

    def map(self, change: Callable[[Tensor], Tensor]) -> "Training":
        """Change each forecast, that of the horizon and those of the lessons."""
        return Training(
            None if self.forecast is None else change(self.forecast),
            [replace(lesson, forecast=change(lesson.forecast)) for lesson in self.lessons],
            self.penalties,
            self.scores,
        )
