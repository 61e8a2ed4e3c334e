# `make run` and `make test` are all a newcomer needs; `make help` lists the rest.

PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$name && break; done)
VENV := .venv
RUN := $(VENV)/bin/python
STATIC_SOURCES := $(shell find static -type f 2>/dev/null)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help run serve install install-dev test quick check format bench lock screenshots vendor clean

help: ## What there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: install ## Install what is missing, prepare the store, serve on PORT (8000)
	@exec $(RUN) manage.py start

serve: install ## As run, with several processes: make serve WORKERS=4
	@exec $(RUN) manage.py start $(if $(WORKERS),--workers $(WORKERS))

install: $(VENV)/installed staticfiles/collected ## Virtual environment, requirements, static files

# An environment whose Python was upgraded away is of no use, and its stamps are not true any more.
BROKEN := $(shell test ! -d $(VENV) || $(VENV)/bin/python -c '' 2>/dev/null || rm -rf $(VENV))

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Chatcore needs Python 3.11 or newer, and found none on the PATH." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
		echo "Python's venv module is missing. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/installed: requirements.txt | $(VENV)/bin/python
	@echo "Installing requirements ..."
	@$(RUN) -m pip install --quiet --require-hashes -r requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed
	@echo "Installing what tests and checks need ..."
	@$(RUN) -m pip install --quiet --require-hashes -r requirements-dev.txt
	@touch $@

staticfiles/collected: $(VENV)/installed $(STATIC_SOURCES) chatcore/static.py
	@$(RUN) manage.py collectstatic --noinput --clear --verbosity 0 --skip-checks
	@touch $@

install-dev: $(VENV)/installed-dev

test: install install-dev ## Every suite: SQLite, MongoDB, Valkey, both going away, JavaScript, AI SDK, browser
	@$(RUN) -m tests.run all

quick: install install-dev ## SQLite and JavaScript only, in under a minute
	@$(RUN) -m tests.run quick

check: install install-dev ## Style, types, import layers, migrations, deployment settings
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy .
	$(VENV)/bin/lint-imports --no-logo
	$(RUN) -m tests.run deployment

format: install-dev ## Put the code into shape
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: install install-dev ## Measure
	@for script in benchmarks/[a-z]*.py; do \
		$(RUN) -m benchmarks.$$(basename $$script .py) || exit 1; done

lock: install-dev ## Pin requirements.in and requirements-dev.in anew
	for name in requirements requirements-dev; do \
		$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--no-header --upgrade $$name.in --output-file $$name.txt || exit 1; done

screenshots: install install-dev ## Take the pictures of the docs anew
	$(RUN) tools/screenshots.py

vendor: ## Fetch the front-end libraries anew (needs npm)
	python3 tools/vendor.py

clean: ## Remove what make made; DATA_DIR stays
	rm -rf $(VENV) staticfiles .mypy_cache .ruff_cache .pytest_cache
