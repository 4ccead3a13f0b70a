"""Start-up is felt: what each command may load, measured in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.command_line import EXAMPLE_EVENTS, Shell

HEAVY = {"rich", "numpy", "pyarrow", "usearch", "orjson", "msgspec", "asyncio", "http", "unittest", "multiprocessing"}
PROGRAM = """
import sys
from primecore.cli.main import main
code = main(sys.argv[1:])
sys.stdout.flush()
print("\\n".join(sys.modules), file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture
def prime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(tmp_path, monkeypatch)


def loaded(*arguments: str) -> set[str]:
    """The modules that a run of `prime` loads."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return set(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stderr.splitlines())


@pytest.mark.parametrize("arguments", [["--help"], ["query", "--help"], ["--version"]], ids=" ".join)
def test_help_loads_words_only(arguments: list[str]) -> None:
    modules = loaded(*arguments)
    assert not HEAVY & modules
    ours = {name for name in modules if name.startswith("primecore")}
    allowed = {"primecore", "primecore.cli", "primecore.cli.main", "primecore.cli.lazy", "primecore.cli.options"}
    allowed |= {"primecore.cli.commands", "primecore.cli.commands.query"}
    ours -= {"primecore.outcomes", "primecore.requests"}  # which the table of operations is made of
    assert ours <= allowed | {"primecore.operations", "primecore.model", "primecore.errors"}


@pytest.mark.parametrize("name", ["ingest", "events", "stats", "replay"])
def test_the_help_of_a_command_loads_that_command_only(name: str) -> None:
    modules = loaded(name, "--help")
    assert not HEAVY & modules
    assert {it for it in modules if it.startswith("primecore.cli.commands.")} == {f"primecore.cli.commands.{name}"}
    assert not {it for it in modules if it.startswith(("primecore._", "primecore.service", "primecore.engine"))}


@pytest.mark.parametrize(
    "arguments",
    [["query", "node", "node:person:alice"], ["query", "neighbors", "node:person:alice"], ["stats"], ["events"]],
    ids=" ".join,
)
def test_a_question_loads_nothing_for_other_questions(prime: Shell, arguments: list[str]) -> None:
    prime("ingest", "-", stdin=EXAMPLE_EVENTS)
    modules = loaded(*arguments)
    assert not {"rich", "pyarrow", "usearch", "numpy", "secrets", "hmac", "tempfile", "gzip"} & modules
    assert not {f"primecore.{name}" for name in ("care", "checking", "copies", "diagnosis", "transfer")} & modules


def test_python_m_works(prime: Shell) -> None:
    prime("ingest", "-", stdin=EXAMPLE_EVENTS)
    assert prime.process(f"{sys.executable} -m primecore.cli query nodes --type project").out.startswith(
        "node:project:auth"
    )
