# Every target does its own set-up: a machine with Python 3.11 or newer and make is enough.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test fuzz peers check bench docs format lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kizuna needs Python 3.11 or newer; try: make PYTHON=python3.12 " + "$(MAKECMDGOALS)")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing locked dependencies into $(VENV) ..." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q src/kizuna # the first command starts as fast as the next
	@touch $@

setup: $(STAMP) ## own virtual environment with locked dependencies

demo: $(STAMP) ## build the demo world, judge it, break it, mend it
	@$(BIN)/kizuna demo --store .kizuna-demo

test: peers ## every test, real PostgreSQL, SoftHSM2 and software TPM included
	@$(BIN)/python -m pytest -n 2 -q --randomly-seed=1

fuzz: peers ## every property with twenty times the examples; takes hours
	@$(BIN)/python -m pytest -n 2 -q --fuzz 20

peers: $(STAMP) ## what tests talk to: swtpm, tpm2-tools, SoftHSM2, mosquitto, chromium, where it may install
	@$(BIN)/python tools/peers.py

check: $(STAMP) ## formatting, lint, types, import rules, generated files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python tools/messages.py --check
	@$(BIN)/python tools/reference.py --check
	@$(BIN)/python tools/openapi.py --check

bench: $(STAMP) ## figures as ratios of one run
	@$(BIN)/python -m benchmarks

docs: $(STAMP) ## the documentation as a site in site/, manual pages in site/man
	@$(BIN)/zensical build --clean
	@$(BIN)/python tools/manpages.py site/man
	@$(BIN)/python tools/manpages.py site/man --lang ja

format: $(STAMP) ## let ruff lay out the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: $(STAMP) ## renew requirements.lock and requirements-tpm.lock from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --extra all --group dev \
	  --generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements.lock
	@grep -o 'tpm2-pytss>=[0-9.]*' pyproject.toml | $(BIN)/uv pip compile - --quiet --universal \
	  --python-version 3.11 --constraint requirements.lock --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate -o requirements-tpm.lock

clean: ## remove everything that can be made again
	@rm -rf $(VENV) build dist site .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
