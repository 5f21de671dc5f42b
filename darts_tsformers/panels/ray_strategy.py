"""Lightning among the workers of Ray, which start the processes and connect them."""

import os
from typing import Any

import torch
from pytorch_lightning.plugins.environments import TorchElasticEnvironment
from pytorch_lightning.strategies import DDPStrategy


class RayEnvironment(TorchElasticEnvironment):
    """The variables that Ray sets in each worker: those of ``torchrun``, but for that of the machine."""

    def node_rank(self) -> int:
        """Return the number of this machine."""
        return int(os.environ["NODE_RANK"])

    def validate_settings(self, num_devices: int, num_nodes: int) -> None:
        """Accept any: a trainer knows of its own device only."""


class RayStrategy(DDPStrategy):
    """Data parallel training on one device for each worker."""

    def __init__(self) -> None:
        super().__init__(cluster_environment=RayEnvironment())

    @property
    def root_device(self) -> torch.device:
        """The device that Ray gave this worker."""
        from ray.train.torch import get_device

        return get_device()

    @property
    def distributed_sampler_kwargs(self) -> dict[str, Any]:
        """How data are shared among the workers."""
        return {"num_replicas": self.world_size, "rank": self.global_rank}
