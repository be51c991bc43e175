# Gatehouse. `make` alone prints this help.
# 3.11, 3.12 and 3.13 are tested.
PYTHON ?= $(shell command -v python3.11 || command -v python3.13 || command -v python3.12 || echo python3)
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Without its compiled modules every command takes twice as long.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help env run serve test lint demo bench growth interop e2e site pictures load memory mutants lock clean

help: ## Print this help
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

env: $(STAMP) ## Make the environment in .venv from the lock file, and nothing else

PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes

$(STAMP): requirements/dev.txt requirements/installer.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (set PYTHON=…)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) -r requirements/installer.txt
	$(PIP_INSTALL) -r requirements/dev.txt
	@touch $@

run: env ## Host a demo server on 127.0.0.1:8000: two people, one MCP server, one agent
	@PORT=$(PORT) exec $(BIN)/python manage.py run

serve: env ## Serve on 127.0.0.1:PORT with the environment as given, without demo data
	@PORT=$(PORT) exec $(BIN)/python manage.py serve

test: env ## Run the tests; needs no service
	$(BIN)/python -m pytest -n auto

lint: env ## Format, style, types, import contracts, missing migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/mypy

demo: env ## Watch real MCP clients get tokens here and call a real MCP server
	$(BIN)/python -m demo.run

interop: env ## Run the official SDKs, the conformance suite and each how-to against a running server (needs Node >= 20 for npm, nginx, Caddy and systemd)
	$(BIN)/python -m pytest -n 2 -m interop tests/interop tests/how_to -p no:randomly

e2e: env ## Drive a real browser (Debian's Chromium) through sign-in, consent and console
	$(BIN)/python -m pytest -n 2 -m e2e tests/e2e

site: env ## Build the documentation's site into var/site (TAGS="…" builds older versions beside it)
	$(BIN)/python -m tools.site $(TAGS)

pictures: env ## Take the pictures in docs/images again in that browser
	PICTURES=1 $(BIN)/python -m pytest -m e2e tests/e2e/test_pictures.py

bench: env ## Measure beside others and a ceiling in one run (needs wrk, Node and PostgreSQL: BENCH_POSTGRES=url)
	$(BIN)/python -m tests.bench.peers
	$(BIN)/python -m tests.bench.round_trips
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.pages
	$(BIN)/python -m tests.bench.audit

growth: env ## Measure databases with a million and ten million audit events beside an empty one (half an hour; BENCH_SIZES=…)
	$(BIN)/python -m tests.bench.growth

load: env ## A minute of all grants at once (70/15/10/5), one of 64 slow clients (slowloris), a hundred kills and twenty power cuts under load: each received token has its event (KILLS=n CUTS=n)
	$(BIN)/python -m tests.load $(or $(KILLS),100) $(or $(CUTS),20)

memory: env ## A million tokens at one server: the memory of its workers stays the same (ten minutes; TOKENS=n)
	$(BIN)/python -m tests.load.memory $(TOKENS)

mutants: env ## Break the policy engine in thousands of ways: its tests notice at least nine of ten (PATTERN=…)
	$(BIN)/python -m tests.mutants $(if $(PATTERN),'$(PATTERN)')

# For each Python from 3.11 on: what only some of them need has a marker.
UV_COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-annotate --custom-compile-command "make lock"

lock: ## Pin all requirements by hash (needs uv and npm)
	cd tests/interop && npm install --package-lock-only
	cd tests/bench/oidc_provider && npm install --package-lock-only
	$(UV_COMPILE) pyproject.toml -o requirements/runtime.txt
	$(UV_COMPILE) pyproject.toml requirements/dev.in -o requirements/dev.txt
	for name in installer build docs interop-mcp1 interop-mcp2 mutants schemathesis envoy scim; do \
	  $(UV_COMPILE) requirements/$$name.in -o requirements/$$name.txt || exit 1; done

clean: ## Remove the environment and the demo's data
	rm -rf $(VENV) var
