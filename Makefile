# The two that a newcomer needs: make book, make test.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: book test execute lab bench format clean

book: $(VENV)/book.installed  ## build the site from the stored notebooks
	$(BIN)/jupyter-book build . -W --keep-going --quiet
	@echo "The book is built. Open _build/html/index.html in a browser."

test: $(VENV)/all.installed  ## run every check
	$(BIN)/python tests/chromium.py
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python book/format.py --check
	$(BIN)/pytest

execute: $(VENV)/all.installed  ## execute the chapters that changed; CHAPTER=01 for one
	$(BIN)/python book/execute.py $(CHAPTER)

lab: $(VENV)/all.installed  ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

bench: $(VENV)/all.installed book  ## measure what the book says about its own speed
	$(BIN)/python tests/chromium.py
	for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

format: $(VENV)/all.installed  ## format code and chapters
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python book/format.py

clean:  ## remove what was built and installed
	rm -rf _build $(VENV) .pytest_cache .ruff_cache .hypothesis *.egg-info build

$(VENV)/book.installed: requirements/book.txt
	$(call need,sys.version_info >= (3, 11),Python 3.11 or later)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/book.txt
	@touch $@

$(VENV)/all.installed: requirements/all.txt pyproject.toml
	$(call need,(3, 11) <= sys.version_info < (3, 14),Python 3.11 to 3.13 (TensorFlow))
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/all.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/book.installed

define need
@$(PYTHON) -c 'import sys; sys.exit(not ($(1)))' || { echo "This needs $(2); set PYTHON=..., for example: make PYTHON=python3.12"; exit 1; }
endef
