# Every target does its own set-up: a virtual environment in .venv with the versions of constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
WORKERS ?= auto

.PHONY: demo test lint types check format bench-env bench report clean
.DELETE_ON_ERROR:

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(INSTALLED) ## forecast a real series end to end: table, picture, CSV and model in demo/
	$(BIN)/python -m darts_tsformers.demo --out demo

test: $(INSTALLED)
	$(BIN)/pytest -n $(WORKERS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy darts_tsformers

check: lint types test

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

BENCH_VENV := .venv-bench
BENCH_INSTALLED := $(BENCH_VENV)/.installed

$(BENCH_INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BENCH_VENV)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[parity]'
	touch $@

bench-env: $(BENCH_INSTALLED) ## an environment with the packages we are compared with

bench: $(BENCH_INSTALLED) ## hours; goes on where it stopped. ONLY='informer tft*' for some
	$(BENCH_VENV)/bin/python -m benchmarks run --only $(or $(ONLY),'*')
	$(BENCH_VENV)/bin/python -m benchmarks report

report: $(INSTALLED) ## benchmarks/report from the stored results
	$(BIN)/python -m benchmarks report

clean:
	rm -rf $(VENV) $(BENCH_VENV) demo .pytest_cache .ruff_cache .mypy_cache
