# Everything runs from .venv, which is made on the first call and made again when pyproject.toml changes.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
RUN := HF_HUB_DISABLE_TELEMETRY=1

.DEFAULT_GOAL := help
.PHONY: help setup demo app test test-slow check bench clean

help:
	@echo 'make demo       the face and language experiments on the bundled phantoms, offline'
	@echo 'make app        the browser app, on http://127.0.0.1:7860'
	@echo 'make test       all quick tests        make test-slow   those that retrain a phantom'
	@echo 'make check      style, types, imports  make bench       speed and memory'

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "funcloc needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check -e '.[dev]'
	touch $(READY)

setup: $(READY)

demo: $(READY)
	$(RUN) $(BIN)/vision-loc run --model phantom/planted --localizer phantom-planted --eval phantom-planted --top 6.25
	$(RUN) $(BIN)/vision-loc run --model phantom/cnn --localizer phantom:faces --eval phantom --top 0.5,1,2,5
	$(RUN) $(BIN)/vision-loc run --model phantom/vit --localizer phantom:faces --eval phantom --top 1,5
	$(RUN) $(BIN)/llm-loc run --model phantom/lm --localizer phantom-lm --eval phantom-lm --top 1,5

app: $(READY)
	$(RUN) $(BIN)/python app.py

test: $(READY)
	$(RUN) $(BIN)/python -m pytest

test-slow: $(READY)
	$(RUN) $(BIN)/python -m pytest -m slow

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(RUN) $(BIN)/python -m benchmarks.speed
	$(RUN) $(BIN)/python -m benchmarks.language

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache
