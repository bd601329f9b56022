# Every target sets itself up, and does nothing that is already done.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: setup lint test demo report lock gpu-check slurm-check

setup: .venv/installed

# The lock files list every package with its hashes, so pip has nothing to resolve (--no-deps). torch goes first and by way
# of a folder: asked with hashes, pip takes PyPI's build even where it is set up to prefer another, such as the CPU build.
# PyPI's build for Linux needs NVIDIA's libraries; a CPU build does not.
.venv/installed: requirements.lock requirements-cuda.lock pyproject.toml setup.py
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tunebench needs Python 3.11 or later; give one with make PYTHON=...")'
	$(PYTHON) -m venv .venv
	sed -n '/^torch==/,/[^\\]$$/p' requirements.lock >.venv/torch.lock
	$(PIP) download --no-deps --dest .venv/torch "$$(grep -o '^torch==[^ ]*' .venv/torch.lock)"
	$(PIP) install --no-deps --require-hashes --no-index --find-links .venv/torch --requirement .venv/torch.lock
	rm -r .venv/torch .venv/torch.lock
	$(PIP) install --no-deps --require-hashes --requirement requirements.lock
	if $(BIN)/python -c 'import importlib.metadata as m, sys; sys.exit("nvidia" not in str(m.requires("torch")))'; then \
		$(PIP) install --no-deps --require-hashes --requirement requirements-cuda.lock; fi
	$(PIP) install --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check
	touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: setup
	$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=8 --dist=worksteal

demo: setup
	$(BIN)/tunebench demo

report: setup
	$(BIN)/tunebench report

# What can only be seen on a machine with a GPU; one line with a verdict for each check.
gpu-check: setup
	$(BIN)/python benchmarks/gpu_check.py

# What can only be seen with Slurm: a Slurm of two nodes is started on this machine (as root, on Debian), and stopped again.
# PROCTRACK=cgroup and DBD=1 say how it tracks processes, and that it keeps accounts; see tests/slurm/cluster.sh.
slurm-check: setup
	bash tests/slurm/cluster.sh up && $(BIN)/python -m pytest -m slurm tests/slurm; \
		status=$$?; bash tests/slurm/cluster.sh down; exit $$status

# After a change of the dependencies in pyproject.toml; see .ci/lock.py.
lock:
	$(PYTHON) -m venv .venv
	$(PIP) install uv
	$(BIN)/python .ci/lock.py $(WHEELS)
