# Two commands on a fresh machine: `make demo` shows the main job, `make test` proves it. Both set up what they need.
RUNTIME ?= ollama
# Tests that run at once, whole files each; every one of them has its own Ollama where it needs one.
WORKERS ?= 2
PYTEST ?= .venv/bin/python -m pytest --numprocesses $(WORKERS) --dist loadfile
VERSION ?= 0.34.2

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo demo-page format lint test test-unit test-as-user test-long test-ollama check docs bench bench-full bench-gates bench-recipe bench-capture bench-teachers bench-feedback torture lock audit clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1:/p' $(firstword $(MAKEFILE_LIST)) | while IFS=: read -r target text; do printf '  %-12s %s\n' "$$target" "$$text"; done

setup: ## everything that demo and tests need, in .venv and in a build cache outside the checkout
	@scripts/setup

demo: ## the whole cycle on a small real model (RUNTIME=embedded: without Ollama)
	scripts/demo $(RUNTIME)

demo-page: setup ## the page on the demo's data: answers to judge and two versions to choose between, until Ctrl-C
	scripts/demo ollama --page

format: setup ## write every Python file as `make lint` wants it
	.venv/bin/ruff check --fix-only --quiet .
	.venv/bin/ruff format .

lint: setup ## formatting, faults that can be seen without running, types, import rules
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

test: setup ## all tests but the long ones, with a real Ollama where it can be had (ARGS="-k words" for some)
	$(PYTEST) -m "not long" --hypothesis-profile repeatable $(ARGS)

test-unit: setup ## the tests that take milliseconds, with fewer examples of each property (ARGS as above)
	env -u PYTHONDONTWRITEBYTECODE $(PYTEST) -m "not long" --hypothesis-profile quick tests/unit $(ARGS)

test-as-user: setup ## what touches files, as a user without rights; of use to root, who meets no permission
	env -u PYTHONDONTWRITEBYTECODE .venv/bin/python -m tests.support.as_user --numprocesses $(WORKERS) --dist loadfile $(ARGS)

test-long: setup ## the tests that take minutes: more real trainings, more quantisations (ARGS as above)
	$(PYTEST) -m long $(ARGS)

test-ollama: setup ## what talks to Ollama, against another release: make test-ollama VERSION=0.24.0
	ADAPTERD_OLLAMA="$$(scripts/ensure-ollama $(VERSION))" $(PYTEST) -m "ollama and not long" $(ARGS) tests/integration tests/acceptance

check: lint test-as-user test ## what has to pass before a change is merged: lint, then the tests, for root also as a user without rights

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
	.venv/bin/python -m bench.season
	.venv/bin/python -m bench.poison
	.venv/bin/python -m bench.poison_fresh
	.venv/bin/python -m bench.nll
	$(if $(WNUT17),.venv/bin/python -m bench.wnut17 "$(WNUT17)",@echo "left out: make bench-gates WNUT17=FOLDER")
	.venv/bin/python -m bench.tables

bench-recipe: setup ## first nights with no setting touched (DATA=FOLDER with wnut17 and ms_foundry), mlx-lm beside one, a second one, parts left out, how nights grow, and what a sample costs
	.venv/bin/python -m bench.first_night $(if $(DATA),--data "$(DATA)")
	.venv/bin/python -m bench.growth
	$(if $(DATA),.venv/bin/python -m bench.sampling --data "$(DATA)",@echo "left out: make bench-recipe DATA=FOLDER")
	.venv/bin/python -m bench.peers_night
	.venv/bin/python -m bench.second_night
	.venv/bin/python -m bench.ablation
	.venv/bin/python -m bench.tables

bench-capture: setup ## what capture changes in answers and costs them, what kills cost it, how the page does
	.venv/bin/python -m bench.capture
	.venv/bin/python -m bench.capture_kills
	.venv/bin/python -m bench.review_queue
	.venv/bin/python -m bench.suggested_tags
	.venv/bin/python -m bench.page
	.venv/bin/python -m bench.tables

bench-teachers: setup ## what filters keep of a teacher's examples, how fast it is asked, what kills cost, how honest judges are
	.venv/bin/python -m bench.teachers_filters
	.venv/bin/python -m bench.teachers_speed
	.venv/bin/python -m bench.teachers_kills
	.venv/bin/python -m bench.teachers_judge
	.venv/bin/python -m bench.teachers_judge_looks
	.venv/bin/python -m bench.teachers_five
	.venv/bin/python -m bench.tables

bench-feedback: setup ## how feedback is read, kept and taken back (ARGS="--only ingest" for a part)
	.venv/bin/python -m bench.feedback $(ARGS)
	.venv/bin/python -m bench.tables

torture: setup ## killed, torn, filled up and raced: takes hours (ARGS="kill --kills 20" for a part, ARGS=--help)
	.venv/bin/python -m tests.torture $(ARGS)

lock: ## requirements.txt and scripts/tools.txt out of pyproject.toml (ARGS=--upgrade for newer versions)
	@scripts/lock $(ARGS)

audit: ## known vulnerabilities of the locked packages (pip-audit; asks PyPI)
	@scripts/audit

clean: ## what the checkout accumulated; builds outside it stay
	rm -rf .venv .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
