"""Sizes that a network can be built with, on no computer too large to be an error of typing."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import torch

from darts_tsformers.networks._network import Network
from darts_tsformers.window import Sizes

LARGEST = 2**24
"""Of a look-back, a width, a kernel, ...; three of them times each other are still a number of bytes."""
MOST_LAYERS = 512
"""Each is built, if only to be looked at."""


def check_sizes(arguments: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` if an integer among the arguments is larger than any network is."""
    for name, value in arguments.items():
        most = MOST_LAYERS if name.endswith("layers") else LARGEST
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, Integral) and int(one) > most:
                raise ValueError(f"{name}={one!r} must be at most {most}")


def without_weights(network_class: type[Network], sizes: Sizes, arguments: Mapping[str, Any]) -> Network:
    """Build a network of no values, to see whether it can be built.

    Raises
    ------
    ValueError
        If an argument breaks a rule of the network, or all of them together are too large to be built.
    """
    try:
        with torch.device("meta"):
            return network_class(sizes, **arguments)
    except (MemoryError, OverflowError, RuntimeError) as error:
        given = {"input_chunk_length": sizes.input_length, "output_chunk_length": sizes.output_length, **arguments}
        raise ValueError(f"{network_class.__name__} cannot be built with {given}: {error}") from error
