# Everything a fresh clone needs: `make demo` and `make test`. The first call builds .venv, later ones find the stamp.
#   demo  the real daemon on a copy of sample_memory/     test  the tests, some ten minutes on two cores
#   slow  the tests that take longer                      bench the table of measures
#   sweep every death in every story, 40 minutes
#   systemd  the service in booted Debians (root, debootstrap and systemd-nspawn; else it says what is missing)
#   bare  `make demo` and `make test` on a machine with Python and make alone (a container; half an hour)
#   clis  the command lines of real agents, from npm into build/clis, against a stand-in for their models
#   browser  the web pages in Chromium (apt), with axe (npm)
#   editors  yaml-language-server and pre-commit, installed into build/ and asked
#   fuzz  every reader, for minutes                       soak  load and faults at once, 15 minutes or SOAK_S seconds
#   bench-long  the measures up to 100,000 tasks          bench-peers  those of the others
#   lint  types  floors  spec   and   check = all four and test        venv  clean

SHELL := /bin/bash
# Tests start hundreds of processes: what these import is compiled once, also where an image says otherwise.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin
STAMP := .venv/.executord-stamp
UV := $(shell command -v uv 2>/dev/null)
# The first Python that is new enough; `make PYTHON=python3.12 test` chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# One list of what `make test` leaves out, also for `make spec`.
SELECTION = $(shell $(BIN)/python -c 'from tests.spec_report import SELECTION; print(SELECTION)')
RUNNABLE := slow and not sweep and not systemd and not browser and not real_cli

.DEFAULT_GOAL := test
.PHONY: demo test slow sweep fuzz soak systemd bare clis browser editors lint types floors spec bench bench-long bench-peers check venv clean

venv: $(STAMP)

# uv with the committed lock where it is there; else venv and pip with the versions of the same lock, which take the
# tools from the same list in pyproject.toml (pip before 25.1 knows no dependency groups).
$(STAMP): pyproject.toml uv.lock
ifneq ($(UV),)
	$(UV) sync --frozen
else
	@test -n "$(PYTHON)" || { echo "executord needs Python 3.11 or newer: install python3.11 and python3-venv" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"], sep="\n")' \
		> .venv/dev-requirements.txt
	$(BIN)/python -c 'import collections, tomllib; \
		found = [(p["name"], p["version"]) for p in tomllib.load(open("uv.lock", "rb"))["package"] if "registry" in p["source"]]; \
		n = collections.Counter(name for name, _ in found); \
		print(*(f"{name}=={version}" for name, version in found if n[name] == 1), sep="\n")' > .venv/constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e . -r .venv/dev-requirements.txt \
		-c .venv/constraints.txt
endif
	@touch $@

demo: $(STAMP)
	$(BIN)/executord demo

test: $(STAMP)
	$(BIN)/python -m pytest -n auto -m "$(SELECTION)"

# 5: nothing was selected, which is no fault.
slow: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "$(RUNNABLE)" || test $$? -eq 5

# Every death in every story: two thirds of an hour on two cores. EXECUTORD_SWEEP=3/10 runs the third tenth.
sweep: $(STAMP)
	$(BIN)/python -m pytest -q -n 2 -m sweep || test $$? -eq 5

# Puts tools and images in place first, if it may; a test that cannot be run here is skipped with its reason.
systemd: $(STAMP)
	$(BIN)/python -m tests.systemd.machine
	$(BIN)/python -m pytest -m "systemd and not slow" -n 2 tests/systemd

# The two commands of README where nobody has installed anything.
bare: $(STAMP)
	$(BIN)/python -m pytest -m "systemd and slow" -rA tests/systemd/test_bare.py

# Into a folder of the build, never for the whole machine; without npm, or without its registry, what is missing is skipped.
CLIS ?= @anthropic-ai/claude-code @openai/codex @google/gemini-cli opencode-ai
clis: $(STAMP)
	mkdir -p build/clis
	npm install --prefix build/clis --no-save --no-audit --no-fund --loglevel=error $(CLIS) \
		|| echo "npm could not install them all: what is not there is skipped" >&2
	$(BIN)/python -m pytest -m real_cli tests/real/test_clis.py

# Puts Chromium, playwright-core and axe-core in place first, if it may; without them the tests say what is missing.
browser: $(STAMP)
	$(BIN)/python -m tests.web.browser
	$(BIN)/python -m pytest -m browser tests/web

# What editors and git run: the language server (needs node), pre-commit; into build/, and then really asked.
EDITORS := build/editors
editors: $(STAMP)
	-npm install --silent --no-audit --no-fund --prefix $(EDITORS) yaml-language-server@1.25.0
	-$(PYTHON) -m venv $(EDITORS)/venv && $(EDITORS)/venv/bin/pip install --quiet "pre-commit>=4,<5"
	$(BIN)/python -m pytest tests/test_editors.py

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

floors: $(STAMP)
	$(BIN)/lint-imports

spec: $(STAMP)
	$(BIN)/python -m tests.spec_report

# So many seconds of CPU for each reader, with ever new examples. EXECUTORD_FUZZ=3/17 tries every 17th from the third on.
FUZZ_S ?= 10
fuzz: $(STAMP)
	EXECUTORD_FUZZ_S=$(FUZZ_S) $(BIN)/python -m pytest -n 2 -rP tests/test_fuzz.py tests/test_readers_fuzz.py \
		tests/test_session_fuzz.py tests/test_kept_fuzz.py

# Seconds of load and faults; then everything has to come to its end.
SOAK_S ?= 900
soak: $(STAMP)
	SOAK_S=$(SOAK_S) $(BIN)/python -m tests.soak

bench: $(STAMP)
	$(BIN)/python -m tests.bench

# Up to 100,000 tasks: an hour or so.
bench-long: $(STAMP)
	$(BIN)/python -m tests.bench --long

# Those of the others that pip can install, each in a venv that is gone afterwards.
bench-peers: $(STAMP)
	$(BIN)/python -m tests.bench.peers

check: lint types floors test spec

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find daemon tests -name __pycache__ -type d -prune -exec rm -rf {} +
