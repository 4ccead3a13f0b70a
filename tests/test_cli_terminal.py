"""What people see: colours on a terminal only, ids whole at any width, somebody's data never taken for markup."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from support.command_line import EXAMPLE_EVENTS, Shell, edge, node

import primecore
from primecore.cli import render
from primecore.cli.jsontext import dumps, rfc3339
from primecore.cli.progress import Progress, clock

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def prime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    shell = Shell(tmp_path, monkeypatch)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    shell("ingest", "--source", "demo", "-", stdin=EXAMPLE_EVENTS)
    return shell


def on_terminal(*arguments: str, columns: int = 80) -> str:
    """stdout and stderr of `prime` on a terminal of this width."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    command = [sys.executable, "-m", "primecore.cli", *arguments]
    process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    seen = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # Linux says EIO once the other side is gone
            break
        if not piece:
            break
        seen += piece
    os.close(leader)
    process.wait(timeout=60)
    return seen.decode().replace("\r\n", "\n")


def test_people_get_a_table_with_colours(prime: Shell) -> None:
    seen = on_terminal("query", "neighbors", "node:project:auth")
    assert ESCAPES.search(seen)
    lines = ESCAPES.sub("", seen).splitlines()
    assert lines[0].split() == ["peer", "edge", "id", "relation", "direction", "weight"]
    assert lines[1].split() == ["node:person:alice", "edge:1", "works_on", "in", "0.9"]
    assert len(lines) == 3


@pytest.mark.parametrize(
    "command", [["query", "neighbors", "node:project:auth"], ["stats"], ["query", "node", "node:person:bob"]]
)
def test_no_color_means_no_escapes(prime: Shell, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in on_terminal(*command)


def test_json_is_the_same_on_a_terminal(prime: Shell) -> None:
    assert on_terminal("stats", "--json").startswith('{"events":5,')
    assert on_terminal("query", "nodes", "--json") == prime("query", "nodes", "--json").out


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_ids_are_whole_at_any_width(prime: Shell, columns: int) -> None:
    name = "a-name-that-is-rather-long-" * 4
    prime("ingest", "-", stdin=node(name, note="word " * 50) + edge(name, f"node:thing:{name}", "node:person:alice"))
    for command in (
        ["query", "nodes"],
        ["query", "neighbors", "node:person:alice"],
        ["events"],
        ["query", "node", f"node:thing:{name}"],
    ):
        seen = ESCAPES.sub("", on_terminal(*command, columns=columns))
        assert f"node:thing:{name}" in seen
        assert "…" not in seen


def test_data_is_never_markup_nor_a_command_to_the_terminal(prime: Shell) -> None:
    text = "[red]a[/red] :smile: \x1b[2J\u202e\x9b1m"
    prime("ingest", "-", stdin=node("[bold]x", note=text, domain=text))
    for command in (["query", "nodes", "--type", "thing"], ["query", "node", "node:thing:[bold]x"]):
        seen = ESCAPES.sub("", on_terminal(*command, columns=200))
        assert "node:thing:[bold]x" in seen
        assert "[red]a[/red] :smile: \\u001b[2J\\u202e\\u009b1m" in seen


def test_data_is_not_rounded_for_people(prime: Shell) -> None:
    prime("ingest", "-", stdin=node("x", year=2024, pi=3.141592653589793, big=12345678901234567890))
    seen = on_terminal("query", "node", "node:thing:x")
    for exact in ("2024", "3.141592653589793", "12345678901234567890"):
        assert exact in seen


def test_long_lists_have_one_header(prime: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    prime("ingest", "-", stdin="".join(node(str(number)) for number in range(450)))
    seen = on_terminal("query", "nodes", "--type", "thing")
    assert seen.count("properties") == 1
    assert len(seen.splitlines()) == 451


def test_nothing_found_is_said_to_people_only(prime: Shell) -> None:
    assert "nothing found" in on_terminal("query", "nodes", "--type", "ghost")
    assert prime("query", "nodes", "--type", "ghost") == (0, "", "")


@pytest.mark.parametrize("columns", [60, 100, 200])
@pytest.mark.parametrize("verb", ["search", "similar", "recall"])
def test_scores_have_bars_that_stand_in_line(prime: Shell, verb: str, columns: int) -> None:
    texts = ["auth", "auth 東京オフィスの認証" * 3, "auth 👍🎉 party", "auth\nof\ttwo \x1b[31mlines", "auth auth"]
    with primecore.open(prime.store, embedder="hashing") as store:
        for at, text in enumerate(texts):
            store.embed(store.add_node("note", {"text": text}, id=f"{at}東"), text=text)
        store.embed("memo:long", text="auth " * 5000)
    seen = ESCAPES.sub("", on_terminal("query", verb, "auth", "--explain", columns=columns))
    lines = seen.splitlines()
    cells = [line for line in lines if re.match(r" *[0-9.-]+ [█▉▊▋▌▍▎▏]+ +(node|memo):", line)]
    assert len(cells) >= 6 and lines[0].split()[:2] == ["score", "id"]
    assert {re.search("node:|memo:", line).start() for line in cells} == {lines[0].index("id")}
    lengths = [len(re.search("[█▉▊▋▌▍▎▏]+", line)[0]) for line in cells]
    assert lengths == sorted(lengths, reverse=True) and max(lengths) <= 8
    assert max(map(len, lines)) <= max(columns, 150)  # what is very long is told in short
    assert "\\n" not in seen and "\\u001b" in seen


def test_pure_json_and_bare_lines_of_hits(prime: Shell) -> None:
    with primecore.open(prime.store, embedder="hashing") as store:
        store.embed("memo:1", text="auth\nof two lines " * 100, metadata={"n": 1})
    for verb in ("search", "similar", "recall"):
        seen = on_terminal("query", verb, "auth", "--explain", "--json")
        assert json.loads(seen)["hits"][0]["score"] > 0 and "\x1b" not in seen
        piped = prime("query", verb, "auth").out.splitlines()
        assert all(len(line.split("\t")) >= 3 for line in piped) and "█" not in "".join(piped)
    assert "\\n" in prime("query", "similar", "auth").out  # whole, and on its line


def test_a_prompt_with_no_room_says_so_to_people_only(prime: Shell) -> None:
    assert on_terminal("context", "auth", "--max-tokens", "3") == "nothing fits into 3 tokens\n"
    quiet = prime("context", "auth", "--max-tokens", 3)
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


def test_printable_spells_out_what_would_not_show() -> None:
    assert render.printable("a\tb\x00\x7f\u2028é") == "a\\tb\\u0000\\u007f\\u2028é"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10**30, "1" + "0" * 30),
        (Decimal("0.10000000000000000555"), "0.10000000000000000555"),
        ({"a": [Decimal("1E+400"), None, True, "é\n"]}, '{"a":[1E+400,null,true,"é\\n"]}'),
        (0.1, "0.1"),
        ({}, "{}"),
    ],
)
def test_json_is_exact(value: object, text: str) -> None:
    assert dumps(value) == text


@pytest.mark.parametrize("value", [float("nan"), Decimal("NaN"), object(), {"a": b""}])
def test_what_is_not_json_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        dumps(value)


def test_times() -> None:
    assert rfc3339(None) is None
    assert rfc3339(datetime(2026, 11, 22, tzinfo=UTC)) == "2026-11-22T00:00:00.000000Z"
    assert rfc3339(datetime(1, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))) == "0001-01-01T00:00:00.000000Z"


def test_the_progress_line() -> None:
    progress = Progress("a.jsonl")
    line = progress.line(25, 100, 1_500_000, 2.0)
    assert line == f"a.jsonl  {'━' * 6}{'╌' * 18}  25%  1,500,000 events  750,000/s  0:06 left"
    assert progress.line(25, None, 10, 2.0) == "a.jsonl  10 events  5/s"
    assert "100%" in progress.line(101, 100, 10, 2.0)
    assert Progress("reembed", "texts").line(25, None, 10, 2.0) == "reembed  10 texts  5/s"
    assert [clock(it) for it in (0.4, 59.6, 3600)] == ["0:00", "1:00", "1:00:00"]


def test_progress_is_silent_unless_watched(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("x") as progress:
        progress.started_s -= 10
        progress(1, 2, 3)
    assert capsys.readouterr() == ("", "")


def test_progress_is_shown_after_a_second_and_wiped(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("x") as progress:
        progress.watched = True
        progress(1, 2, 3)
        assert capsys.readouterr().err == ""
        progress.started_s -= 10
        progress(1, 2, 3)
        progress(1, 2, 4)
        assert capsys.readouterr().err.count("50%") == 1
    assert capsys.readouterr().err == "\r\x1b[2K"


def test_a_dumb_terminal_gets_no_line_that_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for term, watched in (("xterm-256color", True), ("dumb", False)):
        monkeypatch.setenv("TERM", term)
        assert Progress("x").watched is watched
