"""What is public is documented: every parameter, with an example that runs and gives what it says."""

import doctest
import inspect
import os
import pkgutil
from importlib import import_module
from typing import Any

import pytest

import darts_tsformers
from darts_tsformers.docstrings import parameters_of
from tests.helpers import registries_as_before
from tests.sktime.cases import FORECASTERS, OF_EACH_KIND

MODULES = [import_module(m.name) for m in pkgutil.walk_packages(darts_tsformers.__path__, "darts_tsformers.")]


def public() -> dict[str, Any]:
    """Return the classes and functions that any module of the package lists in its ``__all__``, each by one name."""
    found: dict[int, tuple[str, Any]] = {}
    for module in [darts_tsformers, *MODULES]:
        for name in getattr(module, "__all__", ()):
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isroutine(thing):
                found.setdefault(id(thing), (f"{module.__name__}.{name}", thing))
    return dict(found.values())


PUBLIC = public()
OTHERS = {
    f"{module.__name__}.{name}": thing
    for module in MODULES
    for name, thing in vars(module).items()
    if getattr(thing, "__module__", "") == module.__name__
    and ">>>" in (thing.__doc__ or "")
    and not any(thing is one for one in PUBLIC.values())
}
ALIKE = set(FORECASTERS) - set(FORECASTERS if os.environ.get("ALL_FORMS") else OF_EACH_KIND)
"""What one factory gives the same example as others whose examples are run."""
EXAMPLES = {name: thing for name, thing in (PUBLIC | OTHERS).items() if thing not in ALIKE}
every_public_thing = pytest.mark.parametrize("thing", PUBLIC.values(), ids=PUBLIC)


def documented(thing: Any) -> set[str]:
    """Return the names under *Parameters*, or under *Attributes* for a class whose arguments are its attributes."""
    text = inspect.cleandoc(thing.__doc__)
    sections = [parameters_of(text), parameters_of(text.replace("Attributes\n", "Parameters\n"))]
    return {name.strip().lstrip("*") for section in sections for names in section for name in names.split(",")}


def parameters(thing: Any) -> list[str]:
    if isinstance(thing, type) and issubclass(thing, Exception):
        return []
    any_number = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in inspect.signature(thing).parameters.values() if p.kind not in any_number]


@every_public_thing
def test_every_parameter_is_documented(thing):
    assert thing.__doc__
    assert [name for name in parameters(thing) if name not in documented(thing)] == []


@pytest.mark.parametrize("thing", EXAMPLES.values(), ids=EXAMPLES)
def test_the_examples_run(thing, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = doctest.DocTestFinder().find(thing, thing.__name__, module=False, globs={})
    examples = {test.name: test for test in found if test.examples}
    assert thing.__name__ in examples
    for name, test in examples.items():
        assert any(example.want for example in test.examples), f"the example of {name} shows nothing"
        report: list[str] = []
        with registries_as_before():
            result = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
        assert result.failed == 0, "".join(report)


def test_the_public_things_are_found():
    names = {name.rpartition(".")[-1] for name in PUBLIC}
    assert {"PatchTSTModel", "FullAttention", "Informer", "explain", "diagnose", "read_table", "read_tsf"} <= names
