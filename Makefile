# SPDX-License-Identifier: MIT
# The commands of the project. Each first installs what it needs; see scripts/setup.
.PHONY: help demo test bench docs wheel servers format lint clean install
.DEFAULT_GOAL := help

SOURCES := $(shell find src include python meson.build meson_options.txt pyproject.toml -type f ! -name '*.pyc')
# Puts the meson and ninja of .venv/ first in PATH.
WITH_VENV := PATH="$(CURDIR)/.venv/bin:$$PATH"

help:
	@echo 'make demo     the FastAPI example on http://127.0.0.1:8000 (PORT=... for another port)'
	@echo 'make test     all tests; the last line says N passed, N failed'
	@echo 'make bench    figures, beside those of the peers'
	@echo 'make docs     the documentation site, in build/site/'
	@echo 'make servers  a server for each backend that has one; it prints what chooses each'
	@echo 'make wheel    the sdist, and wheels that carry what they need, tried in a bare Debian; in dist/'
	@echo 'make lint     form and types of all code; words and links of the documentation'
	@echo 'make format   puts all code into form'
	@echo 'make clean    removes what was built, and .venv/'

demo:
	@scripts/setup demo
	@$(MAKE) --no-print-directory install
	@scripts/demo

test:
	@scripts/setup test
	@$(MAKE) --no-print-directory install
	@.venv/bin/python tests/run

bench:
	@scripts/setup build
	@$(MAKE) --no-print-directory install
	@$(WITH_VENV) bench/run $(BENCH)

docs:
	@scripts/setup docs
	@$(MAKE) --no-print-directory install
	@NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true .venv/bin/python -m mkdocs --quiet build --strict
	@echo 'make: the site is build/site/index.html'

servers:
	@scripts/setup servers
	@.venv/bin/python scripts/servers

wheel:
	@scripts/setup wheel
	@$(WITH_VENV) .venv/bin/python scripts/wheel

lint:
	@scripts/setup lint
	@$(MAKE) --no-print-directory install
	@scripts/lint

format:
	@scripts/setup lint
	@scripts/lint --fix

# Installs the package into .venv/ like a user does. Built again only if a source has changed.
install: .venv/.installed
	@:

.venv/.installed: $(SOURCES)
	@echo 'make: building the package'
	@$(WITH_VENV) .venv/bin/python -m pip install --quiet --disable-pip-version-check \
	  --no-build-isolation --no-deps --force-reinstall -Cbuild-dir=build/wheel .
	@touch $@

clean:
	rm -rf build build-bench .venv .venv-* dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
