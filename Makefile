# Every target does its own set-up: a virtual environment in .venv with the versions of constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
WORKERS ?= auto

.PHONY: demo test slice kills check-ray check-sktime check-forms notebooks notebooks-refresh lint types pages pictures docs check format bench-env bench report clean
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

slice: $(INSTALLED) ## a minute, and most of it part of the tests: whether a figure of accuracy or parity moved
	ALL_FORMS=1 $(BIN)/pytest -n $(WORKERS) tests/benchmarks/test_slice.py

notebooks: $(INSTALLED) ## run every notebook; one thread each, for they run beside each other
	OMP_NUM_THREADS=1 $(BIN)/pytest --nbmake --nbmake-timeout=120 -n $(WORKERS) notebooks

notebooks-refresh: $(INSTALLED) ## run every notebook and keep its outputs
	OMP_NUM_THREADS=1 $(BIN)/python notebooks/refresh.py

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy darts_tsformers

pages: $(INSTALLED) ## write anew what comes from classes and results: tables and picture of README and docs, stub files
	$(BIN)/python -m darts_tsformers.stubs
	$(BIN)/python -m docs._figures

pictures: $(INSTALLED) ## minutes: draw anew the pictures of README and pages
	OMP_NUM_THREADS=1 $(BIN)/python -m docs._pictures

docs: $(INSTALLED) ## the reference pages, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

kills: $(INSTALLED) ## save over an older model, make and forecast panels, and be killed: two or three minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.adapter.kills --times 100
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.panels.kills

check: $(INSTALLED) ## all of it; what keeps one core busy goes first, side by side. The tests build the reference pages too
	$(MAKE) --jobs 2 --output-sync=target lint types kills
	$(MAKE) test notebooks

check-ray: $(INSTALLED) ## train and forecast panels by workers of Ray, and kill one of them: a minute or two
	ALL_FORMS=1 $(BIN)/pytest tests/panels/test_ray.py

check-sktime: $(INSTALLED) ## every check of sktime on every forecaster: about a minute for each
	$(BIN)/python -m tests.sktime.check_all

check-forms: $(INSTALLED) ## what takes long, on every form of every model and not on one of each
	ALL_FORMS=1 $(BIN)/pytest -n $(WORKERS) tests/contracts tests/distributed tests/layers/test_recomputing.py tests/pipelines tests/serving \
		tests/sktime/test_forecasts.py tests/sktime/test_state.py tests/explain tests/test_data.py tests/test_diagnosis.py tests/test_docstrings.py

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

BENCH_VENV := .venv-bench
BENCH_INSTALLED := $(BENCH_VENV)/.installed

$(BENCH_INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BENCH_VENV)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[panels,parity]'
	touch $@

bench-env: $(BENCH_INSTALLED) ## an environment with the packages we are compared with

bench: $(BENCH_INSTALLED) ## hours; goes on where it stopped. ONLY='informer tft*' for some
	$(BENCH_VENV)/bin/python -m benchmarks run --only $(or $(ONLY),'*')
	$(BENCH_VENV)/bin/python -m benchmarks report

report: $(INSTALLED) ## benchmarks/report from the stored results
	$(BIN)/python -m benchmarks report

clean:
	rm -rf $(VENV) $(BENCH_VENV) demo site .pytest_cache .ruff_cache .mypy_cache
