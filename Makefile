# Everything a person types. It needs GNU make, Python 3.11 or newer and a C compiler; the rest goes into .venv.
#
#   make app        the page, with the demo's virtual cell, at http://127.0.0.1:8000
#   make demo       a virtual cell from a real experiment, scored, with a report in out/demo
#   make test       style, types, layers and the fast tests
#   make test-all   the same with the slow tests
#   make coverage   the fast tests, and how much of the code they run
#   make lint       style, types and layers only
#   make docs       the documentation, in docs/_build/html
#   make page       the web page of the service, into the package; needs Node 20 or newer
#   make page-test  its types and tests, and in Chromium on a real service
#   make bench      the benchmarks, into benchmarks/results, and the table in the README
#   make lock       the versions developers use, into requirements-dev.lock
#   make clean      remove .venv and everything built

SHELL := /bin/sh
PYTHON ?= python3
VENV ?= .venv
# Torch goes in first and pinned: where the index offers a CPU build, that one is small. Chosen later, by another
# package's needs, it can be replaced by gigabytes for graphics cards.
TORCH ?= torch==2.13.0
DEMO ?= --out out/demo
# More for `aivc serve`, such as make app SERVE="--port 8001 --no-open".
SERVE ?=
# One worker for each of two cores; numerical libraries then take one thread each. A file of tests stays with one
# worker, so that what its tests share is made once.
WORKERS ?= 2
# Which tests `make test` runs, by their marks.
TESTED ?= not slow

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# Compiled modules are kept, whatever the shell says of it: every worker, and every process that a test starts, reads
# the same ones, and with their checks of shapes they take long to compile.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile
BENCHMARKS := $(filter-out %/readme_table.py %/pretrain_sequences.py %/parity.py %/evaluate_speed.py %/door_costs.py %/leaderboard_overview.py %/leaderboard_tasks.py %/tissue.py %/time_courses.py %/images.py %/image_fields.py %/joined_parts.py %/image_profiles.py %/image_tokens.py %/scale.py %/platform_figures.py %/platform_load.py %/experiments.py,$(wildcard benchmarks/*.py))

PAGE := src/aivc/service/page/index.html
PAGE_SOURCES := $(shell find web \( -path web/node_modules -o -path web/test-results -o -path web/e2e \) -prune -o -type f -name '[!.]*' ! -name '*.test.ts*' ! -name '*.md' -print)

.DELETE_ON_ERROR:
.PHONY: help app demo test test-all coverage lint docs page page-test bench lock clean

help:
	@sed -n 's/^#   //p' Makefile

# The page answers from the cell of the demo, which is made once. Without Node the service still runs, and says so.
app: $(VENV)/.platform
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory page; elif [ ! -f $(PAGE) ]; then \
	  echo "Node 20 or newer is not here, so the page cannot be built. The service starts without it: programs can ask" >&2; \
	  echo "its API. Install Node and run make app again, or use a released wheel, which carries the page." >&2; fi
	@test -f out/demo/cell/cell.json || $(BIN)/aivc demo --out out/demo
	@$(BIN)/aivc serve --cell out/demo/cell $(SERVE)

demo: $(VENV)/.plain
	@$(BIN)/aivc demo $(DEMO)

test: lint
	@echo "tests"
	@$(PYTEST) -m "$(TESTED)"

test-all: lint
	@echo "all tests"
	@$(PYTEST)

coverage: $(VENV)/.dev
	@$(PYTEST) -m "not slow" --cov

lint: $(VENV)/.dev
	@echo "style"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "Some files are not formatted. Run: $(BIN)/ruff format ." >&2; exit 1; }
	@echo "types"
	@$(BIN)/mypy
	@echo "layers"
	@$(BIN)/lint-imports

docs: $(VENV)/.docs
	@$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

page: $(PAGE)

$(PAGE): $(PAGE_SOURCES) web/node_modules/.package-lock.json
	@cd web && npm run --silent build
	@echo "$@"

web/node_modules/.package-lock.json: web/package-lock.json
	@command -v npm >/dev/null || { \
	  echo "The page is built with Node 20 or newer, and npm is not here. Install Node, or use a released wheel, which carries the page." >&2; \
	  exit 1; }
	@echo "installing what the page is built with"
	@cd web && npm ci --silent --no-audit --no-fund
	@touch $@

page-test: page $(VENV)/.dev
	@cd web && npm run --silent typecheck && npm run --silent test
	@AIVC_TEST_PAGE=1 $(PYTEST) tests/page

bench: $(VENV)/.plain
	@for script in $(BENCHMARKS); do echo "$$script"; $(BIN)/python "$$script" || exit 1; done
	@$(BIN)/python benchmarks/readme_table.py

# Without torch and what belongs to it: it goes in first, and differs from machine to machine.
lock: $(VENV)/.dev
	@$(PIP) uv
	@$(BIN)/uv pip compile -q pyproject.toml --extra dev --extra docs --python-version 3.11 --universal --no-header \
	  --no-annotate --no-emit-index-url | grep -Ev '^(torch|triton|nvidia-|cuda-)' > requirements-dev.lock
	@echo "requirements-dev.lock"

clean:
	@rm -rf $(VENV) out build dist docs/_build src/aivc/service/page web/node_modules .coverage .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# Stamps: a step runs again only when what it installs has changed.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "aivc needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1 || echo missing)." >&2; \
	  echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "Python could not make $(VENV). Its venv module may be a package of its own (python3-venv)." >&2; exit 1; }
	@touch $@

$(VENV)/.torch: $(VENV)/.made
	@echo "installing $(TORCH) (the largest download)"
	@$(PIP) "$(TORCH)" || { \
	  echo "$(TORCH) could not be installed for this Python and machine. aivc runs with torch 2.6 to 2.13:" >&2; \
	  echo "name one that your package index has, for example: make TORCH=torch==2.6.0 $(MAKECMDGOALS)" >&2; exit 1; }
	@touch $@

$(VENV)/.plain: $(VENV)/.torch pyproject.toml
	@echo "installing aivc"
	@$(PIP) -e .
	@touch $@

$(VENV)/.platform: $(VENV)/.torch pyproject.toml
	@echo "installing aivc with its service"
	@$(PIP) -e ".[platform]"
	@touch $@ $(VENV)/.plain

$(VENV)/.dev: $(VENV)/.torch pyproject.toml
	@echo "installing aivc with the tools of its developers"
	@$(PIP) -e ".[dev]"
	@touch $@ $(VENV)/.plain $(VENV)/.platform

$(VENV)/.docs: $(VENV)/.torch pyproject.toml
	@echo "installing aivc with the tools of its documentation"
	@$(PIP) -e ".[docs]"
	@touch $@ $(VENV)/.plain
