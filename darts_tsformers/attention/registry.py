"""Mechanisms by name, so that any encoder takes any of them and a saved model holds only plain data."""

import importlib
import pkgutil
from pathlib import Path
from typing import Any, TypeAlias

from darts_tsformers.attention._base import Attention, HeadSizes

AttentionSpec: TypeAlias = tuple[str, dict[str, Any]]
"""A mechanism as plain data: its registered name and its constructor arguments."""

AttentionLike: TypeAlias = str | AttentionSpec | Attention
"""What users may write: a name, a name with arguments, or a mechanism as a pattern for one instance a layer."""

_MECHANISMS: dict[str, type[Attention]] = {}


def register_attention(name: str, mechanism: type[Attention]) -> None:
    """Make ``attention=name`` mean ``mechanism`` in every model.

    Parameters
    ----------
    name
        What to write in a model.
    mechanism
        The class, not an instance.

    Raises
    ------
    TypeError
        If ``mechanism`` is not a subclass of :class:`Attention`.
    ValueError
        If the name is taken by another class.

    Examples
    --------
    >>> from darts_tsformers.attention import FullAttention, build_attention, register_attention
    >>> class Sharp(FullAttention):
    ...     def forward(self, q, k, v, *, causal=False, need_weights=False):
    ...         return super().forward(4 * q, k, v, causal=causal, need_weights=need_weights)
    >>> register_attention("sharp", Sharp)
    >>> build_attention("sharp")
    Sharp()
    """
    if not (isinstance(mechanism, type) and issubclass(mechanism, Attention)):
        raise TypeError(f"mechanism={mechanism!r} must be a subclass of darts_tsformers.attention.Attention")
    if not isinstance(name, str):
        raise TypeError(f"name={name!r} must be a string")
    known = _MECHANISMS.get(name, mechanism)
    if (known.__module__, known.__qualname__) != (mechanism.__module__, mechanism.__qualname__):
        raise ValueError(f"name={name!r} is already registered for {known.__qualname__}")
    _MECHANISMS[name] = mechanism


def attention_names() -> list[str]:
    """Return the registered names, sorted.

    Examples
    --------
    >>> from darts_tsformers.attention import attention_names
    >>> attention_names()[:3]
    ['auto_correlation', 'combiner', 'ecoformer']
    """
    return sorted(_MECHANISMS)


def attention_spec(attention: AttentionLike) -> AttentionSpec:
    """Reduce what a user wrote to plain data.

    Parameters
    ----------
    attention
        A name, a name with arguments, or a mechanism.

    Returns
    -------
    The registered name and the constructor arguments.

    Raises
    ------
    ValueError
        If the name, or the class of the mechanism, is not registered.
    TypeError
        If ``attention`` is none of the accepted forms.

    Examples
    --------
    >>> from darts_tsformers.attention import LogSparseAttention, attention_spec
    >>> attention_spec("full")
    ('full', {})
    >>> attention_spec(LogSparseAttention("local", sub_length=8))
    ('log_sparse', {'pattern': 'local', 'sub_length': 8})
    """
    if isinstance(attention, Attention):
        for name, mechanism in _MECHANISMS.items():
            if type(attention) is mechanism:
                return name, attention.config()
        raise ValueError(
            f"attention={type(attention).__qualname__}(...) is not registered; call register_attention first"
        )
    match attention:
        case str(name):
            arguments: dict[str, Any] = {}
        case (str(name), dict(arguments)):
            pass
        case _:
            raise TypeError(f"attention={attention!r} must be a name, a (name, arguments) pair or an Attention")
    if name not in _MECHANISMS:
        raise ValueError(
            f"attention={name!r} must be one of {attention_names()}; one of your own needs register_attention first"
        )
    return name, dict(arguments)


def build_attention(attention: AttentionLike, sizes: HeadSizes | None = None) -> Attention:
    """Build a fresh mechanism; layers never share one.

    Parameters
    ----------
    attention
        A name, a name with arguments, or a mechanism, which is a pattern and never used itself.
    sizes
        Of the layer it is to serve, for a mechanism that has parameters of its own.

    Raises
    ------
    ValueError
        If the name, or the class of the mechanism, is not registered, or the arguments do not fit it.
    TypeError
        If ``attention`` is none of the accepted forms.

    Examples
    --------
    >>> from darts_tsformers.attention import build_attention
    >>> build_attention(("prob_sparse", {"factor": 3})).config()
    {'factor': 3, 'sampling': 'shared', 'lazy_context': 'cummean'}
    """
    name, arguments = attention_spec(attention)
    try:
        mechanism = _MECHANISMS[name](**arguments)
    except TypeError as error:
        raise ValueError(f"attention={name!r} cannot be built with {arguments}: {error}") from error
    if sizes is not None:
        mechanism.fit_to(sizes)
    return mechanism


def _register_own() -> None:
    """Register the mechanism of each file here by the name of the file."""
    for info in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if info.ispkg or info.name.startswith("_") or f"{__package__}.{info.name}" == __name__:
            continue
        module = importlib.import_module(f"{__package__}.{info.name}")
        for one in vars(module).values():
            if isinstance(one, type) and issubclass(one, Attention) and one.__module__ == module.__name__:
                register_attention(info.name, one)


_register_own()
