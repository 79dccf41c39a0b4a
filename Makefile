# make env | demo | test | test-full | lock | clean
#   make demo DEMO_ARGS="--data /my/set steps=50"     PORT=8080 make demo     make test PYTEST_ARGS="-k gallery"
PYTHON ?= python3
# How pip gets torch. Where the default index carries a CUDA build only, or to choose one:
#   make env TORCH_ARGS="--index-url <the wheel index that PyTorch's install page names for your platform>"
TORCH_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --root-user-action=ignore
STAMP := $(VENV)/.installed

.PHONY: env demo test test-full lint lock clean

env: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) $(TORCH_ARGS) torch==2.13.0
	$(PIP) -c constraints.txt -e '.[demo,test,transformers]'
	command -v npm >/dev/null || $(PIP) -c constraints.txt -e '.[npm]'
	@touch $@

demo: env
	@exec $(BIN)/python -m cluster.demo $(DEMO_ARGS)

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy lib jobs serve cluster tests
	$(BIN)/lint-imports

test: lint
	$(BIN)/pytest -m "not full" -n 2 --no-loadscope-reorder --durations=15 $(PYTEST_ARGS)

test-full: lint
	$(BIN)/pytest --durations=30 --timeout=3600 $(PYTEST_ARGS)

lock: env
	{ sed -n '/^#/p' constraints.txt; $(BIN)/pip freeze --exclude-editable | sed 's/+cpu//' | grep -iv '^pip==\|^setuptools==\|^nvidia\|^triton\|^nodejs'; } \
	  > constraints.new && mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
