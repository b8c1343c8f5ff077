# Two commands matter: `make report` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
ARGS ?=
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check

.PHONY: report test faults book browser pdf install lock audit nightly clean

report: $(STAMP)  ## run all notebooks (quick) and build the local report
	$(BIN)/coursework report $(ARGS)

test: $(STAMP)  ## lint, types, import rule, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(ARGS)

faults: $(STAMP)  ## kill, damage and fill up whatever a run writes (minutes)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults $(ARGS)

book: $(STAMP)  ## build the published report from results/
	$(BIN)/jupyter-book build book/ -W --keep-going

browser: $(STAMP)  ## open each page of the built book in Chromium
	COURSEWORK_BOOK=_build/html $(BIN)/python -m pytest tests/browser $(ARGS)

pdf: book  ## print the book by Chromium: _build/coursework.pdf
	COURSEWORK_PAGES=ready $(BIN)/jupyter-book build book/ --builder singlehtml -W --keep-going
	$(BIN)/python book/_ext/pdf.py _build/singlehtml/intro.html _build/coursework.pdf

install: $(STAMP)

# Everything but torch is verified by hash; torch's builds differ by machine.
# The last step finds nothing left to fetch but torch and torchvision.
$(STAMP): pyproject.toml requirements.lock requirements-dev.lock constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --no-deps --require-hashes -r requirements.lock -r requirements-dev.lock
	$(PIP) -c constraints.txt --no-build-isolation -e '.[dev]'
	$(BIN)/jupytext-config --settings-file \
	    $(VENV)/etc/jupyter/labconfig/default_setting_overrides.json \
	    set-default-viewer python > /dev/null
	touch $@

lock:  ## compile the locks again (needs uv)
	.ci/lock

audit:  ## look every locked version up among known vulnerabilities (network)
	$(PYTHON) -m venv _build/audit
	_build/audit/bin/python -m pip install --quiet --quiet pip-audit
	_build/audit/bin/pip-audit --disable-pip --no-deps -r constraints.txt $(ARGS)

nightly:  ## test with the oldest and the newest torch, apart (network, an hour)
	PYTHON=$(PYTHON) .ci/nightly oldest $(ARGS)
	PYTHON=$(PYTHON) .ci/nightly newest $(ARGS)

clean:  ## remove the environment and everything built; runs/ stays
	rm -rf $(VENV) _build
	git clean -fdXq book  # pages are made, and ignored by git
