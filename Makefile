# Every target sets up what it needs; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
BIN := .venv/bin
ARGS ?=
WORKERS ?= 4

.PHONY: help setup demo test lint types imports docs check pytest clients bench dist lock format clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

setup: ## virtual environment with the locked dependencies (does nothing when up to date)
	@scripts/setup.sh

demo: setup ## work in a simulated cloud while workers die: make demo ARGS="--once --json"
	@scripts/system_packages.sh bubblewrap || true
	@$(BIN)/afield demo $(ARGS)

test: lint types imports docs pytest ## everything that has to pass

check: lint types imports docs ## everything but the tests

lint: setup ## ruff: rules and format
	@echo "== ruff" && $(BIN)/ruff check . && $(BIN)/ruff format --check .

types: setup ## mypy, strict
	@echo "== mypy" && $(BIN)/mypy && $(BIN)/mypy scripts tests/project conftest.py

imports: setup ## import-linter: who may import whom
	@echo "== import contracts" && $(BIN)/lint-imports

docs: setup ## build the site into site/, every link checked
	@echo "== docs" && NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --clean

pytest: setup ## the tests alone: make pytest ARGS="-k plan"
	@scripts/system_packages.sh bubblewrap openssh-client openssh-server || true
	@scripts/clients.sh
	@echo "== pytest" && $(BIN)/pytest -n $(WORKERS) --dist worksteal $(ARGS)

clients: setup ## other people's clients, for the tests that need them
	@scripts/clients.sh

.venv-bench/.stamp: requirements/bench.txt
	@rm -rf .venv-bench && $(BIN)/python -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

bench: setup .venv-bench/.stamp ## all benchmarks, beside their peers: make bench ARGS=--small
	@scripts/system_packages.sh redis-server || true
	@set -e; for name in throughput calls crash runbook detect sandbox execute leases provision responsive chat; do echo "== $$name"; \
	  $(BIN)/python -m benchmarks.$$name --json $(if $(findstring --small,$(ARGS)),,--save) $(ARGS); done
	@$(if $(findstring --small,$(ARGS)),true,$(BIN)/python -m benchmarks.report)

dist: setup ## a wheel in dist/
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist .

lock: setup ## new lock files from pyproject.toml: make lock ARGS=--upgrade
	@scripts/lock.sh $(ARGS)

format: setup ## let ruff put everything in order
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

clean: ## remove everything that was made, the virtual environment too
	rm -rf .venv .venv-* dist build site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
