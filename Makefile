# HashQuant: one virtual environment, .venv, made once and used by every target.
# Another interpreter: make setup PYTHON=/path/to/python3.12
PYTHON ?= python3
PY := .venv/bin/python
# Names the set-up that these files ask for, in this place; `setup` has nothing to do while it stands.
READY := .venv/.ready-$(shell { pwd; cat requirements.lock pyproject.toml; } | cksum | tr ' ' '-')
# Holds the process that is filling .venv, so that two set-ups never share it.
BUSY := .venv/.installing
# pip writes a package's RECORD last: one without it was interrupted, and pip would take it for installed.
INTACT := import sys, importlib.metadata as m; m.version('pip'); \
  sys.exit(any(d.read_text('RECORD') is None for d in m.distributions()))
# Whether `hashquant` is this checkout's: an older set-up, or another project's, may have left its own.
OURS := import importlib.util as u, os, sys; s = u.find_spec('hashquant'); \
  sys.exit(s is None or os.path.realpath(s.origin or '') != os.path.realpath(sys.argv[1]))
ENGINE := src/hashquant/__init__.py
MARKS := slow or gpu or browser

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow check bench lock clean

help:
	@echo "make setup      make .venv and install the pinned versions (done by every other target)"
	@echo "make demo       train, search and score OPQN, DCDH and GPQ at 16 to 48 bits, no download"
	@echo "make test       the tests: CPU, no network"
	@echo "make test-slow  the long tests; those on real images too where HASHQUANT_DATA names a folder"
	@echo "make check      format, lint, types, architecture"
	@echo "make bench      timed comparisons, a quarter of an hour; RESULTS.md last"
	@echo "make lock       write requirements.lock from .venv"
	@echo "make clean      remove caches; .venv, results and reports stay"

setup:
	@find src -depth -type d -name __pycache__ | while read -r left; do \
	  ls "$${left%/*}"/*.py >/dev/null 2>&1 || { rm -rf "$$left"; rmdir -p "$${left%/*}" 2>/dev/null; \
	    echo "setup: took away old bytecode in $${left%/*}, a folder that moved"; }; done; \
	if test -f $(READY) && $(PY) -c "$(OURS)" $(ENGINE) 2>/dev/null; then exit 0; fi; \
	if test -f $(READY) && $(PY) -c "" 2>/dev/null; then \
	  echo "setup: .venv holds another hashquant than this checkout's"; fi; \
	other=$$(cat $(BUSY) 2>/dev/null); \
	if test -n "$$other" && kill -0 "$$other" 2>/dev/null; then \
	  echo "setup: process $$other is filling .venv already: wait for it, or stop it" >&2; exit 1; fi; \
	if ! $(PY) -c "$(INTACT)" 2>/dev/null; then \
	  $(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null || { \
	    echo "setup: Python 3.11 or newer is needed, '$(PYTHON)' says: $$($(PYTHON) --version 2>&1);" \
	      "name another: make setup PYTHON=/path/to/python3.12" >&2; exit 1; }; \
	  echo "setup: making .venv with $$($(PYTHON) --version)"; \
	  rm -rf .venv && mkdir .venv && echo $$$$ > $(BUSY) && $(PYTHON) -m venv .venv || { \
	    echo "setup: '$(PYTHON) -m venv .venv' failed, see above" \
	      "(Debian and Ubuntu have it in the package python3-venv)" >&2; rm -rf .venv; exit 1; }; \
	fi; \
	echo $$$$ > $(BUSY) || exit 1; trap 'rm -f $(BUSY)' EXIT; rm -f .venv/.ready-*; \
	echo "setup: installing $$(grep -c == requirements.lock) pinned packages into .venv;" \
	  "on Linux torch brings its CUDA libraries, 5 GB in all: 2 to 15 minutes, once"; \
	$(PY) -m pip install -qq --disable-pip-version-check -r requirements.lock && \
	$(PY) -m pip install -qq --disable-pip-version-check --no-build-isolation --no-deps -e . || { \
	  echo "setup: pip failed, see above; the next 'make setup' goes on from here" >&2; exit 1; }; \
	touch $(READY) && echo "setup: done"

demo: setup
	$(PY) run_bench.py --methods opqn dcdh gpq --bits 16 24 36 48

test: setup
	$(PY) -m pytest -q --numprocesses auto --maxprocesses 4 --dist worksteal

test-slow: setup
	$(PY) -m pytest -q -m "$(if $(HASHQUANT_DATA),$(MARKS) or data,($(MARKS)) and not data)"

check: setup
	$(PY) -m ruff format --check -q .
	$(PY) -m ruff check -q .
	$(PY) -m mypy
	$(PY) -m pytest -q tests/test_architecture.py

bench: setup
	$(PY) benchmarks/speed/training.py --markdown benchmarks/speed/TRAINING.md
	$(PY) benchmarks/speed/profiling.py --markdown benchmarks/speed/PROFILE.md
	$(PY) benchmarks/speed/compiling.py --markdown benchmarks/speed/COMPILING.md
	$(PY) benchmarks/speed/streaming.py --markdown benchmarks/speed/STREAMING.md
	$(PY) benchmarks/speed/startup.py --markdown benchmarks/speed/STARTUP.md
	$(PY) benchmarks/speed/reports.py --markdown benchmarks/speed/REPORTS.md
	$(PY) benchmarks/speed/additive.py --markdown benchmarks/speed/ADDITIVE.md
	$(PY) benchmarks/speed/scoring.py --write

lock: setup
	@{ head -n 2 requirements.lock; \
	  $(PY) -m pip freeze --exclude hashquant | grep -viE '^(nvidia-|cuda-|triton|-e )' | LC_ALL=C sort -f; \
	} > requirements.lock.tmp && mv requirements.lock.tmp requirements.lock

clean:
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	find src methods datasets benchmarks tests -name __pycache__ -type d -prune -exec rm -rf {} +
