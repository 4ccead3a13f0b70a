"""`prime` from the shell's side: exit codes, what goes to stdout and what to stderr, and that nothing is lost."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from support.command_line import Shell, edge, node

READS = [
    ["query", "node", "node:person:alice"],
    ["query", "edge", "edge:1"],
    ["query", "neighbors", "node:person:alice"],
    ["query", "nodes"],
    ["query", "path", "node:person:alice", "node:person:bob"],
    ["query", "subgraph", "node:person:alice"],
    ["query", "history", "node:person:alice"],
    ["query", "domains"],
    ["query", "domains", "--cross"],
    ["events"],
    ["stats"],
    ["replay", "--verify"],
]


@pytest.fixture
def prime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(tmp_path, monkeypatch)


@pytest.fixture
def filled(prime: Shell) -> Shell:
    return prime.with_example()


@pytest.mark.parametrize("command", READS, ids=" ".join)
def test_reading_takes_json_before_and_after_the_command(filled: Shell, command: list[str]) -> None:
    after, before = filled(*command, "--json"), filled("--json", *command)
    assert (after.code, after.err) == (0, "")
    assert len(after.documents) == len(before.documents) >= 1
    plain = filled(*command)
    assert plain.code == 0
    assert "\t" in plain.out and not plain.out.startswith("{")


@pytest.mark.parametrize("command", READS, ids=" ".join)
def test_reading_where_there_is_no_store_makes_none(prime: Shell, command: list[str]) -> None:
    result = prime(*command)
    assert (result.code, result.out) == (66, "")
    assert result.err.startswith("prime: error: ") and str(prime.store) in result.err
    assert "prime ingest FILE" in result.err and "--data-dir" in result.err
    assert not prime.store.exists()


def test_data_dir_is_taken_from_the_nearest_place(filled: Shell) -> None:
    elsewhere = filled.folder / "elsewhere"
    assert filled("--data-dir", elsewhere, "stats").code == 66
    assert filled("stats", "--data-dir", elsewhere).code == 66
    assert filled("--data-dir", elsewhere, "stats", "--data-dir", filled.store).code == 0
    assert filled("--data-dir", "", "stats").code == 2


def test_a_node_that_is_not_there(filled: Shell) -> None:
    result = filled("query", "node", "node:person:carol")
    assert (result.code, result.out) == (66, "")
    assert result.err.count("\n") == 1
    assert result.err.startswith("prime: error: no live node node:person:carol; ")
    as_json = filled("query", "node", "node:person:carol", "--json")
    assert (as_json.code, as_json.out) == (66, "")
    assert as_json.error["code"] == "node_not_found" and as_json.error["hint"]
    assert filled("query", "edge", "edge:9", "--json").error["code"] == "edge_not_found"


def test_an_unknown_id_has_no_neighbours_and_no_history(filled: Shell) -> None:
    result = filled("query", "neighbors", "node:person:carol", "--json")
    assert (result.code, result.document) == (0, {"entity_id": "node:person:carol", "position": 5, "neighbors": []})
    assert filled("query", "history", "node:person:carol", "--json") == (0, "", "")


def test_neighbours_can_be_narrowed(filled: Shell) -> None:
    def peers(*options: object) -> list[str]:
        return [it["peer"] for it in filled("query", "neighbors", *options, "--json").document["neighbors"]]

    assert peers("node:project:auth") == ["node:person:alice", "node:person:bob"]
    assert peers("node:project:auth", "--direction", "out") == []
    assert peers("node:project:auth", "--relation", "owns") == []
    assert peers("node:project:auth", "--limit", 1) == ["node:person:alice"]
    assert peers("node:person:alice", "--depth", 2) == ["node:project:auth", "node:person:bob"]


def test_no_path_is_the_answer_no(filled: Shell) -> None:
    ask = ["query", "path", "node:person:alice", "node:person:carol"]
    plain = filled(*ask)
    assert (plain.code, plain.out) == (1, "")
    assert plain.err == "prime: no path from node:person:alice to node:person:carol\n"
    as_json = filled(*ask, "--json")
    assert (as_json.code, as_json.err) == (1, "")
    assert as_json.document["found"] is False and as_json.document["nodes"] == []


def test_nodes_come_in_pages_without_gaps(prime: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("primecore.cli.commands.nodes.PAGE", 7)
    prime("ingest", "-", stdin="".join(node(str(number)) for number in range(30)))
    names = [f"node:thing:{number}" for number in range(30)]
    for limit in (1, 6, 7, 8, 14, 29, 30, 31):
        found = prime("query", "nodes", "--limit", limit, "--json").documents
        assert [it["entity_id"] for it in found] == names[:limit]
    assert [it["entity_id"] for it in prime("query", "nodes", "--json").documents] == names
    after = prime("query", "nodes", "--after", names[9], "--limit", 9, "--json").documents
    assert [it["entity_id"] for it in after] == names[10:19]


def test_events_can_be_narrowed(filled: Shell) -> None:
    def positions(*options: object) -> list[int]:
        return [it["position"] for it in filled("events", *options, "--json").documents]

    assert positions() == [1, 2, 3, 4, 5]
    assert positions("--after", 3) == [4, 5]
    assert positions("--after", 1, "--until", 3) == [2, 3]
    assert positions("--type", "prime.edge.created", "--limit", 1) == [4]
    assert positions("--entity", "edge:2") == [5]
    assert positions("--after", 5) == []


def test_events_go_back_in_as_they_came_out(filled: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = filled.write("saved.jsonl", filled("events", "--json").out)
    digest = filled("replay", "--json").document["digest"]
    monkeypatch.setenv("PRIME_DATA_DIR", str(filled.folder / "copy"))
    assert filled("ingest", saved, "--json").document["appended"] == 5
    assert filled("replay", "--json").document["digest"] == digest


def test_values_are_printed_exactly(prime: Shell) -> None:
    exact = '{"big":123456789012345678901234567890,"long":0.1000000000000000055511151231257827,"text":"\\u0000 é 🜂"}'
    line = f'{{"event_type":"prime.node.created","entity_id":"node:thing:x","payload":{{"properties":{exact}}}}}'
    assert prime("ingest", "-", stdin=line).code == 0
    for command in (
        ["query", "node", "node:thing:x"],
        ["query", "nodes"],
        ["events"],
        ["query", "history", "node:thing:x"],
    ):
        out = prime(*command, "--json").out
        assert "123456789012345678901234567890" in out
        assert "0.1000000000000000055511151231257827" in out
        assert "\\u0000 é 🜂" in out
    assert "123456789012345678901234567890" in prime("query", "node", "node:thing:x").out


def test_plain_lines_stay_lines(prime: Shell) -> None:
    prime("ingest", "-", stdin=node("x", note="a\tb\nc\x1b[31m", domain="d\te"))
    rows = [line.split("\t") for line in prime("query", "nodes").out.splitlines()]
    assert len(rows) == 1 and len(rows[0]) == 4
    assert rows[0][1] == "d\\te"
    assert "properties.note\ta\\tb\\nc\\u001b[31m\n" in prime("query", "node", "node:thing:x").out


def test_times_are_utc_with_microseconds(prime: Shell) -> None:
    line = json.loads(node("x")) | {"timestamp": "2026-11-22T18:53:00.1234569+01:00"}
    prime("ingest", "-", stdin=json.dumps(line))
    assert prime("query", "node", "node:thing:x", "--json").document["created_at"] == "2026-11-22T17:53:00.123456Z"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["qery"], 'did you mean "query"?'),
        (["query", "neighbours", "x"], 'did you mean "neighbors"?'),
        (["query", "node"], "see prime query node --help"),
        (["query", "node", "a", "b"], "see prime query node --help"),
        (["query", "node", ""], "empty"),
        (["query", "node", "x" * 1025], "1024 bytes"),
        (["query", "node", "a\x07b"], "control characters"),
        (["query", "node", "\udcff"], "UTF-8"),
        (["query", "neighbors", "x", "--depth", "0"], "--depth"),
        (["query", "neighbors", "x", "--direction", "up"], "--direction"),
        (["events", "--limit", "-1"], "--limit"),
        (["events", "--colour"], "--colour"),
        (["replay", "--verify", "--to", "3"], "leave out --to"),
        (["ingest"], "FILE"),
        (["ingest", "-", "-"], "stdin"),
        (["ingest", "-", "--on-error", "panic"], "--on-error"),
        (["ingest", "a", "b", "--source", "s"], "--source"),
    ],
)
def test_wrong_calls_exit_with_2_and_one_line(filled: Shell, arguments: list[str], says: str) -> None:
    result = filled(*arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("prime: error: ") and result.err.count("\n") == 1
    assert says in result.err
    as_json = filled(*arguments, "--json")
    assert (as_json.code, as_json.out, as_json.error["code"]) == (2, "", "usage")


def test_an_id_that_looks_like_an_option(filled: Shell) -> None:
    assert filled("query", "neighbors", "--", "--json").out == ""
    assert filled("query", "node", "--json", "--", "--debug").error["message"] == "no live node --debug"


def test_debug_shows_where_it_came_from(filled: Shell) -> None:
    assert "Traceback" not in filled("query", "node", "nobody").err
    assert "Traceback" in filled("query", "node", "nobody", "--debug").err


def test_a_bug_is_one_line_too(filled: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("division by\nzero")

    monkeypatch.setattr("primecore.cli.shapes.stats", fail)
    result = filled("stats")
    assert (result.code, result.err.count("\n")) == (70, 1)
    assert "ZeroDivisionError: division by zero" in result.err and "--debug" in result.err


def test_a_reader_that_leaves_is_no_error(prime: Shell) -> None:
    prime("ingest", "-", stdin="".join(node(str(number)) for number in range(3000)))  # more than a pipe holds
    result = prime.process("prime events --json | head -n 1; echo ${PIPESTATUS[0]}")
    assert (result.out.splitlines()[1], result.err) == ("141", "")


def test_an_error_leaves_stdout_of_its_caller_alone(filled: Shell) -> None:
    program = "from primecore.cli.main import main; main(['ingest', 'missing']); print('still here')"
    assert filled.process(f'{sys.executable} -c "{program}"').out == "still here\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_output_that_cannot_be_written_is_an_error(filled: Shell) -> None:
    result = filled.process("prime stats > /dev/full")
    assert result.code == 74
    assert result.err.startswith("prime: error: cannot write the output: no space left on device")
    assert result.err.count("\n") == 1


def test_output_is_utf_8_whatever_the_locale(prime: Shell) -> None:
    prime("ingest", "-", stdin=node("é", name="🜂"))
    result = prime.process("prime query nodes", LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert result.out.startswith("node:thing:é\t") and "🜂" in result.out


def test_the_stream_of_a_large_store_is_whole(prime: Shell) -> None:
    lines = "".join(
        node(str(number)) + edge(str(number), f"node:thing:{number}", "node:thing:0") for number in range(2000)
    )
    prime("ingest", "-", stdin=lines)
    assert [it["position"] for it in prime("events", "--json").documents] == list(range(1, 4001))
    assert len(prime("query", "neighbors", "node:thing:0").out.splitlines()) == 2000
