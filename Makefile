# netnsmgr: everything that a developer does.  `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.stamp
# How many test processes; the tests make their own namespaces and do not meet.  More than processors: they wait a lot,
# for detections of duplicate addresses, for leases, for packets that shall not come.
WORKERS ?= 6
# Extra arguments for pytest: make test ARGS='-k dhcp -x'
ARGS    ?=
# Whether "make test" boots the virtual machine for the tests of "make fullkernel", too.
FULLKERNEL ?= yes
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Compiled modules are kept, whatever the environment says: the tests start hundreds of daemons and commands, each of which
# would compile netnsmgr for itself, a second of processor time for each lab.
export PYTHONDONTWRITEBYTECODE :=

# The first interpreter that is new enough and can make a virtual environment; the system's own is preferred,
# because it is the one that a packaged netnsmgr would run on.
FIND_PYTHON = for p in $(PYTHON) /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do \
  "$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## Debian packages that are missing (as root; otherwise says which)
	@packaging/debian-packages.sh

# A phony order-only prerequisite: packages are looked at each time, the environment is rebuilt only when one
# of its two files changed.
$(STAMP): pyproject.toml constraints.txt | deps
	@python=$$($(FIND_PYTHON)); \
	[ -n "$$python" ] || { echo 'no python >= 3.11 with venv: apt-get install python3 python3-venv' >&2; exit 1; }; \
	echo "virtual environment: $$python -> $(VENV)"; \
	"$$python" -m venv --clear $(VENV)
	@# The build backend first and by the same pins, so that nothing is fetched unpinned behind our back.
	$(BIN)/pip install -qq -c constraints.txt hatchling editables
	$(BIN)/pip install -qq -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@

.PHONY: venv
venv: $(STAMP) ## the virtual environment .venv with netnsmgr and all tools

.PHONY: demo
demo: $(STAMP) ## the whole scenario in plain namespaces made for it: what is expected of each row, and what is seen
	@$(BIN)/python -m poc $(ARGS)

.PHONY: poc-up
poc-up: $(STAMP) ## the lab in docker: a container for each host and application (poc/README.md)
	@poc/image.sh
	@$(BIN)/python -m poc.containers prepare
	@poc/compose.sh up --detach --remove-orphans
	@$(BIN)/python -m poc.containers wait
	@echo "The lab is up.  Look around: export DOCKER_HOST=$$(poc/engine.sh); docker exec -it zedbox netnsmgr get"

.PHONY: poc-test
poc-test: $(STAMP) ## check the whole scenario in the lab, row by row
	@$(BIN)/python -m poc --in docker $(ARGS)

.PHONY: poc-down
poc-down: ## take the lab down again
	@poc/down.sh

.PHONY: test
test: $(STAMP) ## all tests: unit, golden, kernel, scenarios; on the full kernel, too, where it is installed
	@# A file in one process: its tests share a device, which takes seconds to make.  In the order of tests/conftest.py.
	@failed=0; \
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS) || failed=$$?; \
	[ $(FULLKERNEL) = no ] || $(BIN)/python -m tests.fullkernel --where-possible $(ARGS) || failed=$$?; \
	exit $$failed

.PHONY: fullkernel
fullkernel: $(STAMP) ## tests that need Debian's kernel, in a virtual machine of their own
	@packaging/debian-packages.sh --fullkernel
	@$(BIN)/python -m tests.fullkernel $(ARGS)

.PHONY: again
again: $(STAMP) ## delete an instance and make it again, a thousand times in a row; counts what is left behind (15 minutes)
	NETNSMGR_CYCLES=1000 $(BIN)/pytest -s tests/scenarios/test_again.py $(ARGS)

.PHONY: unit
unit: $(STAMP) ## only the tests that need no kernel (seconds)
	$(BIN)/pytest tests/unit tests/golden $(ARGS)

.PHONY: lint
lint: $(STAMP) ## ruff check, ruff format --check, mypy --strict
	@# All of them, even if the first complains.
	@failed=0; \
	for tool in 'ruff check .' 'ruff format --check .' mypy; do $(BIN)/$$tool || failed=1; done; \
	exit $$failed

.PHONY: format
format: $(STAMP) ## let ruff format and repair what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: fuzz
fuzz: $(STAMP) ## what reads others' bytes, 20 seconds of atheris for each reader (ARGS='--seconds 300 config')
	@# Where no wheel of it fits, the program says that it did nothing.
	@$(BIN)/pip install -qq -c constraints.txt --only-binary :all: atheris 2>/dev/null || true
	@$(BIN)/python -m tests.fuzz $(ARGS)

.PHONY: faults
faults: $(STAMP) ## each system call of what keeps the configuration is the last, fails, or is followed by a power failure
	@$(BIN)/python -m tests.faults

.PHONY: bench
bench: $(STAMP) ## measure, beside the same work by a shell script; prints a table, writes JSON
	@$(BIN)/python -m tests.bench $(ARGS)

.PHONY: chaos
chaos: $(STAMP) ## kill processes at random moments of changes for two minutes; make chaos ARGS='--seed 7 --seconds 600'
	@$(BIN)/python -m tests.chaos $(ARGS)

.PHONY: floods
floods: $(STAMP) ## an application floods what all share, ten ways; what its neighbours have of it (two minutes)
	@$(BIN)/python -m tests.floods $(ARGS)

.PHONY: diagrams
diagrams: $(STAMP) ## draw diagrams/ anew: the scenario, its processes and items, the architecture (no root, no daemon)
	@$(BIN)/python poc/diagrams.py

.PHONY: constraints
constraints: deps ## renew constraints.txt with the newest versions of everything
	@python=$$($(FIND_PYTHON)); rm -rf build/constraints; "$$python" -m venv build/constraints
	build/constraints/bin/pip install -qq hatchling editables
	build/constraints/bin/pip install -qq --no-build-isolation -e '.[dev,fuzz]'
	@{ echo "# The exact versions that netnsmgr is built and tested with.  Renew with: make constraints"; \
	  build/constraints/bin/pip freeze --exclude-editable; } > build/constraints.txt
	@mv build/constraints.txt constraints.txt; rm -rf build/constraints; echo "constraints.txt renewed"

.PHONY: clean
clean: ## remove the virtual environment, caches and build products
	@# An engine of the lab's own works in build/.
	@[ ! -d build/poc ] || poc/down.sh
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
