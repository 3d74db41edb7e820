# Each target sets up what it needs in .venv; PYTHON names the interpreter to make it with.
PYTHON ?= python3
BIN := .venv/bin
SET_UP := .venv/.installed

.PHONY: demo test chaos check format clean

demo: $(SET_UP)
	@$(BIN)/cleanplate demo

test: $(SET_UP)
	$(BIN)/python -m pytest -m "not slow and not gpu"

chaos: $(SET_UP)
	$(BIN)/python -m pytest -m slow tests/chaos

check: $(SET_UP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(SET_UP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(SET_UP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "cleanplate needs Python 3.11 or newer; name one with: make PYTHON=python3.11 ...")'
	@$(PYTHON) -m venv .venv
	@echo "Installing the pinned packages into .venv (torch, ray, prefect: some minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache demo
