# make demo   sets everything up and shows partwise at work (some ten minutes on two cores)
# make test   sets everything up and runs the tests, but for those marked `exhaustive` (up to twenty minutes on two cores)
# make check  what must pass before a commit: formatting, types, import rules, tests
# make verify-all   what `make test` leaves out: the tests marked `exhaustive` (every example of every part at every
#             site under further seeds, all mutants once more, long trainings), and all properties with ten times as many
#             examples. MINUTES=15 begins no test after that time, and names those it left out
# make bench  speed, as ratios against named peers in the same run
# make replicate   published results, expected beside obtained (about half an hour)
# make families   compares every public family with transformers and writes docs/families.md (about a minute)
# make gpu-wheels   collects what tools/gpu/check.py needs on a machine with a GPU and no network
# make figures   trains the five models and prints the README's table of them (about ten minutes)
# make verified   verifies every part and writes what the catalogue shows of it; before a release (many minutes)
# make docs     builds the site of docs/ in build/site, without network; a broken link fails it (some seconds)
# make notebooks   the lessons of the course as notebooks, in build/notebooks (a second)
# make pictures  trains three small models and takes the pictures of docs/look.md, with Chromium (about six minutes)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Two halves, so that what the tests of a file share is made once; whoever is done first takes from the other.
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist worksteal --quiet -r fE

.PHONY: verified demo test verify-all check lint bench figures pictures replicate families docs notebooks gpu-wheels format clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "partwise needs Python 3.11 or newer; say PYTHON=... to make")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(READY)
	$(BIN)/python tools/demo.py

test: $(READY)
	$(PYTEST) -m "not exhaustive"

verify-all: $(READY)
	$(PYTEST) -m "exhaustive or hypothesis" --hypothesis-profile thorough $(if $(MINUTES),--minutes $(MINUTES))

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tools/*.py tools/bench/*.py tools/gpu/*.py
	$(BIN)/lint-imports

check: lint test

bench: $(READY)
	$(BIN)/python tools/bench/main.py
	$(BIN)/python tools/bench/memory.py
	$(BIN)/python tools/bench/corpus.py

replicate: $(READY)
	$(BIN)/python tools/replicate.py

families: $(READY)
	cd tools && ../$(BIN)/python -m families

figures: $(READY)
	$(BIN)/python tools/figures.py

pictures: $(READY)
	$(BIN)/python tools/pictures.py

# What partwise needs beside PyTorch, as wheels for a machine with a GPU and no network (tools/gpu/check.py).
gpu-wheels: $(READY)
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --constraint constraints.txt --only-binary :all: \
		--no-deps --dest tools/gpu/wheels $$($(BIN)/python tools/gpu/needed.py)

verified: $(READY)
	$(BIN)/python tools/verified.py

docs: $(READY)
	$(BIN)/python tools/build_site.py

notebooks: $(READY)
	$(BIN)/python tools/build_notebooks.py

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
