# etude: `make help` lists the targets.
# the first that starts: what a version manager puts in the path may stand for no installed Python
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13; do \
	if $$name -c "" 2>/dev/null; then echo $$name; break; fi; done)
BIN := .venv/bin
# uv does not read pip's find-links; without it a local build of torch is passed over for a far larger one
UV_VERSION := 0.13.9
UV := UV_FIND_LINKS="$${PIP_FIND_LINKS:-}" $(BIN)/uv pip install --python $(BIN)/python --quiet
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"
# compiled modules are kept even where the shell says not to: else each process compiles torch, Lightning and MLflow
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

.PHONY: help setup repro pop full test verify ui pack lock clean git

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: $(BIN)/.installed ## install etude and what it needs into .venv, and nothing else (PYTHON=... for another Python)
	@echo "etude: .venv has $$(du -sh .venv | cut -f1). Next: make repro, or: source .venv/bin/activate"

repro: git $(BIN)/.installed ## rebuild everything that is out of date: data, models, reports (JOBS=... stages side by side)
	$(RUN) etude rebuild jobs=$(JOBS)

git:
	@[ -e .git ] || git rev-parse --git-dir >/dev/null 2>&1 || grep -qs "no_scm = true" .dvc/config .dvc/config.local || { \
		echo "etude: $(CURDIR) is no git repository, and DVC, by which make repro works, needs one. Make one with" \
			"git init and go on, or run everything without DVC, into a folder below runs/, with: make setup, and" \
			".venv/bin/etude all" >&2; exit 2; }

pop: $(BIN)/.installed ## POP909 in, finished tracks out: tunes, a learned piano, a band, a mix; below runs/, within an hour (JOBS=...)
	$(RUN) ETUDE_JOBS=$${JOBS:-2} etude all experiment=pop

full: $(BIN)/.installed ## train all models at full size, in a folder below runs/: hours on a CPU, minutes on a GPU (JOBS=...)
	$(RUN) ETUDE_CPU=native ETUDE_JOBS=$${JOBS:-2} etude all experiment=full

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

pack: $(BIN)/.installed ## put voices and lstm_attention of make full into the package (RUN=the folder that it printed)
	@test -d "$(RUN)/models" || { echo "etude: name the folder that make full printed, as in: make pack RUN=runs/bach-276825ac" >&2; exit 1; }
	rm -rf src/etude/pretrained && mkdir src/etude/pretrained
	for name in voices lstm_attention; do \
		$(BIN)/python -c "import etude; etude.load('$(RUN)/models/$$name').save('src/etude/pretrained/$$name')" \
		&& cp $(RUN)/reports/cards/$$name.md src/etude/pretrained/$$name/README.md || exit 1; done

lock: $(BIN)/uv ## write requirements.lock from pyproject.toml, with the newest versions that it allows
	UV_FIND_LINKS="$${PIP_FIND_LINKS:-}" $(BIN)/uv pip compile --quiet --upgrade --no-header --no-annotate \
		--python-version 3.11 --extra test --extra sweep pyproject.toml -o requirements.lock
	sed -i 's/+cpu$$//' requirements.lock

clean: ## remove the environment; results and runs stay
	rm -rf .venv

$(BIN)/uv:
	@if [ -z "$(PYTHON)" ]; then \
		echo "etude needs Python 3.11, 3.12 or 3.13, and none of python3.11, python3.12 and python3.13 starts here." \
			"Install one of them, or name it: make setup PYTHON=/path/to/python" >&2; exit 2; fi
	@"$(PYTHON)" -c "" 2>/dev/null || { \
		echo "PYTHON=$(PYTHON) does not start. Name a Python 3.11, 3.12 or 3.13: make setup PYTHON=/path/to/python" >&2; \
		exit 2; }
	@"$(PYTHON)" -c "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))" || { \
		echo "PYTHON=$(PYTHON) is $$("$(PYTHON)" --version), and etude needs Python 3.11, 3.12 or 3.13." \
			"Name another: make setup PYTHON=/path/to/python" >&2; exit 2; }
	@echo "etude: installing into .venv with $$("$(PYTHON)" --version): about 1.7 GB, or 5.5 GB where torch comes with CUDA." \
		"On Linux it does; without a GPU take the smaller one: make setup UV_TORCH_BACKEND=cpu"
	@"$(PYTHON)" -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# hatchling is installed first and builds etude as it stands: an isolated build would fetch another release of it
$(BIN)/.installed: $(BIN)/uv requirements.lock pyproject.toml
	@echo "etude: installing the packages of requirements.lock, which takes a minute or a few"
	@$(UV) --constraint requirements.lock hatchling
	@$(UV) --no-build-isolation-package etude --constraint requirements.lock --editable .
	@touch $@

$(BIN)/.installed-test: $(BIN)/.installed
	@echo "etude: installing the packages of the tests"
	@$(UV) --no-build-isolation-package etude --constraint requirements.lock --editable ".[test]"
	@touch $@
