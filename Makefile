.DEFAULT_GOAL := help
.PHONY: help setup run check test chaos bench docs lock

python := .venv/bin/python

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 10

setup: ## Make .venv, with the tools of the test suite
	@scripts/setup --test

run: ## Run the first smart connector on this machine
	@./quickstart

check: setup ## Style, types, floors and unit tests: under a minute, no servers
	@scripts/lint
	@$(python) -m pytest tests/unit -m "not slow"

test: ## Every check and every test, installing what they need
	@scripts/test

chaos: ## Only the tests that kill things at random
	@scripts/test -m chaos

bench: setup ## Measure speed
	@$(python) -m benchmarks

docs: setup ## Write the reference pages of docs/ anew, from the code
	@PYTHONPATH=. $(python) scripts/reference.py

lock: setup ## Write the lock files anew, with the newest versions allowed
	@scripts/lock
