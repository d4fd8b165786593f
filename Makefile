# make lab     opens the series in JupyterLab      make test       lints and runs every test and notebook
# make bench   measures speed                      make notebooks  runs the notebooks and writes their outputs
# make badges  renews badges and setup cells       make test-colab runs them with Colab's versions
# make book    builds the series as a site without kernel and network, in book/_build/html
# make slides  makes a deck to project from each notebook, in book/_build/slides
# make wheel   builds the wheel and tries it in an empty environment
# make test-slow   10,000 hostile inputs a part, kill -9, 100,000 lines; its figures are kept
# Each sets up .venv by itself the first time, and again only when the dependencies change.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
# What is installed depends on where the checkout is and on what it asks for.
KEY := $(shell (pwd; cat requirements.txt; sed '/^\[tool/,$$d' pyproject.toml) | cksum | tr -dc 0-9)
STAMP := $(VENV)/.installed-$(KEY)
# Stands while an install is under way: a .venv that still holds it was interrupted and is built anew.
UNFINISHED := $(VENV)/.unfinished
# Without its pyvenv.cfg, the python of a .venv is the machine's own, and pip would install there.
IS_A_VENV := $(PY) -c 'import pip, sys; sys.exit(sys.prefix == sys.base_prefix)' 2>/dev/null
# Moved away first: a removal that is interrupted must not leave a .venv that looks whole.
DISCARD := rm -rf $(VENV).partial; [ ! -e $(VENV) ] || mv $(VENV) $(VENV).partial; rm -rf $(VENV).partial
# No news; and a saved notebook keeps its explorers, which live on when its kernel is gone.
LAB_SETTINGS := {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}, \
    "@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": true}}

SAY = { echo "$(1)" >&2; exit 1; }
CHECK_PYTHON = command -v $(PYTHON) >/dev/null 2>&1 \
    || $(call SAY,$(PYTHON) was not found. Install Python 3.10 or newer; or name one: make lab PYTHON=/path/to/python3); \
    $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
    || $(call SAY,$(PYTHON) is `$(PYTHON) --version 2>&1`; 3.10 or newer is needed. Name another: make lab PYTHON=python3.12); \
    $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
    || $(call SAY,$(PYTHON) has no venv module. On Debian and Ubuntu: sudo apt install python3-venv. Then run make again.)

.PHONY: lab test notebooks bench setup

lab: setup
	$(PY) -m jupyterlab --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb $(LAB_ARGS)

# Where no bytecode is kept, each worker rewrites the assertions of all tests again: 8 CPU seconds.
# mypy keeps one core busy, so it runs beside the tests; what it finds is told last.
test: setup
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	@said=$$(mktemp); $(PY) -m mypy >$$said 2>&1 & mypy=$$!; \
	PYTHONPATH="$(CURDIR)/tests/quick$${PYTHONPATH:+:$$PYTHONPATH}" PYTHONDONTWRITEBYTECODE= \
	    $(PY) -m pytest -n auto --no-loadscope-reorder $(TEST_ARGS); tests=$$?; \
	wait $$mypy; types=$$?; cat $$said; rm $$said; [ $$tests = 0 ] && [ $$types = 0 ]

.PHONY: test-slow
test-slow: setup
	CRNN_CASES=10000 $(PY) -m pytest tests/slow tests/photos/test_faults.py \
	    tests/models/test_backbone.py tests/browser/test_reading.py $(SLOW_ARGS)
	$(PY) benchmarks/run.py endurance

notebooks: setup
	$(PY) notebooks/execute.py $(NOTEBOOKS)

bench: setup
	$(PY) benchmarks/run.py $(BENCH_ARGS)

.PHONY: book
book: setup
	$(PY) book/build.py $(BOOK_ARGS)

.PHONY: slides
slides: setup
	$(PY) book/teach/slides.py $(SLIDES)

.PHONY: wheel
wheel: setup
	$(PY) tests/fresh_install.py $(WHEEL_ARGS)

.PHONY: badges test-colab
badges:
	$(PYTHON) notebooks/badges.py

test-colab:
	$(PYTHON) tests/colab/emulate.py $(NOTEBOOKS)

setup:
	@if [ -e $(STAMP) ] && [ ! -e $(UNFINISHED) ] && $(IS_A_VENV); then exit 0; fi; \
	fresh=; \
	if [ -e $(UNFINISHED) ] || ! $(IS_A_VENV); then \
	    fresh=yes; \
	    $(CHECK_PYTHON); \
	    $(DISCARD); \
	    mkdir $(VENV) && touch $(UNFINISHED) && $(PYTHON) -m venv $(VENV) || exit 1; \
	fi; \
	echo "Installing into $(VENV). The first time this takes some minutes and, with PyTorch, some GB."; \
	touch $(UNFINISHED); \
	if PIP_REQUIRE_VIRTUALENV=1 $(PY) -m pip install --prefer-binary -e '.[notebooks,dev,book]'; then \
	    settings=$(VENV)/share/jupyter/lab/settings; \
	    mkdir -p $$settings && echo '$(LAB_SETTINGS)' > $$settings/overrides.json || exit 1; \
	    rm -f $(VENV)/.installed-*; \
	    touch $(STAMP) && rm -f $(UNFINISHED); \
	else \
	    if [ -n "$$fresh" ]; then $(DISCARD); else rm -f $(UNFINISHED); fi; \
	    echo "The install did not finish; pip says why above. Nothing half done is left. Run make again." >&2; \
	    exit 1; \
	fi
