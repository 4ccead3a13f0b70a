"""docs/cli.md and the help pages, held to what `prime` does: each command, option, shape and example."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from support.command_line import Shell

from primecore.cli.commands.ingest import EXAMPLE
from primecore.cli.lazy import LazyGroup, PrimeCommand
from primecore.cli.main import root
from primecore.cli.options import SharedOption
from primecore.operations import ERRORS

DOCUMENT = (Path(__file__).parents[1] / "docs/cli.md").read_text()
SHOWN = re.findall(r"```console\n\$ ([^\n]*)\n```\n```(json|jsonl|tsv)\n(.*?)\n```", DOCUMENT, re.DOTALL)
MEASURED = {
    "created_at",
    "updated_at",
    "timestamp",
    "bytes",
    "event_id",
    "events_per_second",
    "seconds",
    "digest",
    "live_digest",
}
MEASURED |= {"path", "source", "report", "store_uuid", "source_uuid", "bytes", "copied_bytes", "bytes_per_second"}
MEASURED |= {"replayed_digest", "durable_position", "message"}
MEASURED |= {"wal_bytes", "wal_segments", "memory_bytes", "projections", "oldest_unsynced_ms", "worst_unsynced_ms"}
MEASURED |= {"file", "content", "markdown", "score", "parts", "paused_ms"}
MEASURED |= {"machine", "core", "filesystem", "in_memory", "noise_before", "noise_after", "quiet", "prime", "value"}
MEASURED |= {"times", "verdict"}


def commands(group: LazyGroup = root, path: str = "prime") -> Iterator[tuple[str, PrimeCommand]]:
    """Every command with its full name."""
    for name in group.entries:
        command = group.get_command(click.Context(group), name)
        if isinstance(command, LazyGroup):
            yield from commands(command, f"{path} {name}")
        else:
            assert isinstance(command, PrimeCommand)
            yield f"{path} {name}", command


COMMANDS = dict(commands())
# They run until they are stopped; tests/test_serve.py and tests/test_mcp.py run them.
SERVERS = {"prime serve", "prime mcp"}
EXAMPLES = [
    (name, example) for name, command in COMMANDS.items() if name not in SERVERS for example in command.examples
]


@pytest.fixture
def prime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(tmp_path, monkeypatch)


def section(name: str) -> str:
    found = re.search(rf"^## {re.escape(name)}\n(.*?)(?=^## |\Z)", DOCUMENT, re.DOTALL | re.MULTILINE)
    assert found, f"docs/cli.md has no section on {name}"
    return found[1]


def same(shown: Any, found: Any, key: str = "") -> None:
    """Same fields in the same order, same values; what differs from run to run has the same type."""
    if isinstance(shown, dict) and isinstance(found, dict) and key not in MEASURED:
        assert list(shown) == list(found), key
        for name in shown:
            same(shown[name], found[name], name)
    elif isinstance(shown, list):
        assert len(shown) == len(found), key
        for one, other in zip(shown, found, strict=True):
            same(one, other, key)
    elif key in MEASURED:
        numbers = isinstance(shown, (int, float)) and isinstance(found, (int, float))
        assert numbers or type(shown) is type(found), key
    else:
        assert shown == found, key


def test_the_document_shows_each_shape() -> None:
    assert {name for name in COMMANDS for command, *_ in SHOWN if command.startswith(name)} == set(COMMANDS) - SERVERS


@pytest.mark.parametrize(("command", "kind", "shown"), SHOWN, ids=[it[0] for it in SHOWN])
def test_what_the_document_shows_is_what_comes_out(prime: Shell, command: str, kind: str, shown: str) -> None:
    result = prime.with_example().process(command)
    assert result.err == ""
    if kind == "json":
        same(json.loads(shown), result.document)
    elif kind == "jsonl":
        same([json.loads(line) for line in shown.splitlines()], result.documents)
    else:
        assert result.out == shown + "\n"


def test_the_store_of_the_examples_is_the_same_everywhere() -> None:
    assert EXAMPLE in section("The store of the examples")


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[it[1].splitlines()[0] for it in EXAMPLES])
def test_examples_in_help_work_when_pasted(prime: Shell, name: str, example: str) -> None:
    if not COMMANDS[name].standalone:
        prime.with_example()
    assert any(line.startswith(name) for line in example.splitlines())
    help_page = prime(*name.split()[1:], "--help").out
    assert example in help_page
    result = prime.process(example)
    assert (result.code, result.err) == (0, "")
    assert result.out


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_is_documented(name: str) -> None:
    text = section(name)
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Option) and not isinstance(parameter, SharedOption):
            assert parameter.help
            assert any(f"{option}" in text for option in parameter.opts), f"{name} {parameter.opts}"


def test_global_options_are_documented_and_on_each_command() -> None:
    head = DOCUMENT.split("\n## ")[0]
    names = [it.opts[0] for it in root.params if isinstance(it, SharedOption)]
    assert names == ["--data-dir", "--json", "--debug"]
    for name in [*names, "--version", "--help"]:
        assert f"`{name}" in head or f", `{name}" in head
    for command in [*COMMANDS.values(), root]:
        assert [it.opts[0] for it in command.params if isinstance(it, SharedOption)] == names


def test_every_exit_code_is_documented() -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", section("Exit codes"), re.MULTILINE)}
    assert documented == {0, 1, 130, 141} | {it.exit_code for it in ERRORS.values()}


@pytest.mark.parametrize("name", ["prime", "prime query", *COMMANDS])
def test_each_help_page_fits_a_screen(prime: Shell, name: str) -> None:
    result = prime(*name.split()[1:], "--help")
    assert (result.code, result.err) == (0, "")
    assert result == prime(*name.split()[1:], "-h")
    lines = result.out.split("\nExample")[0].splitlines()
    assert len(lines) < 50 and max(map(len, lines)) <= 80
