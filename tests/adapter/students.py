"""Networks that learn from more than the horizon."""

import torch
from torch import nn

from darts_tsformers.models import TSFormerModel
from darts_tsformers.networks import Lesson, Network, Training
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS


class Student(Network, name="student"):
    """Linear maps of the look-back: to the horizon, to steps of the whole window in disorder, and to each next step.

    Parameters
    ----------
    sizes
        Sizes of the problem.
    share
        Weight of the steps in disorder.
    forecasts
        Whether it forecasts the horizon in training.
    """

    width_tie = None

    def __init__(self, sizes: Sizes, *, share: float = 0.5, forecasts: bool = True) -> None:
        super().__init__(sizes)
        self.share, self.forecasts = share, forecasts
        last = sizes.input_length + sizes.output_length - 1
        self.register_buffer("disorder", torch.tensor([3, last, 0, 3, sizes.input_length, 1, last - 1]))
        self.register_buffer("following", torch.arange(1, sizes.input_length + 1))
        self.to_horizon = nn.Linear(sizes.input_length, sizes.output_length * sizes.n_parameters)
        self.to_disorder = nn.Linear(sizes.input_length, len(self.disorder) * sizes.n_parameters)
        self.to_next = nn.Linear(1, sizes.n_parameters)

    def forward(self, window: Window) -> torch.Tensor:
        return self.mapped(self.to_horizon, window)

    def mapped(self, linear: nn.Linear, window: Window) -> torch.Tensor:
        return linear(window.target.mT).unflatten(-1, (-1, self.sizes.n_parameters)).transpose(1, 2)

    def learn(self, window: Window) -> Training:
        lessons = [
            Lesson("disorder", self.mapped(self.to_disorder, window), self.disorder, self.share),
            Lesson("next", self.to_next(window.target[..., None]), self.following),
        ]
        return Training(self(window) if self.forecasts else None, lessons, {"size": self.size()})

    def size(self) -> torch.Tensor:
        return sum(0.1 * parameter.square().sum() for parameter in self.to_horizon.parameters())


class Schooled(Student, name="schooled"):
    __doc__ = Student.__doc__
    reads = ALL_KINDS
    validates_by_lessons = True

    def __init__(self, sizes: Sizes, *, share: float = 0.5, forecasts: bool = True) -> None:
        super().__init__(sizes, share=share, forecasts=forecasts)
        n = {"past": sizes.n_past, "historic_future": sizes.n_future, "future": sizes.n_future}
        widths = n | {"static": sizes.n_static}
        self.known = nn.ModuleDict({name: nn.Linear(width, 1) for name, width in widths.items() if width})

    def mapped(self, linear: nn.Linear, window: Window) -> torch.Tensor:
        more = [of_kind(getattr(window, kind)).mean(dim=(1, 2)) for kind, of_kind in self.known.items()]
        return super().mapped(linear, window) + sum(more, torch.zeros(1))[:, None, None, None]


class StudentModel(TSFormerModel):
    """A student."""

    network_class = Student

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        share: float = 0.5,
        forecasts: bool = True,
        use_instance_norm: bool = True,
        instance_norm_affine: bool = False,
        train_variates: int | None = None,
        min_input_chunk_length: int | None = None,
        use_static_covariates: bool = True,
        **kwargs,
    ) -> None:
        super().__init__()


class SchooledModel(StudentModel):
    """A student that has no measure but its lessons."""

    network_class = Schooled
