"""Which pictures of an explanation there are."""

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes

from darts_tsformers.checks import did_you_mean, require_one_of
from darts_tsformers.explain.pictures.bars import experts, importance, levels, prototypes, routing
from darts_tsformers.explain.pictures.canvas import Canvas
from darts_tsformers.explain.pictures.decomposition import decomposition, stages
from darts_tsformers.explain.pictures.gates import gates
from darts_tsformers.explain.pictures.heat_maps import attention, mode_attention
from darts_tsformers.explain.pictures.lags import lags
from darts_tsformers.explain.pictures.memories import memory
from darts_tsformers.explain.pictures.paths import guidance, mask, spread
from darts_tsformers.explain.pictures.responses import responses
from darts_tsformers.explain.recorded import Recorded

PICTURES: dict[str, Callable[..., Canvas]] = {
    "attention": attention,
    "importance": importance,
    "lags": lags,
    "mode_attention": mode_attention,
    "levels": levels,
    "experts": experts,
    "routing": routing,
    "prototypes": prototypes,
    "gates": gates,
    "memory": memory,
    "responses": responses,
    "guidance": guidance,
    "spread": spread,
    "mask": mask,
    "decomposition": decomposition,
    "stages": stages,
}


def plot(e: Recorded, kind: str | None, ax: Axes | None, **options: Any) -> Canvas | Axes:
    """Draw a picture of a kind; see :meth:`~darts_tsformers.explain.Explanation.plot`."""
    kind = _first_kind(e) if kind is None else kind
    require_one_of(PICTURES, kind=kind)
    picture = PICTURES[kind]
    known = picture.__annotations__.keys() - {"e", "ax", "return"}
    for name in options:
        if name not in known:
            raise ValueError(
                f"{name}={options[name]!r} is no option of plot({kind!r}), which has {sorted(known)}"
                f"{did_you_mean(name, known)}"
            )
    drawn = picture(e, ax=ax, **options)
    return drawn if ax is None else ax


def _first_kind(e: Recorded) -> str:
    shown = {"attention": "attention", "variables": "importance"}
    shown |= dict.fromkeys(("delays", "correlation", "modes"), "lags")
    shown |= {kind: kind for kind in PICTURES if kind not in shown.values()}
    return next((picture for kind, picture in shown.items() if kind in e.parts), "decomposition")
