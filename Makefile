# Every target works on a machine that has only Python 3.11+, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TORCH := torch==2.13.0

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-kneel demo-one-shot benchmarks paper-tables test test-slow lint types coverage format clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

setup: $(STAMP) ## Create .venv and install everything, pinned

# torch first and alone: its pin decides the build (CPU here, CUDA where the index offers it).
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[train,sr,export,demo,search,federated,dev]"
	@touch $(STAMP)

demo: $(STAMP) ## Simulate, train, evaluate and report (under 15 minutes on 2 cores)
	$(BIN)/monai-landmarks demo runs/demo

demo-kneel: $(STAMP) ## Both stages of KNEEL on simulated knees (under 20 minutes on 2 cores)
	$(BIN)/monai-landmarks demo-kneel runs/demo-kneel

demo-one-shot: $(STAMP) ## One annotated image, the others without (under 20 minutes on 2 cores)
	$(BIN)/monai-landmarks demo-one-shot runs/demo-one-shot

benchmarks: $(STAMP) ## Time every part, beside its limit or a peer (about an hour, on an idle machine)
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/regions.py
	$(BIN)/python benchmarks/latency.py

paper-tables: $(STAMP) ## The paper's tables on simulated images (30 minutes on 2 idle cores)
	$(BIN)/python benchmarks/paper_tables.py

test: lint types ## Lint, types, then the tests with coverage
	$(BIN)/python -m pytest -m "not slow" --cov --cov-report=term --cov-fail-under=90

test-slow: $(STAMP) ## The tests that take minutes
	$(BIN)/python -m pytest -m slow

lint: $(STAMP) ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## mypy
	$(BIN)/mypy

format: $(STAMP) ## Rewrite the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove the environment, caches and runs
	rm -rf $(VENV) runs .mypy_cache .ruff_cache .pytest_cache .coverage* dist
