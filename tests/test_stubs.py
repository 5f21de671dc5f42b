"""The stub files say what the package does: of names imported on first use, a type checker sees them alone."""

import inspect

import pytest

import darts_tsformers
import darts_tsformers.networks
import darts_tsformers.sktime
from darts_tsformers.stubs import PACKAGE, stubs

STUBS = stubs()


def names_of(stub: str) -> dict[str, object]:
    """Run a stub file, which is Python, and return what it defines."""
    names: dict[str, object] = {}
    exec(STUBS[PACKAGE / stub], names)
    return names


@pytest.mark.parametrize("path", STUBS, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_stub_file_is_current(path):
    assert path.read_text(encoding="utf-8") == STUBS[path], "`python -m darts_tsformers.stubs` writes it anew"


def test_every_stub_file_is_written():
    assert set(PACKAGE.rglob("*.pyi")) == set(STUBS)


@pytest.mark.parametrize(
    ("stub", "module"),
    [
        ("__init__.pyi", darts_tsformers),
        ("models/__init__.pyi", darts_tsformers.models),
        ("networks/__init__.pyi", darts_tsformers.networks),
    ],
)
def test_what_is_exported_is_in_the_stub(stub, module):
    in_stub = names_of(stub)
    assert {name: in_stub.get(name) for name in module.__all__} == {n: getattr(module, n) for n in module.__all__}


@pytest.mark.parametrize("name", darts_tsformers.sktime.__all__)
def test_a_forecaster_in_the_stub_is_the_one_that_is_made(name):
    made, written = getattr(darts_tsformers.sktime, name), names_of("sktime/__init__.pyi")[name]
    assert written.__bases__ == made.__bases__
    assert inspect.signature(written.__init__) == inspect.signature(made.__init__)
    assert made.__doc__.startswith(inspect.cleandoc(written.__doc__))
