"""Export and import: a round trip loses nothing; the formats of other memories; what is wrong with a file."""

from __future__ import annotations

import gzip
import io
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.feed import feed
from support.generate import Generator
from support.realdata import KNOWN, real_log
from support.stores import pair, unchanged

import primecore
from primecore.errors import InvalidArgument, InvalidEvent, StorageFailure


def exported(store) -> bytes:
    out = io.BytesIO()
    report = store.export(out)
    assert (report.events, report.position, report.bytes) == (store.position, store.position, len(out.getvalue()))
    return out.getvalue()


def lines(*items) -> io.BytesIO:
    return io.BytesIO("".join(json.dumps(item) + "\n" for item in items).encode())


@pytest.fixture
def prime():
    with primecore.open(":memory:") as store:
        yield store


@given(st.integers(0, 2**32), st.integers(0, 60), st.sampled_from(("append", "append_many", "ingest")))
def test_a_round_trip_loses_nothing(seed, count, way):
    with primecore.open(":memory:") as store, primecore.open(":memory:") as other:
        feed(store, Generator(seed, clock=True).events(count), way, seed)
        text = exported(store)
        report = other.import_from(io.BytesIO(text))
        assert (report.appended, report.duplicates, report.refused) == (store.position, 0, 0)
        assert other.digest() == store.digest()
        assert list(other.events()) == list(store.events())
        assert exported(other) == text
        assert other.import_from(io.BytesIO(text)).duplicates == store.position
        assert other.digest() == store.digest()


@pytest.mark.parametrize("name", KNOWN)
def test_real_logs_through_a_packed_file(name, tmp_path):
    with primecore.open(":memory:") as store, primecore.open(tmp_path / "other") as other:
        store.ingest(real_log(name))
        store.export(tmp_path / "all.jsonl.gz")
        assert other.import_from(tmp_path / "all.jsonl.gz").appended == store.position
        assert other.digest() == store.digest()
        assert other.ingest(tmp_path / "all.jsonl.gz").appended == 0


def test_payloads_go_out_byte_by_byte(prime):
    payload = b'{"a" : 1.10,\t"b":[1e400 , 10000000000000000000000001],"c":"\\u00e9"}'
    prime.ingest(io.BytesIO(b'{"event_type":"x","entity_id":"e\\u0022","payload":' + payload + b"}"))
    text = exported(prime)
    assert payload in text
    assert json.loads(text)["entity_id"] == 'e"'


def test_a_file_is_whole_or_not_there(prime, tmp_path, monkeypatch):
    pair(prime)
    path = tmp_path / "all.jsonl"
    prime.export(path)
    before = path.read_bytes()
    prime.append("x", "y")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.raises(StorageFailure, match="cannot write it"):
        prime.export(path)
    assert path.read_bytes() == before and [it.name for it in tmp_path.iterdir()] == [path.name]
    monkeypatch.undo()
    prime.export(path)
    assert path.read_bytes() != before
    with pytest.raises(StorageFailure):
        prime.export(tmp_path / "no" / "such" / "folder")


# --- the MCP reference memory server ---------------------------------------------------------------------------------


ALICE = {"type": "entity", "name": "Alice", "entityType": "person", "observations": ["leads auth", "likes tea"]}
AUTH = {"type": "entity", "name": "Auth: the service", "entityType": "work:project", "observations": []}
LEADS = {"type": "relation", "from": "Alice", "to": "Auth: the service", "relationType": "leads"}


def test_a_memory_server_s_file(prime):
    report = prime.import_from(lines(LEADS, ALICE, AUTH))
    assert (report.read, report.appended, report.duplicates) == (3, 3, 0)
    alice, auth = prime.node("node:person:Alice"), prime.node("node:work_project:Auth: the service")
    assert alice.properties == {"name": "Alice", "observations": ["leads auth", "likes tea"]}
    assert auth.properties["entityType"] == "work:project"
    assert [it[:1] + it[2:4] for it in prime.neighbors(alice.id)] == [(auth.id, "leads", "out")]
    with unchanged(prime):
        assert prime.import_from(lines(ALICE, AUTH, LEADS)).duplicates == 3
    changed = {**ALICE, "observations": ["likes coffee"]}
    assert prime.import_from(lines(changed, AUTH, LEADS)).appended == 1
    assert prime.node(alice.id).properties["observations"] == ["likes coffee"]
    assert prime.import_from(lines(ALICE, AUTH, LEADS)).appended == 1
    assert prime.node(alice.id).properties == alice.properties and len(prime.neighbors(alice.id)) == 1


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "entity", "name": "x"},
        {"type": "entity", "name": 5, "entityType": "t"},
        {"type": "entity", "name": "x", "entityType": "t", "observations": "no list"},
        {"type": "entity", "name": "a\u0000b", "entityType": "t", "observations": []},
        {"type": "entity", "name": "y" * 2000, "entityType": "t", "observations": []},
        {"type": "relation", "from": "Alice", "to": "nobody", "relationType": "knows"},
        {"type": "relation", "from": "Alice", "to": "Alice"},
        {"type": "riddle"},
        [1],
    ],
)
def test_broken_lines_of_a_memory_server(prime, broken):
    with pytest.raises(InvalidEvent, match=":2: "):
        prime.import_from(lines(ALICE, broken, AUTH), name="memory")
    report = prime.import_from(lines(ALICE, broken, AUTH, LEADS), on_error="skip")
    assert (report.read, report.refused) == (4, 1)
    assert prime.stats().nodes == 2 and prime.stats().edges == 1


# --- AllSource Prime -------------------------------------------------------------------------------------------------


def test_an_export_of_allsource_prime(prime):
    text = lines(
        {"type": "node", "entity_id": "node:person:alice", "data": {"node_type": "person", "properties": {"n": 1}}},
        {"type": "node", "entity_id": "node:person:bob", "data": {"node_type": "person", "properties": {}}},
        {"type": "node", "entity_id": "node:team:bob", "data": {"node_type": "team", "properties": {}}},
        {
            "type": "edge",
            "entity_id": "edge:e-1",
            "data": {"id": "e-1", "source": "alice", "target": "bob", "relation": "knows", "weight": 0.5},
        },
        {
            "type": "edge",
            "entity_id": "edge:e-2",
            "data": {"id": "e-2", "source": "node:person:bob", "target": "alice", "relation": "knows"},
        },
        {"type": "vector", "entity_id": "vec:node:person:alice", "data": {"embedding": [1.0, 0.5], "text": "hi"}},
    ).getvalue()
    report = prime.import_from(io.BytesIO(text), name="old store")
    assert (report.appended, report.refused) == (6, 0)
    assert prime.edge("edge:e-1")[1:5] == ("node:person:alice", "bob", "knows", 0.5)  # two nodes are called bob
    assert prime.edge("edge:e-2").target == "node:person:alice"
    assert prime.stats().vectors == 1
    with unchanged(prime):
        assert prime.import_from(io.BytesIO(text), name="old store").duplicates == 6


def test_a_broken_line_of_an_allsource_export(prime):
    good = {"type": "node", "entity_id": "node:person:alice", "data": {"properties": {}}}
    with pytest.raises(InvalidEvent, match="old:2:"):
        prime.import_from(lines(good, {"type": "schema", "entity_id": "x", "data": {}}), name="old")
    assert prime.import_from(lines(good, {"type": "schema"}), name="old", on_error="skip").refused == 1


# --- telling formats apart -------------------------------------------------------------------------------------------


def test_formats_are_told_apart_by_the_first_line(prime, tmp_path):
    event = {"event_type": "x", "entity_id": "y"}
    for name, items in {
        "a": [event],
        "b": [ALICE],
        "c": [{"type": "node", "entity_id": "node:t:z", "data": {}}],
    }.items():
        plain = b"\xef\xbb\xbf\n\r\n" + lines(*items).getvalue()
        for path, data in ((f"{name}.jsonl", plain), (f"{name}.jsonl.gz", gzip.compress(plain))):
            (tmp_path / path).write_bytes(data)
            report = prime.import_from(tmp_path / path, on_error="skip")
            assert report.read == 1
    assert prime.import_from(io.BytesIO(b"")).read == 0
    assert prime.import_from(lines(event), format="prime").appended == 1
    with pytest.raises(InvalidArgument, match="none of the formats"):
        prime.import_from(lines({"id": 1}))
    with pytest.raises(InvalidArgument, match="format"):
        prime.import_from(lines(event), format="xml")
    with pytest.raises(InvalidArgument, match="on_error"):
        prime.import_from(lines(event), on_error="quarantine")
    with pytest.raises(InvalidEvent):
        prime.import_from(io.BytesIO(b"not json\n"))
