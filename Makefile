# The virtual environment is made and filled on the first call of any target, and again when what it is
# made from changes.
PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin

BENCH ?= .bench-venv
PEERS ?= .peers-venv

.PHONY: demo test test-system crash-test bench-env peers-env lint format

demo: $(VENV)/installed
	$(RUN)/jenacast demo

test: $(VENV)/installed-dev
	OPENBLAS_NUM_THREADS=1 $(RUN)/python -m pytest -m "not system"  # one process a core already

# What needs a server, a browser, a wheel, whole processes or many trainings; the benchmarks' scripts, the documents'
# lines.
test-system: $(VENV)/installed-dev
	$(RUN)/python -m pytest -m system

# Thirty SIGKILLs at random moments, each followed by a resume; about ten minutes.
crash-test: $(VENV)/installed-dev
	JENACAST_KILLS=10 $(RUN)/python -m pytest --numprocesses=0 -s -k killed_at_random tests/test_resume.py

# What the benchmarks compare with: PyTorch. Not needed for anything else.
bench-env: $(BENCH)/installed

$(BENCH)/installed: benchmarks/requirements.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/pip install --quiet --disable-pip-version-check --requirement benchmarks/requirements.txt
	touch $@

# What forecasts are compared with: LightGBM, neuralforecast and darts. Not needed for anything else.
peers-env: $(PEERS)/installed

$(PEERS)/installed: benchmarks/peers-requirements.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/pip install --quiet --disable-pip-version-check --requirement benchmarks/peers-requirements.txt
	touch $@

lint: $(VENV)/installed-dev
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports --no-cache --no-logo

format: $(VENV)/installed-dev
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else "jenacast needs Python 3.11 to 3.13, this is %d.%d; name another: make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(RUN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(RUN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@ $(VENV)/installed
