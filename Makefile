# Two commands: `make demo` and `make test`. Both make .venv first, from requirements.lock.
PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test test-all faults lint docs clean lock

setup: $(STAMP)

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "tid-tune needs Python >= 3.11; name one with: make PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# The lock names every package, so nothing is resolved here. With bytecode, imports take a third of
# the time, also where Python is kept from writing it.
$(STAMP): requirements.lock pyproject.toml | $(BIN)/uv
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --compile-bytecode --no-deps --requirement requirements.lock
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $@

# What a user does, command by command; each says what it does and skips what is already done.
demo: setup
	$(BIN)/tid-tune data digits --out data/digits
	$(BIN)/tid-tune train trainables/configs/digits/gfl_teacher.py --work-dir runs/teacher-digits-gfl
	$(BIN)/tid-tune run search_spaces/digits_gfl_tid.yaml

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

# With the tests that `make test` leaves out because they are slow.
test-all: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile -m ""

# Every fault on a cluster of several nodes on this machine; the figures of docs/cluster.md.
faults: setup
	$(BIN)/python -m pytest -m "" tests/faults --table benchmarks/results/faults.json
	$(BIN)/python tests/faults/table.py

# The documentation as a site, in build/site. A warning is an error.
docs: setup
	$(BIN)/python -m sphinx -W --keep-going -q docs build/site
	@echo "open build/site/index.html"

# Refresh the pinned versions from pyproject.toml.
lock: $(BIN)/uv
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip compile --quiet --extra dev --extra docs --extra tensorboard --no-header --no-annotate --no-emit-index-url \
	  --output-file requirements.lock pyproject.toml

# What the two commands made; your own data and runs stay.
clean:
	rm -rf $(VENV) data/digits runs/digits-gfl-tid runs/teacher-digits-gfl *.egg-info build
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
