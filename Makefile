# Everything runs inside .venv, made on the first call; nothing else is touched. Paths are relative, so the
# project works from a folder whose name has spaces.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check -q
DOCS ?= docs
MODEL ?=
.DEFAULT_GOAL := help
.PHONY: help setup chat test lint bench docs clean

help: ## Show what can be made
	@echo "Ratchet: answers from your documents, offline, with citations"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  make chat DOCS=~/notes                 chat about your own folder"
	@echo "  make chat MODEL=ollama:llama3.2        with another model"

setup: .venv/.ready .venv/.models ## Create the environment and fetch the bundled models

chat: setup ## Chat in the terminal about DOCS (default: docs)
	@$(PY) -m agent.cli $(if $(MODEL),--model "$(MODEL)") chat --docs "$(DOCS)"

test: .venv/.ready-dev .venv/.models ## Run every test
	@$(PY) -m pytest

lint: .venv/.ready-dev ## Check style, types and architecture
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@.venv/bin/python -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

bench: setup ## Measure speed and answer quality (prints tables)
	@$(PY) -m benchmarks

docs: .venv/.ready-dev ## Check that the documentation's examples run and its links resolve
	@$(PY) -m pytest -q tests/docs

clean: ## Remove the environment and caches; your data stay where they are
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info

.venv/bin/python:
	@test -n "$(PYTHON)" && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Ratchet needs Python 3.11 or newer: install it, or say make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Creating the environment in .venv"
	@"$(PYTHON)" -m venv .venv

.venv/.ready: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing Ratchet (about 400 MB, a minute or two)"
	@$(PIP) install -c constraints.txt -e .
	@touch $@

.venv/.ready-dev: .venv/.ready
	@echo "Installing what the tests need (PyTorch among it)"
	@$(PIP) install -c constraints.txt "torch==2.13.0"
	@$(PIP) install -c constraints.txt -e ".[dev,finetune]"
	@touch $@

.venv/.models: .venv/.ready
	@echo "Fetching the bundled model and embedder (about 180 MB) and preparing them for this machine"
	@$(PY) -m agent.cli models pull
	@touch $@
