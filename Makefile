# `make` alone tells what there is. Everything runs from .venv, made from requirements.lock.

SHELL := /bin/sh
BIN := .venv/bin
STAMP := .venv/.installed
# The newest of these that is installed and not too old; PYTHON=… overrides.
PYTHON ?= $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11,$(shell \
	$(p) -c 'import sys; sys.version_info >= (3, 11) and print("$(p)")' 2>/dev/null)))

# The wheel's own advice to upgrade costs a request at every run.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Two tests at a time.
PYTEST := $(BIN)/pytest -q --numprocesses 2

.DEFAULT_GOAL := help
.PHONY: help demo test check static style mypy pyright unit format generate lock clean

help: ## what there is
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 10

demo: $(STAMP) ## the whole bus on this machine, with simulated agencies (ARGS="…" for options)
	@$(BIN)/liandong demo $(ARGS)

# Side by side: none of these three keeps two cores busy.
check: style ## style, types, architecture, and the tests that need no engine: under a minute
	@$(MAKE) --no-print-directory --jobs 3 --output-sync mypy pyright unit

# The tests of a file share their engines, so they run in one process, and those with engines, which take long, come first.
test: static ## everything, on a real Kafka and PostgreSQL
	@$(PYTEST) --dist loadfile --no-loadscope-reorder tests/e2e tests/faults tests/integration tests/unit tests/contract

static: style ## style, types and architecture only
	@$(MAKE) --no-print-directory --jobs 2 mypy pyright

style: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

mypy pyright: $(STAMP)
	@$(BIN)/$@

unit: $(STAMP)
	@$(PYTEST) --hypothesis-profile quick tests/unit tests/contract

format: $(STAMP) ## put the style right
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

generate: $(STAMP) ## schemas, reference pages and the README's table, drawn afresh from code and contracts
	@$(BIN)/python -m contracts.schemas --write
	@$(BIN)/python -m services.kernel.reference docs/reference
	@$(BIN)/python -m contracts.clock_reference docs/reference/clocks.md
	@$(BIN)/python -m contracts.registry_reference docs/reference/agencies.md
	@$(BIN)/python -m contracts.crosswalk_reference docs/reference/crosswalk.md
	@$(BIN)/python -m contracts.seeds docs/reference/seeds.md
	@$(BIN)/python -m contracts.hops README.md README.zh-CN.md

lock: $(STAMP) ## resolve all versions afresh: requirements.lock and Kafka's jars.lock
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --upgrade --quiet \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-header -o requirements.lock
	@$(BIN)/python -m connectors.kafka.jars

clean: ## remove .venv and the tools' caches; data and fetched engines stay
	@rm -rf .venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

$(STAMP): requirements.lock pyproject.toml
	@command -v "$(PYTHON)" >/dev/null && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'Python 3.11 or newer is needed: install it, or say which one: make PYTHON=/path/to/python3' >&2; exit 1; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	@echo 'installing from requirements.lock'
	@$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps --no-index --editable .
	@touch $(STAMP)
