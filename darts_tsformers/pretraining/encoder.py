"""What of a network is its encoder: found by looking, not declared."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.networks import Network
from darts_tsformers.window import Window


def has_encoder(network: type[Network]) -> bool:
    """Whether networks of a class tell their encoder from their head."""
    return network.encode is not Network.encode or bool(network.head_patterns)


def blank_window(network: Network) -> Window:
    """Return a window of zeros, with all covariates that the network was built for."""
    sizes, like = network.sizes, next(network.parameters())

    def zeros(n_rows: int, n_columns: int) -> Tensor | None:
        return like.new_zeros(1, n_rows, n_columns) if n_columns else None

    return Window(
        target=like.new_zeros(1, sizes.input_length, sizes.n_targets),
        past=zeros(sizes.input_length, sizes.n_past),
        historic_future=zeros(sizes.input_length, sizes.n_future),
        future=zeros(sizes.output_length, sizes.n_future),
        static=zeros(sizes.n_static_rows, sizes.n_static),
    )


def token_width(network: Network) -> int:
    """Return the width of the tokens that the network encodes a window to."""
    with torch.no_grad():
        return _blank_tokens(network).shape[-1]


def head_names(network: Network) -> set[str]:
    """Name the parameters of the head, which turns tokens into a forecast: those that no token depends on.

    A parameter that a token depends on is of the encoder, even if it is multiplied by zero at the start. A network
    without tokens says itself what its heads are.

    Examples
    --------
    >>> from darts_tsformers.networks import ITransformer
    >>> from darts_tsformers.pretraining.encoder import head_names
    >>> from darts_tsformers.window import Sizes
    >>> sorted(head_names(ITransformer(Sizes(input_length=5, output_length=2), d_model=8, n_heads=2)))
    ['head.bias', 'head.weight']
    """
    parameters = dict(network.named_parameters())
    if network.head_patterns:
        return {name for name in parameters if any(fnmatch(name, pattern) for pattern in network.head_patterns)}
    with torch.enable_grad(), _all_trained(parameters.values()):
        tokens = _blank_tokens(network)
        gradients = torch.autograd.grad(tokens.sum(), list(parameters.values()), allow_unused=True)
    return {name for name, gradient in zip(parameters, gradients, strict=True) if gradient is None}


def _blank_tokens(network: Network) -> Float[Tensor, "1 C N D"]:
    was_training = network.training
    try:
        return network.eval().encode(blank_window(network))
    finally:
        network.train(was_training)


@contextmanager
def _all_trained(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Let all have a gradient inside the block, frozen ones too."""
    frozen = [one for one in parameters if not one.requires_grad]
    for one in frozen:
        one.requires_grad_(True)
    try:
        yield
    finally:
        for one in frozen:
            one.requires_grad_(False)
