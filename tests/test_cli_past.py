"""The past on the command line: points, views, differences, provenance, following, export and import."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import click
import pytest
from support.command_line import Shell, edge, node

from primecore.cli.commands.events import command as events
from primecore.cli.commands.query import command as query
from primecore.cli.commands.stats import command as stats
from primecore.cli.commands.why import command as why


@pytest.fixture
def prime(tmp_path, monkeypatch):
    return Shell(tmp_path, monkeypatch).with_example()


def say(prime: Shell, text: str) -> None:
    assert prime("ingest", "--source", "more", "-", stdin=text).code == 0


@pytest.mark.parametrize(
    "question",
    [
        ["node", "node:person:alice"],
        ["edge", "edge:1"],
        ["neighbors", "node:project:auth"],
        ["neighbors", "node:person:alice", "--depth", "2"],
        ["nodes"],
        ["path", "node:person:alice", "node:person:bob"],
        ["subgraph", "node:project:auth"],
        ["history", "edge:1"],
        ["domains"],
        ["domains", "--cross"],
    ],
    ids=" ".join,
)
def test_every_question_can_be_put_to_the_past(prime, question):
    before = prime("query", *question, "--json")
    say(
        prime,
        '{"event_type":"prime.node.deleted","entity_id":"node:project:auth"}\n'
        '{"event_type":"prime.node.updated","entity_id":"node:person:alice","payload":{"properties":{"domain":"x"}}}\n'
        '{"event_type":"note","entity_id":"edge:1"}\n' + node("new"),
    )
    assert prime("query", *question, "--json").out != before.out
    assert prime("query", *question, "--at", "5", "--json") == before
    assert prime("query", *question, "--at", "1970-01-01T00:00:00Z", "--json").out != before.out


def test_every_command_that_asks_takes_a_point():
    context = click.Context(query)
    asking = {name: query.get_command(context, name) for name in query.list_commands(context)}
    asking |= {command.name: command for command in (events, stats, why)}
    assert len(asking) == 14
    lacking = [name for name, it in asking.items() if "--at" not in {word for one in it.params for word in one.opts}]
    assert not lacking


def test_events_of_then(prime):
    log = '{{"event_type":"note","entity_id":"n:{0}","timestamp":"20{0}-01-01T00:00:00Z"}}\n'
    say(prime, "".join(log.format(year) for year in (12, 10, 11)))
    at = prime("events", "--at", "2011-06-01T00:00:00Z", "--json").documents
    assert [it["entity_id"] for it in at] == ["n:10", "n:11"]
    assert len(prime("events", "--at", "2", "--json").documents) == 2
    assert [it["position"] for it in prime("events", "--at", "4", "--after", "2", "--json").documents] == [3, 4]


def test_points_are_positions_or_times(prime):
    say(prime, '{"event_type":"prime.node.created","entity_id":"node:t:old","payload":{"properties":{}},'
               '"timestamp":"2001-01-01T00:00:00Z"}\n')  # fmt: skip
    assert [it["entity_id"] for it in prime("query", "nodes", "--at", "2002-01-01T00:00:00Z", "--json").documents] == [
        "node:t:old"
    ]
    for wrong in ("99", "yesterday", "-1"):
        result = prime("query", "nodes", f"--at={wrong}")
        assert (result.code, result.out) == (2, "") and "at: expected" in result.err


def test_edges_that_hold_at_a_moment(prime):
    say(prime, edge("3", "node:person:alice", "node:person:bob", valid_from="2020-01-01T00:00:00Z",
                    valid_to="2021-01-01T00:00:00Z"))  # fmt: skip

    def ids(*more):
        found = prime("query", "neighbors", "node:person:alice", "--json", *more).document
        return [it["edge_id"] for it in found["neighbors"]]

    assert ids() == ["edge:1", "edge:3"] == ids("--valid-at", "2020-06-01T00:00:00Z")
    assert ids("--valid-at", "2022-01-01T00:00:00Z") == ["edge:1"]
    assert ids("--valid-at", "2020-06-01T00:00:00Z", "--at", "5") == ["edge:1"]
    assert prime("query", "edge", "edge:3", "--valid-at", "2022-01-01T00:00:00Z").code == 66


def test_why_and_its_exit_codes(prime):
    say(prime, '{"event_type":"prime.node.deleted","entity_id":"node:project:auth","metadata":{"agent_id":"a"}}\n')
    [found] = prime("why", "edge:1", "--json").document["fields"]
    assert (found["field"], found["present"], found["event"]["metadata"]) == ("", False, {"agent_id": "a"})
    assert prime("why", "edge:1", "weight", "--at", "5").out.startswith("/weight\t0.9\t4\t")
    assert prime("why", "node:person:alice", "nope").code == 1
    assert prime("why", "node:person:alice", "nope", "--json").document["fields"] == []
    assert prime("why", "node:person:zoe").code == 66
    assert prime("why", "vec:x").code == 2


def test_lines_of_a_difference(prime):
    say(prime, '{"event_type":"prime.node.updated","entity_id":"node:person:bob","payload":{"properties":{"n":1}}}\n'
               '{"event_type":"prime.edge.deleted","entity_id":"edge:2"}\n' + node("new"))  # fmt: skip
    assert prime("diff", "5").out.splitlines() == [
        "added\tnode:thing:new\t\t\t",
        "added\tnode:person:bob\t/properties/n\t\t1",
        "removed\tedge:2\t\t\t",
    ]


def test_export_and_import(prime, tmp_path, monkeypatch):
    out = prime("export").out
    assert prime("export", "all.jsonl.gz").code == 0
    digest = prime("replay", "--json").document["digest"]
    for number, source in enumerate(("all.jsonl.gz", "-")):
        monkeypatch.setenv("PRIME_DATA_DIR", str(tmp_path / f"other{number}"))
        report = prime("import", source, "--json", stdin=out).document
        assert (report["appended"], report["refused"]) == (5, 0)
        assert prime("replay", "--json").document["digest"] == digest
        assert prime("import", source, "--json", stdin=out).document["duplicates"] == 5
    broken = prime("import", "-", "--format", "mcp-memory", "--source", "mem", stdin='{"type":"entity"}\n')
    assert broken.code == 65 and "mem:1: " in broken.err
    monkeypatch.setenv("PRIME_DATA_DIR", str(tmp_path / "never"))
    assert prime("import", "no such file").code == 66
    assert not (tmp_path / "never").exists()


def test_tail_ends_when_told_and_says_where_to_go_on(prime):
    found = prime("tail", "--after", "0", "--type-prefix", "prime.edge.", "--timeout", "0", "--json").documents
    assert [it["entity_id"] for it in found] == ["edge:1", "edge:2"]
    assert prime("tail", "--after", "3", "--limit", "1").out.startswith("4\t1\t")
    assert prime("tail", "--timeout", "0").out == ""
    with subprocess.Popen(
        [sys.executable, "-m", "primecore.cli", "tail", "--after", "2", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as follower:
        lines = [json.loads(follower.stdout.readline())["position"] for _ in range(3)]  # each is flushed as it comes
        follower.send_signal(signal.SIGINT)
        assert lines == [3, 4, 5] and follower.wait(30) == 130
        assert b"go on with --after 5" in follower.stderr.read()
