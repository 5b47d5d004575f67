# Two commands do everything: `make train` and `make test`. Both set up .venv first; a second call starts at once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: train test tests cluster-test gpu lint clean lock

train: $(READY)  ## train the default experiment; options: make train ARGS="smoothing=none seed=1"
	$(BIN)/smoothlab train $(ARGS)

# One more than there are cores, since some tests wait; each takes up to 3 GB of memory.
WORKERS ?= $(shell $(PYTHON) -c "import os; print(min(os.cpu_count() or 1, 7) + 1)")

test: $(READY)  ## ruff, the type checker and the tests, side by side
	$(MAKE) --jobs 2 lint tests

# worksteal: tests of one file stay with one worker, which makes their costly fixtures once
tests: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

# Two machines and a SLURM of two nodes on this one, as root on Debian; skipped with its reason elsewhere.
cluster-test: $(READY)  ## ranks on several machines: SLURM, torchrun, a cut cable
	tests/cluster/install.sh $(BIN)/python
	$(BIN)/python -m pytest tests/cluster -rs -p no:xdist $(ARGS)

# SMOOTHLAB_GPU=cpu tries the kit itself, with tiny sizes, where there is no GPU.
gpu: $(READY)  ## on a machine with CUDA: the tests marked gpu, and benchmarks/results/gpu.md, in ten minutes
	SMOOTHLAB_GPU=$(SMOOTHLAB_GPU) $(BIN)/python -m pytest tests/gpu -m gpu -rs -p no:xdist $(ARGS)
	$(BIN)/python benchmarks/gpu.py $(if $(filter cpu,$(SMOOTHLAB_GPU)),--device cpu --tiny)

.PHONY: site
site: $(READY)  ## the pages of docs/, the notebooks and the reference as a site, build/site/index.html; links are checked
	$(BIN)/python -c "import material, mkdocstrings_handlers.python" 2> /dev/null || \
		$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:  ## remove everything that make made, except outputs/
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A fresh environment with every extra, frozen. The local part of torch's version (+cpu, +cu126) is dropped.
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet "torch==2.13.0"
	build/lock/bin/pip install --quiet ".[sweeps,translation,images,excel,export,dev]"
	head -n 3 requirements.lock > build/lock.txt
	build/lock/bin/pip freeze --all | grep -v -e '^smoothlab' -e '^pip==' | sed 's/+.*//' >> build/lock.txt
	mv build/lock.txt requirements.lock

# torch first: the pinned release, so that nothing below resolves to a newer build.
$(READY): pyproject.toml setup.py requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e ".[dev]"
	touch $(READY)
