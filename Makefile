# make run      start Tokonomics (ARGS="--port 9000 --host 0.0.0.0 --workers 4 --data-dir /srv/tokonomics")
# make test     run every test (ARGS="-k name" for some of them)
# make lint     style, types, layers, missing migrations
# make lock     resolve requirements/*.in again
# make clean    forget the virtualenv and all caches; your data in var/ stays

SHELL := /bin/sh
.DELETE_ON_ERROR:
.PHONY: run test lint lock clean venv dev system-packages

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --quiet --require-hashes
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
