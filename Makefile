# `make serve` runs the demo, `make test` every test, `make faults` what is promised when things go wrong; `make` alone lists the others.

PYTHON ?= python3
VENV ?= .venv
CONFIG ?= configs/model_pool_config.json
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help setup serve test test-all faults faults-night audit lint format docs reference proto bench peers clean
MAKEFLAGS += --no-builtin-rules --no-print-directory

# What another activated environment exports must not reach ours.
unexport PYTHONHOME PYTHONPATH VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK := 1

comma := ,
# $(error) is one line; a failing command would be followed by a second one of make's own.
need = $(if $(shell $(1) >/dev/null 2>&1 && echo yes),,$(error $(2)))

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile
	@echo 'ARGS="…" goes to the server or to pytest, PYTHON=python3.12 picks the interpreter, CONFIG=… the pool to serve.'

setup: $(VENV)/.demo ## create the environment and install what the default configuration needs
	@:

serve: setup ## serve the default configuration on 127.0.0.1:5885 until Ctrl-C
	@exec $(BIN)/zeromind serve -c $(CONFIG) $(ARGS)

# Whoever picks tests with ARGS is in the middle of something: the style can wait.
test: $(if $(ARGS),$(VENV)/.test,lint) $(VENV)/perf_analyzer ## install everything, check the style and the types, run all tests
	@exec $(BIN)/python -m pytest --quiet $(ARGS)

test-all: $(VENV)/.test $(VENV)/perf_analyzer ## the same with the tests that take minutes each (whole families of models)
	@exec $(BIN)/python -m pytest --quiet -m '' $(ARGS)

faults: $(VENV)/.test ## crash, starve, flood and attack servers: what docs/reliability.md promises, each with its result and its seconds
	@exec $(BIN)/python -m pytest --quiet -m 'not slow' --promises $(ARGS)

faults-night: $(VENV)/.test ## the same at full size, for hours
	@exec $(BIN)/python -m pytest --quiet -m '' --promises --night --timeout 14400 $(ARGS)

lint: $(VENV)/.test ## check the style, the format and the types
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy --no-error-summary

audit: $(VENV)/.test ## look up known vulnerabilities of all that is installed
	@$(BIN)/python -m pip install -qq pip-audit
	@exec $(BIN)/pip-audit --skip-editable $(ARGS)

format: $(VENV)/.test ## rewrite the code in the house's format, mend what can be mended
	@$(BIN)/ruff check --quiet --fix-only
	@$(BIN)/ruff format --quiet

proto: $(VENV)/.test ## compile the gRPC messages anew
	@cd src/zeromind/grpc/proto && $(abspath $(BIN))/python -m grpc_tools.protoc -I. --descriptor_set_out=messages.binpb oip.proto model_config.proto health.proto

docs: reference ## build the documentation into site/, a folder of pages; a broken link is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs --quiet build --strict --clean
	@echo 'site/index.html is the documentation'

reference: $(VENV)/.docs ## write docs/reference/ anew from the code, which is committed
	@$(BIN)/python docs/reference.py

bench: $(VENV)/.bench ## measure everything, the installed peers beside it, and write docs/performance.md (20 minutes)
	@exec $(BIN)/python benchmarks/bars.py $(ARGS)

peers: $(BIN)/python ## install the servers that `make bench` compares with, in .peers (3 GB)
	@exec $(BIN)/python benchmarks/peers/install.py $(ARGS)

clean: ## remove the environment and whatever was built or cached; logs and state stay
	@rm -rf $(VENV) build dist site src/*.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(call need,command -v $(PYTHON),Python 3.10 or newer is needed and $(PYTHON) is not there: apt install python3 python3-venv)
	$(call need,$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3$(comma) 10))',Python 3.10 or newer is needed and $(PYTHON) is older: name another with PYTHON=…)
	$(call need,$(PYTHON) -c 'import venv; from ensurepip import version',$(PYTHON) cannot make virtual environments: apt install python3-venv)
	@$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo 'installing what the demo needs (a minute) …'
	@$(BIN)/python -m pip install -qq --editable '.[demo]'
	@$(BIN)/python -m compileall -q src  # workers are confined: they cannot keep what they compile
	@touch $@

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	@echo 'installing what the documentation needs (a minute) …'
	@$(BIN)/python -m pip install -qq --editable '.[docs]'
	@touch $@

# The extra `test` holds all that `demo` and `docs` do, so one stamp speaks for all.
$(VENV)/.test: pyproject.toml | $(BIN)/python
	@echo 'installing what the tests need (a few minutes) …'
	@$(BIN)/python -m pip install -qq --editable '.[test]'
	@$(BIN)/python -m compileall -q src
	@touch $@ $(VENV)/.demo $(VENV)/.docs

# Triton's load generator: a program within older wheels of its client, which also wants a library of CUDA's, though no GPU.
PERF_ANALYZER := tritonclient==2.41.0 nvidia-cuda-runtime-cu12

$(VENV)/perf_analyzer: | $(BIN)/python
	@rm -rf $@.new && mkdir $@.new
	@$(BIN)/python -m pip download -qq --no-deps --retries 1 --dest $@.new $(PERF_ANALYZER) \
	&& for wheel in $@.new/*.whl; do $(BIN)/python -m zipfile -e $$wheel $@.new; done \
	&& mv $@.new/*.data/data/bin/perf_analyzer $@.new/nvidia/cuda_runtime/lib/libcudart.so.12 $@.new \
	&& chmod +x $@.new/perf_analyzer && mkdir $@ && mv $@.new/perf_analyzer $@.new/libcudart.so.12 $@ \
	|| echo 'perf_analyzer cannot be had here: the tests with it are skipped'
	@rm -rf $@.new

$(VENV)/.bench: pyproject.toml | $(BIN)/python
	@echo 'installing what the benchmarks need (a few minutes) …'
	@$(BIN)/python -m pip install -qq --editable '.[bench]'
	@touch $@
