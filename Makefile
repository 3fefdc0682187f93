# make demo   set everything up and run famous on a cell that it generates itself
# make test   set everything up and run the tests

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo $$p; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2
PACKAGES := --quiet --constraint constraints.txt --editable '.[dev]'
# uv unpacks with all cores, pip with one; of what pip.conf says it is told the main index, and pip takes its place where it fails
INDEX = $(shell $(BIN)/python -m pip config get global.index-url 2>/dev/null)
UV = $(if $(INDEX),UV_DEFAULT_INDEX=$(INDEX)) $(BIN)/uv pip install --python $(BIN)/python $(PACKAGES)
PIP := $(BIN)/python -m pip install $(PACKAGES)
export OMP_NUM_THREADS ?= 2

.PHONY: demo test lint install clean

demo: install
	$(BIN)/famous demo --out demo

test: install
	@tools/chromium.sh
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --num-workers $(JOBS)
	$(BIN)/lint-imports

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "famous needs Python 3.11, 3.12 or 3.13: install one, or say make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments: install its venv package (Debian: apt install python3-venv)"; exit 1; }
	@echo "installing into $(VENV): about 8 GB with torch; a minute to unpack, the rest is your line"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	-@$(BIN)/python -m pip install --quiet uv
	@$(UV) 2>$(VENV)/uv.log || { echo "uv could not ($(VENV)/uv.log): pip takes its place, which takes longer"; $(PIP); }
	@$(BIN)/python -c 'import cv2' 2>/dev/null || tools/system_libraries.sh
	@touch $@

clean:
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
