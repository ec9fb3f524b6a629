# Two commands for everyone: `make demo` and `make test`; `make docs` builds the documentation.
# They need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PACKAGES := capture cli curate data_manifest model
DEMO_DATASET ?= demo

.PHONY: demo test docs lint types contracts tests clean

demo: $(VENV)/.installed
	$(BIN)/sidcap demo --dataset $(DEMO_DATASET)

test: lint types contracts tests

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy does not follow the editable install's mapping: it gets the namespace as a folder of links.
types: $(VENV)/.dev
	mkdir -p build/typing/sidcap
	for p in $(PACKAGES); do ln -sfn ../../../$$p build/typing/sidcap/$$p; done
	MYPYPATH=build/typing $(BIN)/mypy --namespace-packages --explicit-package-bases $(PACKAGES:%=-p sidcap.%)

contracts: $(VENV)/.dev
	$(BIN)/lint-imports

tests: $(VENV)/.dev
	$(BIN)/pytest -n auto --dist loadfile

docs: $(VENV)/.docs
	$(BIN)/mkdocs build
	@echo "the documentation is in build/docs/index.html"

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sidcap needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing sidcap and what it needs, PyTorch among it; this takes a few minutes"
	$(PIP) -e .
	touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(PIP) -e '.[dev]'
	touch $@

$(VENV)/.docs: $(VENV)/.installed
	$(PIP) -e '.[docs]'
	touch $@
