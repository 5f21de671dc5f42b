"""Objectives to learn by before forecasting: what is hidden, what is guessed. Pure PyTorch.

An objective is a class of one file here, known by its name from its definition on, as a network is::

    class Smoothed(Objective, name="smoothed"):
        def __init__(self, network, *, width=5): ...  # settings: plain data, by keyword, with defaults
        def forward(self, network, window) -> Training: ...  # of lessons, or of penalties for a loss of its own

Its file is imported below, which is all that ``pretrain(model, series, objective="smoothed", width=7)`` needs to find
it and its settings. What it has weights for, such as a head, is a part of it: it is trained with the encoder, saved
with it, and left behind when the model learns to forecast.
"""

from darts_tsformers.pretraining.contrastive import Contrastive
from darts_tsformers.pretraining.following import Following
from darts_tsformers.pretraining.masked import Masked
from darts_tsformers.pretraining.objective import OBJECTIVES, Objective

__all__ = ["OBJECTIVES", "Contrastive", "Following", "Masked", "Objective"]
