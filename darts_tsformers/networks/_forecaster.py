"""The path that all architectures share, around the part that is their own."""

from collections.abc import Sequence
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.layers.instance_norm import InstanceNorm
from darts_tsformers.layers.restore import restore
from darts_tsformers.layers.window import Window
from darts_tsformers.networks._network import Network


class Forecaster(nn.Module):
    """A network between instance normalisation and its inverse.

    Parameters
    ----------
    network
        The architecture.
    use_instance_norm
        Whether the network sees each window at its own level and spread.
    instance_norm_affine
        Whether the normalisation learns a scale and a bias per component.
    restore_rules
        For each likelihood parameter the name of the rule in :mod:`darts_tsformers.layers.restore` that brings it back
        to data units.

    Raises
    ------
    ValueError
        If there are not as many rules as likelihood parameters.
    """

    def __init__(
        self,
        network: Network,
        *,
        use_instance_norm: bool = True,
        instance_norm_affine: bool = False,
        restore_rules: Sequence[str] = ("location",),
    ) -> None:
        super().__init__()
        if len(restore_rules) != network.sizes.n_parameters:
            raise ValueError(
                f"restore_rules={tuple(restore_rules)} must name one rule for each of "
                f"n_parameters={network.sizes.n_parameters} likelihood parameters"
            )
        self.network = network
        self.restore_rules = tuple(restore_rules)
        self.instance_norm = (
            InstanceNorm(network.sizes.n_targets, affine=instance_norm_affine) if use_instance_norm else None
        )

    def forward(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Forecast in data units."""
        if self.instance_norm is None:
            return self.network(window)
        normalised, statistics = self.instance_norm(window.target)
        return restore(self.network(replace(window, target=normalised)), statistics, self.restore_rules)
