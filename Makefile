# make env | demo | test | test-full | lock | clean
PYTHON ?= python3
# How pip gets torch. Where the default index carries a CUDA build only, or to choose one:
#   make env TORCH_ARGS="--index-url <the wheel index that PyTorch's install page names for your platform>"
TORCH_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: env demo test test-full lint lock clean

env: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q $(TORCH_ARGS) torch==2.13.0
	$(BIN)/pip install -q -c constraints.txt -e '.[demo,test]'
	command -v npm >/dev/null || $(BIN)/pip install -q -c constraints.txt -e '.[npm]'
	touch $@

demo: env
	@exec $(BIN)/python -m cluster.demo

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy lib jobs serve cluster tests
	$(BIN)/lint-imports

test: lint
	$(BIN)/pytest -m "not full" --durations=15

test-full: lint
	$(BIN)/pytest --durations=30 --timeout=3600

lock: env
	{ sed -n '/^#/p' constraints.txt; $(BIN)/pip freeze --exclude-editable | sed 's/+cpu//' | grep -v '^pip==\|^setuptools=='; } \
	  > constraints.new && mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
