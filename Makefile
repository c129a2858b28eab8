# Everything runs from .venv, which is made on the first call with the versions of constraints.txt,
# and again when these or pyproject.toml change.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
RUN := HF_HUB_DISABLE_TELEMETRY=1
# A file is one worker's, for its tests share what it sets up; those with the most tests first.
TWO := -n 2 --dist loadfile
# What this code calls wrongly fails everywhere; what a library deprecates fails here alone.
DEPRECATED := -W error::DeprecationWarning -W error::FutureWarning -W error::PendingDeprecationWarning

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-real app test test-browser test-slow test-newest test-oldest constraints check bench bench-more bench-gpu bench-peers calibrate errors faults faults-short mutants clean docs notebooks test-notebooks

help:
	@echo 'make demo         the face and language experiments on the bundled phantoms, offline'
	@echo 'make demo-real    the same on real models, which come through pip; stimuli in FUNCLOC_DATA'
	@echo 'make app          the browser app, on http://127.0.0.1:7860'
	@echo 'make test         all quick tests          make test-slow    those that take minutes'
	@echo 'make test-browser what people do with the app and the report, in a browser'
	@echo 'make check        style, types, imports    make bench        speed and memory'
	@echo 'make test-newest  with the newest release of every dependency'
	@echo 'make test-oldest  with the oldest that pyproject.toml admits'
	@echo 'make bench-gpu    the same on a GPU          make bench-peers  against other tools'
	@echo 'make bench-more   two processes against one; bfloat16 and float16 against float32'
	@echo 'make docs         the documentation as a site, in build/site'
	@echo 'make notebooks    the notebooks, executed anew; those of real models where FUNCLOC_DATA is set'
	@echo 'make test-notebooks  whether they run, each from its first cell to its last'
	@echo 'make calibrate    how often the verdict is wrong where the truth is known'
	@echo 'make faults       a run broken off at each of its file operations; 10,000 inputs of all kinds'
	@echo 'make mutants      small changes of the statistics that no test of them would notice'
	@echo 'make errors       docs/errors.md from the code and docs/errors.yaml'
	@echo 'make constraints  let make setup install what make test-newest was run with'

# $(call installed,ENVIRONMENT,WHAT IS SAID OF IT,OPTIONS OF PIP): pip's thousand lines go to a file.
define installed
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "funcloc needs Python 3.11 or newer")'
@echo 'Setting up $(1), $(2). PyTorch is large: 7 GB, 3 to 6 minutes, once.'
@$(PYTHON) -c 'import shutil; free = shutil.disk_usage(".").free / 1e9; free < 9 and print(f"note: this disk has {free:.1f} GB left, and setting up may take 9")'
@$(PYTHON) -m venv $(1) && touch $(1)/.begun
@$(1)/bin/pip install --disable-pip-version-check $(3) -e '.[dev]' >$(1)/setup.log 2>&1 \
	|| { tail -n 20 $(1)/setup.log; echo 'Setting up failed; all that pip said is in $(1)/setup.log'; exit 1; }
@mv $(1)/.begun $(1)/.ready
endef

$(READY): pyproject.toml constraints.txt
	$(call installed,.venv,with the versions of constraints.txt,-c constraints.txt)

.venv-oldest/.ready: pyproject.toml tests/oldest.py
	@mkdir -p .venv-oldest
	@$(PYTHON) tests/oldest.py >.venv-oldest/constraints.txt
	$(call installed,.venv-oldest,with every lower bound of pyproject.toml,-c .venv-oldest/constraints.txt)

setup: $(READY)

DEMO := \
	'vision-loc run --model phantom/planted --controls random:5,layer-matched:19,magnitude-matched:19' \
	'vision-loc run --model phantom/cnn --top 0.5,1,5 --controls random:5,layer-matched:19,magnitude-matched:19' \
	'vision-loc run --model phantom/vit --top 1,5 --controls random:5,layer-matched:19,magnitude-matched:19' \
	'llm-loc run --model phantom/lm --controls random:5,layer-matched:59,magnitude-matched:59' \
	'llm-loc run --model phantom/lm-plain --top 1,5 --controls random:5,layer-matched:19,magnitude-matched:19'

# Each command as one would type it, then what it prints.
demo: $(READY)
	@for words in $(DEMO); do printf '\n$$ %s\n' "$$words"; $(RUN) $(BIN)/$$words || exit 1; done

# A part of the items and of the draws, so that two cores take a quarter of an hour.
REAL := \
	'vision-loc run --model pip/efficientnet_lite0 --localizer floc:faces --eval imagenet-sample --top 1 --untrained-seeds 0 --controls random:5,layer-matched:19,magnitude-matched:19' \
	'llm-loc run --model pip/smollm2-135m-instruct --localizer langloc --eval blimp,prose --items 1 --top 1 --untrained-seeds 0 --controls random:3,layer-matched:19,magnitude-matched:19'

demo-real: $(READY)
	@for words in $(REAL); do printf '\n$$ %s\n' "$$words"; $(RUN) $(BIN)/$$words || exit 1; done

app: $(READY)
	@$(RUN) $(BIN)/python app.py

test: $(READY)
	@$(RUN) $(BIN)/python -m pytest $(TWO)

test-slow: $(READY)
	@$(RUN) $(BIN)/python -m pytest -m slow

test-browser: $(READY)
	@$(RUN) $(BIN)/python -m pytest $(TWO) -m e2e tests/e2e

# Every time, for the registry serves something newer tomorrow.
test-newest:
	$(call installed,.venv-newest,with the newest of everything,--upgrade --upgrade-strategy eager)
	@$(RUN) .venv-newest/bin/python -m pytest $(TWO) -m 'not slow' $(DEPRECATED)

test-oldest: .venv-oldest/.ready
	@$(RUN) .venv-oldest/bin/python -m pytest $(TWO) -m 'not slow'

constraints:
	@.venv-newest/bin/pip freeze --all --exclude-editable >.venv-newest/frozen
	@{ sed -n '/^#/p' constraints.txt; grep -vE '^(nvidia|cuda|triton|pip=)|@' .venv-newest/frozen; } >.venv-newest/tested
	@mv .venv-newest/tested constraints.txt

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# One of two faults of every operation; the short form is what CI runs.
# All of them: python -m tests.faults --every 1
faults: $(READY)
	@$(RUN) $(BIN)/python -m tests.faults

faults-short: $(READY)
	@$(RUN) $(BIN)/python -m tests.faults --short

# All of them take half an hour; python -m tests.mutation --only paired tries those of one module.
mutants: $(READY)
	@$(RUN) $(BIN)/python -m tests.mutation

errors: $(READY)
	@$(BIN)/python -m tests.messages

calibrate: $(READY)
	@$(RUN) $(BIN)/python -m benchmarks.calibration --workers 2

bench: $(READY)
	@$(RUN) $(BIN)/python -m benchmarks.speed
	@$(RUN) $(BIN)/python -m benchmarks.language
	@$(RUN) $(BIN)/python -m benchmarks.masks

# Other tools come into an environment of their own; deeplocalizer asks for versions of its own time.
PEERS := nnsight==0.8.1 pyvene==0.1.8

.venv-peers/.ready: pyproject.toml constraints.txt
	$(call installed,.venv-peers,with nnsight and pyvene and deeplocalizer,-c constraints.txt)
	@.venv-peers/bin/pip install -q -c constraints.txt $(PEERS) && .venv-peers/bin/pip install -q --no-deps deeplocalizer==0.0.3

bench-peers: .venv-peers/.ready
	@$(RUN) .venv-peers/bin/python -m benchmarks.peers

bench-more: $(READY)
	@$(RUN) $(BIN)/python -m benchmarks.together
	@$(RUN) $(BIN)/python -m benchmarks.precision

bench-gpu: $(READY)
	@$(RUN) $(BIN)/python -m benchmarks.gpu

# Docstrings are read, not imported: no torch, half a minute.
.venv-docs/.ready: pyproject.toml tests/extra.py
	@$(PYTHON) -m venv .venv-docs
	@.venv-docs/bin/pip install -q --disable-pip-version-check $$($(PYTHON) tests/extra.py docs)
	@touch $@

docs: .venv-docs/.ready
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --strict
	@echo 'The site: build/site/index.html; to search it, $(PYTHON) -m http.server --directory build/site'

.venv/.notebooks: $(READY)
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt $$($(PYTHON) tests/extra.py notebooks)
	@touch $@

notebooks: .venv/.notebooks
	@$(RUN) $(BIN)/python -m tests.docs.notebooks

test-notebooks: .venv/.notebooks
	@$(RUN) $(BIN)/python -m pytest -m slow tests/docs/test_notebooks.py

clean:
	rm -rf .venv .venv-docs .venv-newest .venv-oldest .venv-peers build *.egg-info .pytest_cache .mypy_cache .ruff_cache
