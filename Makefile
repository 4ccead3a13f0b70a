# Prime: everything a developer does by hand or CI does for them. `make help` lists it.
#
#   make demo   PYTHON=python3.12        another interpreter (3.11 or later) for .venv
#   make test   PYTEST_ARGS="-k shards"  a part of the tests
#   make test   JOBS=0                   in one process, to see what is printed and to use a debugger

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=
JOBS ?= logical
PYTHONS ?= 3.11 3.12 3.13
SCALE ?= 1

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
export PIP_DISABLE_PIP_VERSION_CHECK := 1

BIN := $(VENV)/bin
PY := $(BIN)/python
CODE := $(wildcard primecore cli examples benchmarks tests) setup.py
CYTHON := $(wildcard primecore/*.pyx primecore/*.pxd)

.PHONY: help build demo test torture asan tsan check lint types mcp-conformance dist bench-peers test-all-pythons clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The environment: made anew when what it should hold has changed. Build requirements go in first, so that the project
# itself is built with exactly these and nothing is downloaded twice.
$(VENV)/requirements.txt: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Prime needs Python 3.11 or later; say which: make PYTHON=python3.12" >&2; exit 1; }
	@command -v "$${CC:-cc}" >/dev/null || { echo "Prime needs a C compiler (gcc or clang)" >&2; exit 1; }
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb")); \
	  print(*p["build-system"]["requires"], *p["project"]["dependencies"], *p["project"]["optional-dependencies"]["dev"], sep="\n")' \
	  > $@.new
	$(PY) -m pip install -qq --requirement $@.new
	@mv $@.new $@

build: $(VENV)/editable.stamp  ## Make .venv and compile in place, warnings and performance hints being errors
	@mkdir -p build
	@PRIME_STRICT=1 $(PY) setup.py build_ext --inplace > build/$(notdir $(VENV)).log 2>&1 \
	  || { grep -vE '^(running|building|creating|copying|$${CC:-gcc}|gcc|clang) ' build/$(notdir $(VENV)).log >&2; exit 1; }
	@$(PY) -m compileall -q primecore cli  # as pip does for an installation: without byte code `prime` starts in twice the time

# The editable install: the `prime` command, and the finder that shows cli/ as primecore.cli. It compiles nothing (that is
# for `build`, which remembers what it has done), and changed code needs no new one.
$(VENV)/editable.stamp: $(VENV)/requirements.txt pyproject.toml setup.py $(wildcard primecore/__init__.py cli/__init__.py)
	PRIME_COMPILE=0 $(PY) -m pip install -qq --no-deps --no-build-isolation --editable .
	@touch $@

demo: build  ## Turn this repository's history into a graph and ask it questions
	@$(PY) examples/demo.py --prime $(BIN)/prime

# Many tests wait for other processes: a process of tests for each core halves the time. A file stays in one of them;
# one that crashes ends the run.
test: check  ## Build strictly, lint, check types, run every test
	$(PY) -m pytest -n $(JOBS) --dist loadfile --max-worker-restart 0 $(PYTEST_ARGS)

# The ladder of tests/torture: TORTURE_SECONDS=3600 for an hour, TORTURE='kills 17' to repeat one run.
TORTURE ?=
torture: build  ## Try to break the log for TORTURE_SECONDS (600), and write down what was tried
	PYTHONPATH=tests $(PY) -m torture $(TORTURE)
	TORTURE_SECONDS=60 $(PY) -m pytest tests/test_serve.py tests/test_http_openapi.py -q  # a crowd for a minute, and what the document allows

# Compiled anew into build/asan, so that the fast modules stay as they are. Address space is limited by a test of its own,
# which AddressSanitizer does not survive. Leaks are CPython's own. ASAN_SECONDS is the time that is spent on fuzzing.
ASAN_SECONDS ?= 60
ASAN_TESTS ?= $(wildcard tests/test_wal.py tests/test_log*.py tests/test_recovery_table.py tests/test_storage.py \
	tests/test_format.py tests/test_scan*.py tests/test_json*.py tests/test_shards*.py tests/test_crc32c.py tests/test_reads.py \
	tests/test_ingest*.py tests/test_collected.py tests/test_let_go.py tests/test_threads.py tests/test_checkpoint*.py \
	tests/test_knn.py tests/test_base64.py tests/test_vectors.py tests/test_words.py tests/test_search.py tests/test_recall.py \
	tests/test_append*.py tests/test_values.py) \
	$(addprefix tests/test_compaction.py::test_, payloads_are_kept_to_the_byte a_large_event_among_small_ones \
	segments_are_unmapped_but_not_under_a_reader readers_that_are_open_meanwhile_read_on \
	duplicates_and_conflicts_of_events_that_are_history)
asan: build  ## Run unit tests and fuzzing under AddressSanitizer and UndefinedBehaviorSanitizer
	@PRIME_STRICT=1 PRIME_SANITIZE=1 $(PY) setup.py build --build-base build/asan --build-lib build/asan/lib > build/asan.log 2>&1 \
	  || { tail -20 build/asan.log >&2; exit 1; }
	export LD_PRELOAD="$$($${CC:-gcc} -print-file-name=libasan.so) $$($${CC:-gcc} -print-file-name=libubsan.so)" \
	  ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
	  PYTHONPATH=build/asan/lib:tests PYTHONMALLOC=malloc; \
	  $(PY) -P -m torture.sanitized $(ASAN_SECONDS) \
	  && $(PY) -P -m pytest $(ASAN_TESTS) -q -p no:cacheprovider -o faulthandler_timeout=0 $(PYTEST_ARGS)

# The same with ThreadSanitizer, into build/tsan: what runs without the GIL, in many threads. The interpreter itself is not
# instrumented; its lock is a mutex that the sanitizer sees, so only our own code is judged.
TSAN_SECONDS ?= 60
TSAN_TESTS ?= $(wildcard tests/test_threads.py tests/test_shards_threads.py tests/test_wal.py tests/test_log.py \
	tests/test_collected.py)
tsan: build  ## Run threads against each other under ThreadSanitizer
	@PRIME_STRICT=1 PRIME_SANITIZE=thread $(PY) setup.py build --build-base build/tsan --build-lib build/tsan/lib > build/tsan.log 2>&1 \
	  || { tail -20 build/tsan.log >&2; exit 1; }
	export LD_PRELOAD="$$($${CC:-gcc} -print-file-name=libtsan.so)" \
	  TSAN_OPTIONS=exitcode=66:die_after_fork=0:allow_addr2line=1:external_symbolizer_path=$$(command -v addr2line):suppressions=$(CURDIR)/tests/torture/tsan.supp PYTHONPATH=build/tsan/lib:tests; \
	  $(PY) -P -m torture.raced $(TSAN_SECONDS) $(TSAN_TESTS)

check: lint types  ## Lint and check types

lint: build  ## Judge the style of Python and Cython
	$(BIN)/ruff check $(CODE)
	$(if $(CYTHON),PATH="$(abspath $(BIN)):$$PATH" cython-lint $(CYTHON))

# mypy wants the package laid out as it is installed, with cli/ inside it: a tree of links shows it so.
types: build  ## Check the types
	@rm -rf build/types && mkdir -p build/types/primecore
	@ln -s $(addprefix ../../../,$(wildcard primecore/*.py primecore/*.pyi primecore/py.typed $(sort $(dir $(wildcard primecore/*/__init__.py))))) build/types/primecore/
	@if [ -d cli ]; then ln -s ../../../cli build/types/primecore/cli; fi
	cd build/types && ../../$(BIN)/mypy --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache -p primecore \
	  | sed -E 's,^primecore/cli/,cli/,'

mcp-conformance: build  ## Run MCP's public conformance suite against /mcp (fetches it with npm)
	@command -v npm >/dev/null || { echo "this needs npm" >&2; exit 1; }
	PYTHONPATH=tests $(PY) tests/conformance/run.py

bench-peers: build  ## Measure Prime beside other stores (SCALE=0.01 for a try), installed into build/peers-venv
	$(PY) benchmarks/peers/run.py --install --scale $(SCALE)
	$(PY) benchmarks/plot.py

dist: build  ## Build sdist and wheel into dist/
	$(PY) -m build

# Each in its own environment (.venv-3.12, ...), for the interpreters that are there; pyenv's count.
test-all-pythons:  ## Run the tests on every Python at hand
	@tried=0; for version in $(PYTHONS); do \
	  python=""; \
	  for candidate in "python$$version" $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$$version.*/bin/python; do \
	    if "$$candidate" -c '' 2>/dev/null; then python=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$python" ]; then echo "== Python $$version is not here: left out"; continue; fi; \
	  echo "== Python $$version ($$python)"; \
	  $(MAKE) --no-print-directory test PYTHON="$$python" VENV=".venv-$$version"; \
	  tried=$$((tried + 1)); \
	done; \
	[ "$$tried" -gt 0 ] || { echo "none of $(PYTHONS) is here" >&2; exit 1; }

clean:  ## Remove what was built, and the environments
	rm -rf build dist *.egg-info .venv .venv-* .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find primecore cli tests examples benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
	rm -f primecore/*.so primecore/*.c
