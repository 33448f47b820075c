# etude: `make help` lists the targets.
PYTHON ?= python3.11
BIN := .venv/bin
# uv does not read pip's find-links; without it a local build of torch is passed over for a far larger one
UV_VERSION := 0.13.9
UV := UV_FIND_LINKS="$${PIP_FIND_LINKS:-}" $(BIN)/uv pip install --python $(BIN)/python --quiet
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"
# compiled modules are kept even where the shell says not to: else each process compiles torch, Lightning and MLflow
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

.PHONY: help repro full test verify ui lint lock clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

repro: $(BIN)/.installed ## rebuild everything that is out of date: data, models, reports (JOBS=... stages side by side)
	$(RUN) etude rebuild jobs=$(JOBS)

full: $(BIN)/.installed ## train all models at full size, in a folder below runs/: hours on a CPU, minutes on a GPU
	$(RUN) ETUDE_CPU=native etude all experiment=full

test: $(BIN)/.installed-test ## lint, types and tests
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) pytest

verify: $(BIN)/.installed ## compare the results on disk with the committed ones, stage by stage
	$(RUN) etude verify

ui: $(BIN)/.installed ## show the project's runs in MLflow, on 127.0.0.1:5000 (PORT=... for another port)
	$(RUN) etude track
	$(RUN) etude ui port=$${PORT:-5000}

lock: $(BIN)/uv ## write requirements.lock anew from pyproject.toml
	UV_FIND_LINKS="$${PIP_FIND_LINKS:-}" $(BIN)/uv pip compile --quiet --upgrade --no-header --no-annotate --extra test \
		pyproject.toml -o requirements.lock
	sed -i 's/+cpu$$//' requirements.lock

clean: ## remove the environment; results and runs stay
	rm -rf .venv

$(BIN)/uv:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(BIN)/.installed: $(BIN)/uv requirements.lock pyproject.toml
	$(UV) setuptools==$$(sed -n 's/^setuptools==//p' requirements.lock)
	$(UV) --no-build-isolation-package etude --constraint requirements.lock --editable .
	@touch $@

$(BIN)/.installed-test: $(BIN)/.installed
	$(UV) --no-build-isolation-package etude --constraint requirements.lock --editable ".[test]"
	@touch $@
