# Each target does all of its own set-up in .venv: Python 3.11+, git and make are enough.

# The first Python that is new enough and can make a virtual environment.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))" >/dev/null 2>&1 && echo $$p && break; done)
VENV := .venv
LOWEST := $(VENV)/lowest
FRAMEWORKS := $(VENV)/frameworks
ifeq ($(OS),Windows_NT)
SCRIPTS := Scripts
else
SCRIPTS := bin
# One process that is forked for each of hundreds of cells, where a new one would import the compiler; Windows has no forks.
LAUNCH := --launch-method forkserver
endif
BIN := $(VENV)/$(SCRIPTS)
# Some hundred processes start in a run of the tests: none should compile again what another has imported.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: bench results guide examples peers race row-times scaling gate calibrate gate-acceptance test test-all frameworks browser docs \
	docs-check out-of-core dask-overhead bits loops campaign lowest pythons check wheel asv-quick asv-frameworks asv-compare \
	dashboard clean

bench: $(VENV)/bench.done
	$(BIN)/kdexent bench $(ARGS)

# README's table and picture, on a machine that does nothing else.
results: $(VENV)/bench.done
	$(BIN)/kdexent bench --json docs/bench.json --plot docs/bench.png $(ARGS)
	$(BIN)/python docs/results.py

# The guide to strategies, measured: on a machine that does nothing else.
guide: $(VENV)/bench.done
	$(BIN)/python tests/guide.py $(ARGS)

# Every example, and where its picture is.
examples: $(VENV)/examples.done
	mkdir -p bench-results/examples
	$(BIN)/python examples/concentrate_weights.py
	$(BIN)/python examples/train_linear_softmax.py bench-results/examples/train_linear_softmax.png
	$(BIN)/python examples/learn_kde_weights.py bench-results/examples/learn_kde_weights.png
	$(BIN)/python examples/stream_from_zarr.py --points 2e7 --store bench-results/examples/points
	rm -rf bench-results/examples/points
	@ls bench-results/examples/*.png

# The same beside what frameworks differentiate themselves; ARGS="--filter frameworks" for that alone.
peers: $(FRAMEWORKS)/installed.done
	$(FRAMEWORKS)/$(SCRIPTS)/kdexent bench --peers $(ARGS)

# Points on a disk beside those in memory, and in chunks on two processes beside one: ARGS="--points 1e7".
out-of-core: $(VENV)/test.done
	$(BIN)/python tests/out_of_core.py $(ARGS)

dask-overhead: $(VENV)/test.done
	$(BIN)/python tests/dask_overhead.py $(ARGS)

# Callers' threads would each get a heap of their own, a tenth of what a worker grows to.
test test-all: export MALLOC_ARENA_MAX := 2

# Some of the tests of every promise, within minutes; tests/README.md says which.
test: $(VENV)/test.done
	$(BIN)/python tests/compile_ahead.py
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

# PART=2/3 runs thorough tests for every third kernel only, from the second on, and a third of those that name none.
PART ?= 1/1
test-all: $(VENV)/test.done
	$(BIN)/python tests/compile_ahead.py --thorough --part $(PART)
	$(BIN)/python -m pytest -n auto --dist worksteal --thorough --part $(PART) $(ARGS)

# With PyTorch, of gigabytes, which nothing else needs: all tests that do.
frameworks: $(FRAMEWORKS)/installed.done
	$(FRAMEWORKS)/$(SCRIPTS)/python -m pytest -n auto --thorough -k "torch or tensor or frameworks" \
		$(addprefix tests/test_,$(addsuffix .py,torch foreign_arrays out peers sigmoid softmax documentation)) $(ARGS)

# The pages as a site, in docs/_build/html.
docs: $(VENV)/docs.done
	rm -rf docs/_build
	$(BIN)/python docs/figures.py docs/figures
	$(BIN)/sphinx-build $(SITE)

SITE := --fail-on-warning --keep-going --nitpicky --quiet --conf-dir docs --doctree-dir docs/_build/doctrees . docs/_build/html

# What visitors see of it: ARGS="--pictures FOLDER" keeps pictures of all pages. It needs a browser: apt-get install chromium.
docs-check: docs $(VENV)/browser.done
	$(BIN)/python tests/visit_site.py docs/_build/html $(ARGS)

# The page of kdexent report in a browser, likewise.
browser: $(VENV)/browser.done
	$(BIN)/python -m pytest tests/browser $(ARGS)

# The compiled loops as plain Python, with the lines that tests reach, and with every index checked.
loops: $(VENV)/test.done
	$(BIN)/python tests/coverage_of_loops.py 95
	NUMBA_BOUNDSCHECK=1 $(BIN)/python -m pytest -n auto --thorough tests/test_every_loop.py

# Random problems with nasty structure against exact answers: SECONDS=3600 for an hour, ARGS="--seed 7" for one of them.
SECONDS ?= 600
campaign: $(VENV)/test.done
	$(BIN)/python tests/campaign.py --seconds $(SECONDS) $(ARGS)

# The bits of some 14,000 results, before and after a change: ARGS="--save FILE", then ARGS="--against FILE".
bits: $(VENV)/test.done
	$(BIN)/python tests/bits.py $(ARGS)

# The lowest versions that pyproject.toml claims, of every extra, with what each of them is there for.
lowest: export NUMBA_CACHE_DIR := $(CURDIR)/$(LOWEST)/cache
lowest: $(LOWEST)/installed.done
	$(LOWEST)/$(SCRIPTS)/python -m pytest -n auto $(addprefix tests/test_,$(addsuffix .py,$(SHORT))) $(ARGS)
	$(LOWEST)/$(SCRIPTS)/kdexent bench --quick --json bench-results/lowest.json --plot bench-results/lowest.png
	$(LOWEST)/$(SCRIPTS)/python docs/figures.py docs/figures
	$(LOWEST)/$(SCRIPTS)/sphinx-build $(SITE)
	$(LOWEST)/$(SCRIPTS)/ruff check .
	$(LOWEST)/$(SCRIPTS)/asv check --environment existing

SHORT := autodiff bad_cache callers_at_once choose closed_forms compiled_code dask examples foreign_arrays full_output \
	information jax linear njit sigmoid sklearn softmax starting vector_code

# The Pythons that are on this machine: PYTHONS="python3.13 /opt/free-threaded/bin/python3.14t".
PYTHONS ?= python3.11 python3.12 python3.13 python3.14 python3.14t
pythons:
	@tried=; for each in $(PYTHONS); do \
		$$each -c "import ensurepip, venv" >/dev/null 2>&1 || { echo "$$each: not here, or without venv"; continue; }; \
		own=$(VENV)/of-$$(basename $$each); $$each -m venv $$own && \
		$$own/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable ".[test]" && \
		NUMBA_CACHE_DIR=$(CURDIR)/$$own/cache $$own/$(SCRIPTS)/python -m pytest -n auto \
			$(addprefix tests/test_,$(addsuffix .py,$(BY_PYTHON))) $(ARGS) || exit 1; \
		tried=$$each; \
	done; test -n "$$tried" || { echo "none of $(PYTHONS) is here"; exit 1; }

# What depends on the interpreter: threads, forks, signals, caches, memory, annotations.
BY_PYTHON := agreement cache callers_at_once calls_within_calls child_processes ctrl_c documentation foreign_arrays inputs \
	kept names out plan_copies same_bits starting

# How far auto is from the fastest method that keeps rtol, on awkward data: ARGS="--only ties", ARGS=--plans.
race: $(VENV)/bench.done
	$(BIN)/python tests/race.py $(ARGS)

# What a point of a small row costs, over rows' lengths and bins, beside the errors.
row-times: $(VENV)/bench.done
	$(BIN)/python tests/row_times.py $(ARGS)

# How much faster more threads are, from one to all; ARGS=--quick for seconds.
scaling: $(VENV)/bench.done
	$(BIN)/python tests/scaling.py $(ARGS)

# Whether what is here is slower than BASE, or wrong: make gate BASE=main ARGS="--tier full".
gate: $(VENV)/bench.done
	$(BIN)/kdexent gate $(BASE) $(HEAD) $(ARGS)

# What the gate's verdicts are worth on this machine: false alarms, and changes of a known size that it sees.
calibrate: $(VENV)/bench.done
	$(BIN)/python tests/calibrate.py $(ARGS)

# Whether the gate sees changes of a known kind, in thirty runs of it; ARGS=--small for minutes.
gate-acceptance: $(VENV)/bench.done
	$(BIN)/python tests/gate_acceptance.py $(ARGS)

# Types and imports are checked on the installed package: the folders only get its name when they are built.
check: $(VENV)/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build $(VENV)/wheel
	$(BIN)/python -m pip install --quiet --no-deps --target $(VENV)/wheel .
	cd $(VENV)/wheel && ../../$(BIN)/mypy --config-file ../../pyproject.toml
	cd $(VENV)/wheel && ../../$(BIN)/lint-imports ../../pyproject.toml

# What is published, in dist/, and README's examples with it alone, in new environments.
wheel: $(VENV)/asv.done
	rm -rf build dist
	$(BIN)/python tests/wheel.py

asv-quick: export KDEXENT_TIER := quick
asv-quick: $(VENV)/dev.done
	$(BIN)/asv machine --yes
	$(BIN)/asv check --environment existing
	$(BIN)/asv run $(LAUNCH) --quick --show-stderr "HEAD^!"

# The loss in PyTorch and JAX beside their own expressions, by asv: of the files that are here, under HEAD's name.
asv-frameworks: $(VENV)/dev.done $(FRAMEWORKS)/installed.done
	$(BIN)/asv machine --yes
	$(BIN)/asv run --environment existing:$(FRAMEWORKS)/$(SCRIPTS)/python --bench Frameworks \
		--set-commit-hash $$(git rev-parse HEAD) --show-stderr $(ARGS)

# The last three revisions beside each other, then a page: $(BIN)/asv preview shows it.
dashboard: $(VENV)/dev.done
	$(BIN)/asv machine --yes
	$(BIN)/asv run $(LAUNCH) --skip-existing-successful HEAD~3..HEAD
	$(BIN)/asv publish

# Two revisions, rounds of them in turns, by a factor that leaves room for noise; make gate sees more.
FACTOR ?= 1.25
asv-compare: export KDEXENT_TIER := quick
asv-compare: $(VENV)/dev.done
	$(BIN)/asv machine --yes
	$(BIN)/asv continuous $(LAUNCH) --interleave-rounds --factor $(FACTOR) --bench "\.time_" $(BASE) $(or $(HEAD),HEAD)

# Compiling all that is installed would take as long as unpacking it; imports compile, and keep, what they need.
$(VENV)/%.done: pyproject.toml | $(VENV)/created.done
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable ".[$*]"
	@echo > $@

$(VENV)/created.done:
	@test -n "$(PYTHON)" || (echo "Python 3.11 or newer with venv is needed; name it with make PYTHON=..." && exit 1)
	$(PYTHON) -m venv $(VENV)
	@echo > $@

# Python 3.11 has wheels of all of them.
$(LOWEST)/installed.done: pyproject.toml tests/lowest.py | $(VENV)/created.done
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/$(SCRIPTS)/python tests/lowest.py > $(LOWEST)/requirements.txt
	$(LOWEST)/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check --requirement $(LOWEST)/requirements.txt
	$(LOWEST)/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@echo > $@

$(FRAMEWORKS)/installed.done: pyproject.toml | $(VENV)/created.done
	$(PYTHON) -m venv $(FRAMEWORKS)
	$(FRAMEWORKS)/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable ".[test,torch,asv]"
	@echo > $@

clean:
	rm -rf $(VENV) .asv .gate build dist *.egg-info bench-results docs/_build docs/figures
