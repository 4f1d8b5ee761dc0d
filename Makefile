# make run      start Tokonomics (ARGS="--port 9000 --host 0.0.0.0 --workers 4 --data-dir /srv/tokonomics")
# make test     run every test (ARGS="-k name" for some of them)
# make lint     style, types, layers, missing migrations
# make bench    measure beside the peers, for half an hour (QUICK=1: minutes; SAVE=1 writes docs/benchmarks.md; ARGS="plain stream")
# make clients  install unmodified clients and run each through the product; writes docs/clients.md (ARGS="codex openai-node")
# make lock     resolve requirements/*.in again
# make clean    forget the virtualenv and all caches; your data in var/ stays

SHELL := /bin/sh
.DELETE_ON_ERROR:
.PHONY: run test lint bench bench-peers clients lock clean venv dev system-packages

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
# The lock is whole: nothing is left to resolve, and a release made since cannot be preferred to what is locked.
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --quiet --require-hashes --no-deps
ARGS ?=

# `exec`, so that a signal to make reaches the product; `--with-parent`, so that it stops even if make is killed.
run: venv
	@exec $(BIN)/python manage.py up --with-parent $(ARGS)

test: dev system-packages
	@exec $(BIN)/python -m pytest --numprocesses 2 --dist loadgroup $(ARGS)

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy tokonomics proxy alerts budgets tenants
	$(BIN)/lint-imports
	DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python manage.py makemigrations --check --dry-run

bench: dev bench-peers
	@exec $(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(if $(SAVE),--save) $(ARGS)

# Each in an environment of its own; what cannot be installed is left out of the tables.
PEERS := .cache/bench
# On Node 18 and later the headers of a fetched reply cannot be changed, which its streams do: it gets a copy to change.
PATCH_PORTKEY := sed -i 's/,this\.updateHeaders(i,n\.cacheStatus,o)/,i=new Response(i.body,i)&/' $(PEERS)/portkey/node_modules/@portkey-ai/gateway/build/start-server.js
bench-peers:
	@command -v nginx >/dev/null || apt-get install -qq -y --no-install-recommends nginx-light >/dev/null || echo "nginx is left out"
	@test -e $(PEERS)/hardcap/.done || { $(PYTHON) -m venv $(PEERS)/hardcap && $(PEERS)/hardcap/bin/pip install --quiet hardcap==0.1.0 && touch $(PEERS)/hardcap/.done; } || echo "hardcap is left out"
	@test -e $(PEERS)/litellm/.done || { $(PYTHON) -m venv $(PEERS)/litellm && $(PEERS)/litellm/bin/pip install --quiet 'litellm[proxy]==1.106.2' && touch $(PEERS)/litellm/.done; } || echo "LiteLLM is left out"
	@test -e $(PEERS)/portkey/.done || { mkdir -p $(PEERS)/portkey && npm install --silent --no-audit --no-fund --ignore-scripts --prefix $(PEERS)/portkey @portkey-ai/gateway@1.15.2 && $(PATCH_PORTKEY) && touch $(PEERS)/portkey/.done; } || echo "Portkey is left out"

# Each in an environment of its own below .cache/clients; what cannot be installed is named in the table.
clients: dev
	@exec $(BIN)/python -m benchmarks.clients $(ARGS)

# --- What they need, made once and again when the lock changes ----------------------------------------------------------
venv: $(VENV)/.installed
dev: $(VENV)/.installed-dev

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Tokonomics needs Python 3.11 or later; $(PYTHON) is older or missing. Try: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Making a virtualenv in $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV) || \
	  { rm -rf $(VENV); echo "Python's venv module is missing (on Debian: apt-get install python3-venv)." >&2; exit 1; }

$(VENV)/.installed: requirements/runtime.txt | $(BIN)/python
	@echo "Installing what Tokonomics runs on (about a minute)"
	@$(PIP) -r $<
	@touch $@

$(VENV)/.installed-dev: requirements/dev.txt $(VENV)/.installed
	@echo "Installing what the tests need (about a minute)"
	@$(PIP) -r $<
	@touch $@

system-packages:
	@.ci/system-packages

# --- Rarely -------------------------------------------------------------------------------------------------------------
COMPILE := .cache/lock/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --python-version 3.11
lock:
	$(PYTHON) -m venv .cache/lock
	.cache/lock/bin/python -m pip install --quiet uv
	$(COMPILE) requirements/runtime.in --output-file requirements/runtime.txt
	$(COMPILE) requirements/dev.in --constraints requirements/runtime.txt --output-file requirements/dev.txt

clean:
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
