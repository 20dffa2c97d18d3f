PYTHON ?= .venv/bin/python

.PHONY: check fix

check:
	@$(PYTHON) -m ruff format --check -q .
	@$(PYTHON) -m ruff check -q .
	@$(PYTHON) -m mypy --no-error-summary
	@$(dir $(PYTHON))lint-imports --no-logo
	@$(PYTHON) -m pytest -q

fix:
	@$(PYTHON) -m ruff format -q .
	@$(PYTHON) -m ruff check -q --fix .
