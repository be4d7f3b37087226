# Every target sets up what it needs in .venv; nothing is installed twice.
#
#   make demo    train, evaluate and export a tiny ELECTRA on Python's own documentation
#   make test    run all tests; 17 to 24 minutes on two cores that multiply bfloat16, longer on others
#   make test-fast   run those that are not marked slow; 5 to 8 minutes there
#   make chaos   kill every command at 50 random points, workers of a cluster in 30 starts, and whoever
#                prepares data 20 times, under all engines, and compare what comes out; over an hour
#   make check   lint, format, types, layers, spelling, generated pages
#   make docs    write the reference pages, and build the site into site/
#   make clean   remove build products; environments and runs stay

PYTHON ?= python3

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt
RUN := runs/demo
EXPORT := $(RUN)-huggingface
# Each begins with a half of the tests in order, and who is done first takes from the other.
TWO_PROCESSES := --numprocesses 2 --dist worksteal
PACKAGE := $(shell find electra_cli presets -type f -not -name '*.pyc')

.PHONY: demo test test-fast chaos check docs clean
.NOTPARALLEL:

# Stamps: an empty file that is newer than what the installation was made from.

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else \
	"Python 3.11, 3.12 or 3.13 is needed; $(PYTHON) is " + sys.version.split()[0] \
	+ ". Name another one: make PYTHON=python3.12")'
	@echo "installing into $(VENV); TensorFlow is large, this takes some minutes"
	$(PYTHON) -m venv $(VENV)
	@# An older one, such as Debian 12's, cannot build seqeval, which comes as source alone.
	$(BIN)/python -m pip install --quiet 'pip>=23.1'
	@touch $@

$(VENV)/.demo: $(VENV)/.created pyproject.toml constraints.txt $(PACKAGE)
	$(PIP) .
	@touch $@

$(VENV)/.test: $(VENV)/.created pyproject.toml constraints.txt
	$(PIP) --editable '.[test]'
	@touch $@

$(VENV)/.check: $(VENV)/.created pyproject.toml constraints.txt
	$(PIP) --editable '.[dev]'
	@touch $@

$(VENV)/.docs: $(VENV)/.created pyproject.toml constraints.txt
	$(PIP) --editable '.[docs]'
	@touch $@

demo: $(VENV)/.demo
	$(BIN)/electra pretrain --preset tiny --model-dir $(RUN)
	@if [ -e $(EXPORT) ]; then \
	  echo "$(EXPORT) is there already; nothing is overwritten"; \
	else \
	  set -x; $(BIN)/electra export $(RUN) --format huggingface --output $(EXPORT); \
	fi
	$(BIN)/electra evaluate $(RUN)/checkpoints/ckpt-0 $(RUN)
	@echo "$(CURDIR)/$(EXPORT)"

test: $(VENV)/.test
	$(BIN)/python -m pytest $(TWO_PROCESSES)

test-fast: $(VENV)/.test
	$(BIN)/python -m pytest $(TWO_PROCESSES) -m 'not slow'

chaos: $(VENV)/.test
	$(BIN)/python -m tests.chaos.kills --kills 50 --seed 0
	$(BIN)/python -m tests.chaos.clusters --starts 30 --seed 0
	$(BIN)/python -m tests.chaos.engines --kills 20 --seed 0

check: $(VENV)/.check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python docs/generate.py --check

docs: $(VENV)/.docs
	$(BIN)/python docs/generate.py
	$(BIN)/zensical build --clean --strict

clean:
	rm -rf build dist site .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find electra_cli tests docs benchmarks -type d -name __pycache__ -prune -exec rm -rf {} +
