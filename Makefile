# Two commands on a fresh machine: `make demo` shows the main job, `make test` proves it. Both set up what they need.
RUNTIME ?= ollama
PYTEST ?= .venv/bin/python -m pytest
VERSION ?= 0.34.2

.PHONY: setup demo test test-quick test-ollama check docs bench bench-full bench-gates torture clean

setup: ## everything that demo and tests need, in .venv and in a build cache outside the checkout
	scripts/setup

demo: ## the whole cycle on a small real model (RUNTIME=embedded: without Ollama)
	scripts/demo $(RUNTIME)

test: setup ## all tests, with a real Ollama where it can be had
	$(PYTEST)

test-quick: setup ## the tests that take milliseconds
	$(PYTEST) tests/unit

test-ollama: setup ## what talks to Ollama, against another release: make test-ollama VERSION=0.24.0
	ADAPTERD_OLLAMA="$$(scripts/ensure-ollama $(VERSION))" $(PYTEST) -m ollama tests/integration tests/acceptance

check: setup ## formatting, lint, types, import rules, then all tests
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(MAKE) test

docs: setup ## the generated pages
	.venv/bin/python scripts/cli_reference.py
	.venv/bin/python scripts/format_reference.py
	.venv/bin/python scripts/config_reference.py
	.venv/bin/python scripts/metric_reference.py
	.venv/bin/python -m bench.tables

bench: setup ## measurements, as ratios against the peer on this machine
	.venv/bin/python -m bench

bench-full: setup ## every quantisation and size; goes on where it was interrupted, takes hours
	.venv/bin/python -m bench --full

bench-gates: setup ## how honest the gates are: simulations, a poisoned batch, a real task (WNUT17=FOLDER with its files)
	.venv/bin/python -m bench.gates
	.venv/bin/python -m bench.poison
	$(if $(WNUT17),.venv/bin/python -m bench.wnut17 "$(WNUT17)",@echo "left out: make bench-gates WNUT17=FOLDER")
	.venv/bin/python -m bench.tables

torture: setup ## killed, torn, filled up and raced: takes hours (ARGS="kill --kills 20" for a part, ARGS=--help)
	.venv/bin/python -m tests.torture $(ARGS)

clean: ## what the checkout accumulated; builds outside it stay
	rm -rf .venv .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
