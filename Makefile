# Each target sets up what it needs in .venv; PYTHON names the interpreter to make it with.
PYTHON ?= python3
BIN := .venv/bin
SET_UP := .venv/.installed

.PHONY: demo test slow chaos bench check format clean

demo: $(SET_UP)
	@$(BIN)/cleanplate demo

# What starts a Ray of its own wants the machine for itself; all else is shared by two processes.
test: $(SET_UP)
	$(BIN)/python -m pytest -m "not slow and not gpu and not ray" -n 2 --dist loadfile
	$(BIN)/python -m pytest -m "ray and not slow and not gpu"

slow: $(SET_UP)
	$(BIN)/python -m pytest -m "slow and not gpu"

chaos: $(SET_UP)
	$(BIN)/python -m tests.chaos --out build/chaos --resume

# Some ten minutes on a quiet machine of 2 cores; docs/benchmarks.md has the commands of the figures there.
bench: $(SET_UP)
	$(BIN)/python tests/benchmarks/bench_network.py --sizes 2048x2048 --repeat 3 --json bench/network.json
	$(BIN)/python tests/benchmarks/bench_path.py --frames 16 --rounds 1 --json bench/path.json
	$(BIN)/python tests/benchmarks/naive.py --frames 48 --rounds 1 --whole-process --json bench/naive.json
	$(BIN)/python tests/benchmarks/bench_memory.py --json bench/memory.json
	$(BIN)/python tests/benchmarks/bench_memory.py --workers --size 1024 --frames 16 --rounds 3 --json bench/workers.json
	$(BIN)/python tests/benchmarks/bench_pool.py --workers 1,2,8 --json bench/pool.json
	$(BIN)/python tests/benchmarks/bench_growth.py --frames 100,1000 --json bench/growth.json
	$(BIN)/python tests/benchmarks/tables.py bench/*.json

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
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache demo build/chaos bench
