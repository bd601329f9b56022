# Every target does its own set-up, and does nothing where there is nothing to do.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup lint test demo report gpu-check

setup: .venv/installed

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tunebench needs Python 3.11 or later; give one with make PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' requirements.lock)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: setup
	$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=8 --dist=worksteal

demo: setup
	$(BIN)/python -m bench experiment=demo
	$(BIN)/python -m bench.report --study demo

report: setup
	$(BIN)/python -m bench.report

# For a machine with a GPU: what cannot be seen without one, a verdict per line.
gpu-check: setup
	$(BIN)/python benchmarks/gpu_check.py
