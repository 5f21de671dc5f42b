"""What editors and type checkers are told of the forecasters, of which there is no source."""

import ast
import builtins
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable
from typing import Any

import darts_tsformers.sktime
from darts_tsformers.catalogue import by_model_name
from darts_tsformers.sktime._docs import summary_of
from darts_tsformers.sktime._forecaster import TSFormerForecaster


def stub() -> str:
    """Return a class for each forecaster, its arguments as the sources write them."""
    made = [getattr(darts_tsformers.sktime, entry.sktime_name) for entry in by_model_name().values()]
    imports = {("typing", "ClassVar"), (TSFormerForecaster.__module__, TSFormerForecaster.__name__)}
    return "\n".join([_import_lines(imports.union(*map(_imports, made))), *map(_class, made)])


def _class(cls: type[TSFormerForecaster]) -> str:
    arguments = "".join(f"        {argument},\n" for argument in _arguments(cls))
    return f'''class {cls.__name__}(TSFormerForecaster):
    r"""{textwrap.indent(summary_of(cls), "    ").strip()}
    """

    model_class: ClassVar[type[{cls.model_class.__name__}]]
    def __init__(
{arguments}    ) -> None: ...
'''


def _arguments(cls: type[TSFormerForecaster]) -> list[str]:
    """Return the arguments of a forecaster, each with its annotation and its default."""
    written = _written(cls.model_class.__init__) | _written(TSFormerForecaster.__init__)
    parameters = inspect.signature(cls.__init__).parameters.values()
    positional = [written[p.name] for p in parameters if p.kind is not p.KEYWORD_ONLY]
    by_keyword = [written[p.name] for p in parameters if p.kind is p.KEYWORD_ONLY]
    return [*positional, "*", *by_keyword]


def _written(function: Callable[..., Any]) -> dict[str, str]:
    """Return the arguments of a function by name, as its source writes them."""
    source = textwrap.dedent(inspect.getsource(function))
    arguments = _definition(source).args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [*[None] * (len(positional) - len(arguments.defaults)), *arguments.defaults, *arguments.kw_defaults]

    def text(node: ast.expr | ast.arg) -> str:
        return " ".join((ast.get_source_segment(source, node) or "").split())

    return {
        argument.arg: text(argument) + (f" = {text(default)}" if default else "")
        for argument, default in zip([*positional, *arguments.kwonlyargs], defaults, strict=True)
    }


def _imports(cls: type[TSFormerForecaster]) -> set[tuple[str, str]]:
    """Return the modules and names that the class of a forecaster needs."""
    constructor = _definition(f"def __init__({', '.join(_arguments(cls))}): ...")
    names = {node.id for node in ast.walk(constructor) if isinstance(node, ast.Name)} - vars(builtins).keys()
    model_class = cls.model_class
    homes = _homes(TSFormerForecaster.__init__) | _homes(model_class.__init__)
    own = model_class.__init__.__module__
    return {(homes.get(name, own), name) for name in names} | {(model_class.__module__, model_class.__name__)}


def _homes(function: Callable[..., Any]) -> dict[str, str]:
    """Return where the names come from that the file of a function imports."""
    file = ast.parse(inspect.getsource(sys.modules[function.__module__]))
    imports = [node for node in file.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module for node in imports if node.module for alias in node.names}


def _definition(source: str) -> ast.FunctionDef:
    return next(node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))


def _import_lines(imports: Iterable[tuple[str, str]]) -> str:
    """Write one line for each module, those of Python first."""
    names: dict[str, list[str]] = {}
    for module, name in sorted(imports):
        names.setdefault(module, []).append(name)
    lines = {module: f"from {module} import {', '.join(found)}\n" for module, found in names.items()}
    ours = {module for module in lines if module.partition(".")[0] not in sys.stdlib_module_names}
    return "".join([*(lines[m] for m in lines if m not in ours), "\n", *(lines[m] for m in lines if m in ours)])
