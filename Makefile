# The commands of README.md. Each makes what it needs; a second run is quick.
#
#   make demo                     an example project over SSH on several interpreters
#   make demo HOST=me@box PYTHONS="python3.9 python3.12"      the same on a host of yours
#   make test ARGS="-k sync"      the tests
#   make check                    lint, format, types
#   make faults ARGS="--rows 1-6" faults made for real, with remotest and with pytest-xdist
#   make soak ARGS="--runs 200 --seed 1"                      runs with something bad in each
#   make fuzz ARGS="--seconds 600 --target frame"             inputs that break what reads them
#   make bench ARGS="--rows 3,4"  speed, beside pytest-xdist and rsync

PYTHON ?= python3
HOST ?=
PYTHONS ?=
ARGS ?=

BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test check faults fuzz soak bench clean

demo: $(READY)
	@$(BIN)/python demo/run.py $(if $(HOST),--host "$(HOST)") $(PYTHONS)

# remotest runs its own tests on all CPUs, from the second time on the longest file first; where
# that is what is broken: ARGS=-n0.
test: $(READY)
	@$(BIN)/python -m pytest -n auto --dist=loadfile --schedule=duration $(ARGS)

check: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# All rows take half an hour and write docs/faults.md.
faults: $(READY)
	@PYTHONPATH=tests $(BIN)/python -m faultlab $(ARGS)

fuzz: $(READY)
	@$(BIN)/python tests/fuzz/run.py $(ARGS)

# 200 runs take half an hour.
soak: $(READY)
	@$(BIN)/python tests/soak/run.py $(ARGS)

# All rows take half an hour and write docs/performance.md.
bench: $(READY)
	@PYTHONPATH=tests $(BIN)/python -m bench $(ARGS)

clean:
	rm -rf .venv .cache build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

# `pip install --group` is younger than the pip of most interpreters.
$(READY): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "remotest needs Python 3.10 or newer: make PYTHON=python3.x ...")'
	@echo "making .venv ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@
