"""What the reference pages need: docstrings written for Sphinx as Markdown, and those of the models as composed."""

import inspect
import pkgutil
import re
import textwrap
from importlib import import_module
from typing import Any

import griffe

_ROLE = re.compile(r":(\w+):`(~?)([^`]+)`")
_MATH_BLOCK = re.compile(r"^([ ]*)\.\. math::[ ]*(.*)\n((?:\1[ ]+.*\n|[ ]*\n)*)", re.M)
_RETURNS = re.compile(r"^(Returns\n-+\n)((?:\S.*\n)+)(?![ ])", re.M)

PACKAGE = "darts_tsformers"


class Docstrings(griffe.Extension):
    """Rewrite each docstring, and take the composed signature and docstring of a model from its class."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Take what a class composes when it is defined, and turn the markup of Sphinx into Markdown."""
        if obj.docstring is None:
            return
        if isinstance(obj, griffe.Class):
            _take_composed(obj, obj.docstring)
        obj.docstring.value = to_markdown(obj.docstring.value, obj)


def _take_composed(cls: griffe.Class, docstring: griffe.Docstring) -> None:
    composed = getattr(import_module(cls.module.path), cls.name, None)
    if composed is None:
        return
    docstring.value = inspect.cleandoc(composed.__doc__)
    signature, constructor = vars(composed).get("__signature__"), cls.members.get("__init__")
    if signature is None or constructor is None:
        return
    written = {p.name: p for p in constructor.parameters}
    constructor.parameters = griffe.Parameters(
        *(written.get(p.name) or _parameter(p) for p in signature.parameters.values())
    )


def _parameter(parameter: inspect.Parameter) -> griffe.Parameter:
    default = parameter.default
    return griffe.Parameter(
        parameter.name,
        annotation=inspect.formatannotation(parameter.annotation),
        kind=griffe.ParameterKind.keyword_only,
        default=default.__name__ if isinstance(default, type) else repr(default),
    )


def to_markdown(text: str, obj: griffe.Object) -> str:
    """Translate roles and displayed equations; what is said of the result gets its type from the signature."""
    text = _MATH_BLOCK.sub(_displayed, text + "\n")
    if isinstance(obj, griffe.Function):
        text = _RETURNS.sub(lambda match: f"{match[1]}{obj.returns}\n{textwrap.indent(match[2], '    ')}", text)
    return _ROLE.sub(lambda match: _inline(match[1], match[2], match[3], obj), text)


def _displayed(match: re.Match[str]) -> str:
    indent, first, rest = match.groups()
    lines = [first, *(line.strip() for line in rest.splitlines())]
    body = "\n".join(f"{indent}{line}" for line in lines if line)
    return f"{indent}$$\n{body}\n{indent}$$\n\n"


def _inline(role: str, short: str, target: str, obj: griffe.Object) -> str:
    if role == "math":
        return f"${target}$"
    shown = target.rsplit(".", 1)[-1] if short else target
    path = _resolved(target, obj)
    if path is None:
        return f"`{shown}`"
    return f'<autoref identifier="{path}" optional><code>{shown}</code></autoref>'


def _resolved(target: str, obj: griffe.Object) -> str | None:
    """Return the dotted path of what a role names, which must be there; None if it is not of this package."""
    if target.startswith(f"{PACKAGE}."):
        pkgutil.resolve_name(target)
        return target
    scope: griffe.Object | None = obj
    while scope is not None:
        if target in scope.all_members:
            return f"{scope.path}.{target}"
        scope = scope.parent
    if "." in target:
        return None
    raise LookupError(f"{obj.path}: nothing is called {target!r}")
