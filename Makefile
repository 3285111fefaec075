# Needs make, git and Python 3.11 or newer. All else is installed into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Scripts, and jobs that the Slurm plugin submits, find the same environment.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help install run test lint docs format bench lock clean
.DEFAULT_GOAL := help

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP)  ## Create .venv with all packages; repeated only after a change of dependencies

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit( \
	    "smrestore needs Python 3.11 or newer, and $(PYTHON) is %d.%d. " % sys.version_info[:2] + \
	    "Name another one: make $(or $(MAKECMDGOALS),install) PYTHON=python3.12")'
	$(PYTHON) -m venv --clear $(VENV)

# Constraints, not a list of requirements: which packages torch brings along depends on the platform
# (CUDA libraries on Linux), so pip may add to them, while all versions named there are fixed.
$(STAMP): pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m smrestore.compiled
	@touch $@

# Threads that wait for work would otherwise spin and take the cores from other jobs.
test: export OMP_WAIT_POLICY = PASSIVE

run: install  ## Run the whole default workflow
	$(BIN)/snakemake --cores all

# Files of unit tests go to two processes; the workflow's tests run two jobs at a time themselves.
test: lint  ## Check style and workflow, then run all tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/unit
	$(BIN)/python -m pytest tests/workflow tests/slurm

lint: install  ## Check style and workflow only
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/python docs/build_site.py

docs: install  ## Build the documentation site, build/site/index.html, and check its links
	$(BIN)/python docs/build_site.py

format: install  ## Format all code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/snakefmt Snakefile workflow

bench: install  ## Run all benchmarks
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script; done

# Left out are our own package and those that exist on some platforms only (torch names their exact
# versions itself); suffixes such as +cpu name a build, not a version.
lock: $(BIN)/pip  ## Renew constraints.txt with the newest versions that fit pyproject.toml
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(BIN)/python -m venv "$$folder/venv"; \
	"$$folder/venv/bin/python" -m pip install '.[dev]'; \
	"$$folder/venv/bin/python" -m pip freeze --all --exclude pip --exclude smrestore > "$$folder/freeze"; \
	{ echo '# All packages of the environment, as last tested. Renew with: make lock'; \
	  grep -viE '^(nvidia|cuda|triton)' "$$folder/freeze" | sed 's/+[^ ]*$$//' | LC_ALL=C sort -f; \
	} > "$$folder/constraints.txt"; \
	cp "$$folder/constraints.txt" constraints.txt

clean:  ## Remove .venv and caches; results stay
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis build src/*.egg-info
	find src tests workflow benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
