"""The examples in the docstrings of the public classes run and give what they say."""

import doctest

import pytest

import darts_tsformers


@pytest.mark.parametrize("name", darts_tsformers.__all__)
def test_the_example_of_a_forecaster_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (test,) = [
        test
        for test in doctest.DocTestFinder(recurse=False).find(getattr(darts_tsformers, name), name)
        if test.examples
    ]
    report: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert result.attempted > 3
    assert result.failed == 0, "".join(report)
