# One command for each thing people and machines do here. A fresh clone needs Python 3.11 and make.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := $(shell find infra/package pipelines schemas transforms -type f \
	-not -name '*.py[co]' -not -name '*.nb[ci]') pyproject.toml requirements.in README.md LICENSE
DEMO := demo-out

# setuptools calls the setting for strict editable installs experimental at every build.
BUILD := PYTHONWARNINGS=ignore $(PIP)

# The dates inside a wheel, so that equal sources make equal bytes.
export SOURCE_DATE_EPOCH := 1704067200

FLINK_JARS ?= .cache/flink
CLOUD := .venv-cloud

.PHONY: help venv demo test test-long flink-test cloud-test lint format bench lock docs wheel clean
.DEFAULT_GOAL := help

help:  ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

venv: $(BIN)/.installed  ## make .venv: everything from the lock, and muniment as a wheel

$(BIN)/.locked: requirements-dev.lock
	@echo "venv: installing $$(grep -c '==' requirements-dev.lock) packages from requirements-dev.lock (minutes, once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
		|| { echo "venv: expected Python 3.11; name one with 'make PYTHON=/path/to/python3.11'" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes --no-deps -r requirements-dev.lock
	@$(PIP) check
	@touch $@

$(BIN)/.installed: $(BIN)/.locked $(SOURCES)
	@echo "venv: building and installing muniment"
	@rm -rf build/lib build/bdist.*
	@$(BUILD) install --no-deps --no-build-isolation --no-index --force-reinstall .
	@touch $@

demo: venv  ## build a corpus from the installed packages, run the job, show the card
	@$(BIN)/muniment demo --output $(DEMO)

test: venv  ## run every test
	@$(BIN)/python -m pytest -q

test-long: venv  ## run the tests that take minutes: faults, kills, scale
	@$(BIN)/python -m pytest -q -m long

flink-test: venv  ## run jobs on a Flink cluster on this machine: equal bytes, faults (minutes; Java 17, Maven)
	@$(BIN)/python infra/flink/jars.py $(FLINK_JARS)
	@MUNIMENT_FLINK_JARS=$(abspath $(FLINK_JARS)) $(BIN)/python -m pytest -q -m long tests/test_flink.py
	@$(BIN)/python benchmarks/corpora.py mixed
	@$(BIN)/python infra/flink/compare.py --jars $(FLINK_JARS) demo mixed

cloud-test: wheel  ## translate the graph for Dataflow, check the Kubernetes manifests (an environment of its own)
	@$(PYTHON) -m venv $(CLOUD)
	@$(CLOUD)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --no-deps \
		-r infra/dataflow/requirements-test.lock
	@$(CLOUD)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-index \
		--force-reinstall dist/muniment-*.whl
	@$(CLOUD)/bin/python -m pytest -q tests/test_dataflow.py tests/test_kubernetes.py

lint: venv  ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy -p muniment

format: venv  ## mend what ruff can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: venv  ## run jobs on a real corpus of 86 MB: speed, and the ratio to datatrove (minutes)
	@$(BIN)/python benchmarks/corpora.py mixed
	@$(BIN)/python benchmarks/end_to_end.py mixed
	@$(BIN)/python benchmarks/dedup_speed.py mixed

docs: venv  ## write the references that are generated from the models
	@$(BIN)/python -m muniment.pipelines.reference examples

wheel: venv  ## build the wheel into dist/
	@rm -rf build/lib build/bdist.*
	@$(BUILD) wheel --no-deps --no-build-isolation --no-index --wheel-dir dist .

COMPILE = CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes \
	--allow-unsafe --strip-extras --no-emit-index-url --no-emit-trusted-host \
	--no-emit-find-links --no-emit-options

lock: $(BIN)/.locked  ## pin requirements*.in with hashes; UPGRADE=--upgrade takes newer versions
	@$(COMPILE) $(UPGRADE) --output-file requirements.lock requirements.in
	@$(COMPILE) $(UPGRADE) --constraint requirements.lock --output-file requirements-dev.lock \
		requirements.in requirements-dev.in
	@cp requirements.lock infra/dataflow/requirements.lock  # its hashes are taken over, not fetched again
	@$(COMPILE) $(UPGRADE) --output-file infra/dataflow/requirements.lock \
		infra/dataflow/requirements.in
	@$(COMPILE) $(UPGRADE) --output-file infra/dataflow/requirements-test.lock \
		infra/dataflow/requirements-test.in

clean:  ## remove what the commands above made
	@rm -rf $(VENV) $(CLOUD) build dist $(DEMO) *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
