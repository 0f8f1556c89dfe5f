# make demo: install, then documents to training shards on the sample corpus.
# make test: install what tests need, then run them.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: demo test lint docs clean

demo: $(VENV)/.demo
	bash pipelines/quickstart.sh

test: $(VENV)/.test
	pytest

lint: $(VENV)/.test
	ruff format --check .
	ruff check .
	mypy

docs: $(VENV)/.test
	python scripts/help_pages.py

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch first and by the constraints, so that no other package chooses its build.
$(VENV)/.torch: $(BIN)/python constraints.txt
	$(BIN)/python -m pip install -q -c constraints.txt torch
	touch $@

$(VENV)/.demo: $(VENV)/.torch pyproject.toml
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[local]"
	touch $@

$(VENV)/.test: $(VENV)/.torch pyproject.toml
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[test]"
	touch $@

clean:
	rm -rf runs build dist
