"""Every operation of the table, on every face that has it: reads answer the same, writes leave the same log behind.

test_faces_parity.py looks at the questions asked most in detail; here nothing may be left out, and what a face has not
got is written down with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.command_line import Shell
from support.serving import API, Client, serving
from test_faces_parity import CASES, bare, tool

import primecore
from primecore.faces import values
from primecore.operations import OPERATIONS

ROOT = Path(__file__).resolve().parents[1]
ALICE, BOB, AUTH = "node:person:alice", "node:person:bob", "node:project:auth"
IDS = [ALICE, AUTH, "node:person:nobody"]
QUESTION = "who works on auth?"


class Question(NamedTuple):
    """One question in four languages; None where a face does not ask it. Keys are where answers lie."""

    operation: str
    python: Callable[[Any], Any]
    cli: list[str] | None
    http: tuple[str, str, Any] | None
    tool: tuple[str, dict[str, Any]] | None
    key: str | None = None
    cli_key: str | None = None


QUESTIONS = [
    Question("edges", lambda p: p.edges(target=AUTH), None, ("GET", f"/edges?target={AUTH}", None),
             ("prime_edges", {"target": AUTH}), "edges"),
    Question("neighbors_many", lambda p: [list(it) for it in p.neighbors_many(IDS)], None,
             ("POST", "/neighbors-many", {"ids": IDS}), None, "neighbors"),
    Question("recall", lambda p: p.recall(QUESTION, k=3), ["query", "recall", QUESTION, "--k", "3"],
             ("POST", "/recall", {"query": QUESTION, "top_k": 3}), ("prime_recall", {"query": QUESTION, "top_k": 3}),
             "results", "hits"),
    Question("context", lambda p: p.context(QUESTION, 300).markdown, ["context", QUESTION, "--max-tokens", "300"],
             ("POST", "/context", {"query": QUESTION, "max_tokens": 300}),
             ("prime_context", {"query": QUESTION, "max_tokens": 300}), "markdown", "markdown"),
    Question("similar", lambda p: p.similar(AUTH, k=3), ["query", "similar", AUTH, "--k", "3"],
             ("POST", "/vectors/search", {"query": AUTH, "top_k": 3}), ("prime_similar", {"query": AUTH, "top_k": 3}),
             "results", "hits"),
    Question("at", lambda p: p.at(position=10).node(AUTH), ["query", "node", AUTH, "--at", "10"],
             ("GET", f"/nodes/{AUTH}?at=10", None), ("prime_get_node", {"node_id": AUTH, "at": 10})),
    Question("at", lambda p: p.at("2025-03-05T12:00:00Z").neighbors(AUTH),
             ["query", "neighbors", AUTH, "--at", "2025-03-05T12:00:00Z"],
             ("GET", f"/nodes/{AUTH}/neighbors?at=2025-03-05T12:00:00Z", None),
             ("prime_neighbors", {"node_id": AUTH, "at": "2025-03-05T12:00:00Z"}), "neighbors", "neighbors"),
    Question("diff", lambda p: p.diff(3, 18), ["diff", "3", "18"], ("GET", "/diff?from=3&to=18", None),
             ("prime_diff", {"first": 3, "second": 18})),
    Question("timeline", lambda p: list(p.timeline(AUTH)), ["timeline", AUTH],
             ("GET", f"/timeline?entity={AUTH}", None),
             ("prime_timeline", {"entity": AUTH}), "results"),
    Question("why", lambda p: p.why(AUTH), ["why", AUTH], ("GET", f"/why?entity={AUTH}", None),
             ("prime_why", {"entity": AUTH}), "results", "fields"),
    Question("cross_domain", lambda p: p.cross_domain(), None, ("GET", "/cross-domain", None),
             ("prime_cross_domain", {}), "cross_domain"),
    Question("subscribe", lambda p: list(p.events(after=20)), ["events", "--after", "20"],
             ("GET", "/events/stream?after=20", "stream"), ("prime_events", {"after": 20}), "events"),
    Question("export", lambda p: list(p.events()), ["export", "-"], ("GET", "/events", "lines"),
             ("prime_export", {}), "lines"),
    Question("digest", lambda p: p.digest(), ["verify"], ("GET", "/digest", None), None, "digest", "digest"),
    Question("replay", lambda p: p.replay(verify=True).digest, ["replay", "--verify"],
             ("GET", "/replay?verify=true", None),
             None, "digest", "digest"),
    Question("verify", lambda p: p.verify().ok, ["verify"], ("GET", "/verify", None), None, "ok", "ok"),
    Question("doctor", lambda p: [it.name for it in p.doctor().symptoms], None, ("GET", "/doctor", None), None,
             "symptoms", "symptoms"),
]  # fmt: skip

# Where an operation is that is no question of the kinds above, nor a write that WRITES makes.
ELSEWHERE = {
    "ingest": "reads files of the server's; over HTTP as POST /events of JSONL, which WRITES has",
    "import_from": "reads files; the command line has it (tests/test_transfer.py)",
    "backup": "writes files; Python and the command line have it (tests/test_backup.py)",
    "restore": "writes files; as above",
    "salvage": "writes files; prime repair (tests/test_salvage.py)",
    "reembed": "takes a model that is a Python object, or a name (tests/test_reembed.py); HTTP has it, agents do not",
    "checkpoint": "changes no fact; Python, HTTP, command line (tests/test_checkpoint.py)",
    "compact": "changes no fact; Python, HTTP, command line (tests/test_compaction.py)",
    "flush": "changes no fact; Python and HTTP; a command is durable when it ends",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("parity") / "store"
    with primecore.open(path, embedder=None) as prime:
        prime.ingest(str(ROOT / "examples/team.jsonl"))
        for at, id in enumerate((ALICE, BOB, AUTH)):
            prime.embed(id, [1.0, at / 2, 0.25], text=f"text {at}")
    return path


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(tmp_path, monkeypatch)


def over_http(client: Client, method: str, path: str, how: Any) -> Any:
    """The answer; of a stream what comes at once, of lines all."""
    if how == "stream":
        events: list[Any] = []
        with client.stream(method, API + path) as answer:
            position = client.ask("GET", "/stats")["position"]
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    events.append(json.loads(line[6:]))
                    if events[-1]["position"] == position:
                        return events
    if how == "lines":
        answer = client.get(API + path, headers={"accept": "application/x-ndjson"})
        return [json.loads(line) for line in answer.text.splitlines()]
    return client.ask(method, path, **({"json": how} if how is not None else {}))


def told(found: Any, key: str | None) -> Any:
    """The part of an answer that answers, without what each face adds or what only it measures."""
    part = found[key] if isinstance(found, dict) and key in found else found
    if key == "lines":  # each face says of an event what takes it back, and may say more
        events = [json.loads(it) if isinstance(it, str) else it for it in part]
        return [[it["event_id"], it["entity_id"], it["event_type"], it["payload"]] for it in events]
    if isinstance(part, list) and part and isinstance(part[0], dict) and "effect" in part[0]:  # of a timeline
        part = [{**it, "event": (it.get("event") or it)["event_id"]} for it in part]
        return [{name: it[name] for name in ("event", "effect", "fields", "edges_removed")} for it in part]
    if key == "symptoms":  # a command looks at a store from outside, where less is to be seen
        return sorted(it if isinstance(it, str) else it["name"] for it in part)
    if isinstance(part, list) and part and isinstance(part[0],
     dict) and "present" in part[0]:  # the entity was asked for
        part = [{name: value for name, value in it.items() if name != "entity_id"} for it in part]
    return without(bare(part))


def without(found: Any) -> Any:
    """Nothing that says null, and no name of what was asked."""
    if isinstance(found, list):
        return [without(it) for it in found]
    if isinstance(found, dict):
        said = {"position", "query", "entity_id", "from_position", "to_position"}
        return {name: without(it) for name, it in found.items() if it is not None and name not in said}
    return found


@pytest.mark.parametrize("case", QUESTIONS, ids=lambda case: case.operation)
def test_every_question_has_one_answer(case: Question, store: Path, shell: Shell) -> None:
    shell.patch.setenv("PRIME_DATA_DIR", str(store))
    with primecore.open(store) as prime:
        expected = told(json.loads(values.dumps(case.python(prime))), case.key)
        assert expected, "a case that finds nothing shows nothing"
        answers = {}
        with serving(prime) as served:
            if case.http is not None:
                answers["http"] = told(over_http(served.client, *case.http), case.key)
            if case.tool is not None:
                failed, found = tool(prime, *case.tool)
                assert not failed, found
                answers["mcp"] = told(found, case.key)
    if case.cli is not None:  # after the store is let go: verify wants it so
        shown = shell(*case.cli, "--json")
        assert shown.code == 0, shown.err
        lines = shown.documents
        whole = lines[0] if len(lines) == 1 and case.key not in ("events", "lines") else lines
        answers["cli"] = told(whole, case.cli_key or case.key)
    for face, answer in answers.items():
        assert answer == expected, face
    assert answers


class Write(NamedTuple):
    """One change in four languages; `cli` gives lines for `prime ingest`, which is how the command line writes."""

    operation: str
    python: Callable[[Any], Any]
    http: tuple[str, str, Any]
    tool: tuple[str, dict[str, Any]]


WHEN = "2026-01-02T03:04:05Z"
SAID = {"timestamp": WHEN, "metadata": {"source": "test"}}
NODE = {"type": "person", "id": "dora", "properties": {"name": "Dora", "n": 1}, "domain": "people", "labels": ["new"]}
EDGE = {"source": ALICE, "target": AUTH, "relation": "knows", "id": "e1", "weight": 0.5, "valid_from": WHEN}
EVENT = {"event_type": "note.taken", "entity_id": "note:1", "payload": {"text": "é"}}
FACT = {"text": "Alice prefers tea", "id": "tea", "links": [["about", ALICE]], "conversation": "c1", "force": True}
BATCH = [{**EVENT, **SAID, "entity_id": f"note:{at}"} for at in range(3)]
WRITES = [
    Write("append", lambda p: p.append("note.taken", "note:1", {"text": "é"}, **SAID),
          ("POST", "/events", {**EVENT, **SAID}), ("prime_batch", {"events": [{**EVENT, **SAID}]})),
    Write("append_many", lambda p: p.append_many(BATCH), ("POST", "/events", BATCH),
          ("prime_batch", {"events": BATCH})),
    Write("ingest", lambda p: p.append_many(BATCH), ("POST", "/events", "lines"), ("prime_batch", {"events": BATCH})),
    Write("add_node", lambda p: p.add_node("person", NODE["properties"], id="dora", domain="people", labels=["new"],
          **SAID),
          ("POST", "/nodes", {**NODE, **SAID}), ("prime_add_node", {**NODE, **SAID})),
    Write("update_node", lambda p: p.update_node(ALICE, {"role": None, "x": [1]}, domain=None, **SAID),
          ("PATCH", f"/nodes/{ALICE}", {"properties": {"role": None, "x": [1]}, "domain": None, **SAID}),
          ("prime_update_node", {"node_id": ALICE, "properties": {"role": None, "x": [1]}, "domain": None, **SAID})),
    Write("delete_node", lambda p: p.delete_node(BOB), ("DELETE", f"/nodes/{BOB}", None),
          ("prime_forget", {"node_id": BOB})),
    Write("add_edge", lambda p: p.add_edge(ALICE, AUTH, "knows", id="e1", weight=0.5, valid_from=WHEN, **SAID),
          ("POST", "/edges", {**EDGE, **SAID}), ("prime_add_edge", {**EDGE, **SAID})),
    Write("update_edge", lambda p: p.update_edge("edge:alice-leads-auth", weight=0.1, valid_to=WHEN),
          ("PATCH", "/edges/edge:alice-leads-auth", {"weight": 0.1, "valid_to": WHEN}),
          ("prime_update_edge", {"edge_id": "edge:alice-leads-auth", "weight": 0.1, "valid_to": WHEN})),
    Write("delete_edge", lambda p: p.delete_edge("edge:alice-leads-auth"),
          ("DELETE", "/edges/edge:alice-leads-auth", None),
          ("prime_delete_edge", {"edge_id": "edge:alice-leads-auth"})),
    Write("embed", lambda p: p.embed(ALICE, [1.0, 2.0], text="t", timestamp=WHEN),
          ("POST", "/vectors", {"id": ALICE, "vector": [1.0, 2.0], "text": "t", "timestamp": WHEN}),
          ("prime_embed", {"id": ALICE, "vector": [1.0, 2.0], "text": "t", "timestamp": WHEN})),
    Write("delete_vector", lambda p: p.delete_vector(AUTH), ("DELETE", f"/vectors/{AUTH}", None),
          ("prime_delete_vector", {"id": AUTH})),
    Write("remember", lambda p: p.remember("Alice prefers tea", id="tea", links=[("about", ALICE)], conversation="c1",
                                           force=True, timestamp=WHEN),
          ("POST", "/remember", {**FACT, "timestamp": WHEN}), ("prime_remember", {**FACT, "timestamp": WHEN})),
    Write("reject", lambda p: p.reject(ALICE, reason="wrong"),
          ("POST", "/reject", {"id": ALICE, "reason": "wrong"}),
          ("prime_reject", {"id": ALICE, "reason": "wrong"})),
]  # fmt: skip


@pytest.fixture
def start() -> Iterator[Callable[[], Any]]:
    """A store in memory with the team in it, each time."""
    opened: list[Any] = []

    def make() -> Any:
        prime = primecore.open(":memory:")
        opened.append(prime)
        prime.ingest(str(ROOT / "examples/team.jsonl"))
        prime.embed(AUTH, [1.0, 0.5], text="auth")
        return prime

    yield make
    for prime in opened:
        prime.close()


def left_behind(prime: Any, since: int) -> list[Any]:
    """What a write appended, without what is new each time: event ids, the ids of edges of a fact, times of its own."""
    events = []
    for event in prime.events(after=since):
        text = json.loads(values.dumps(event))
        text.pop("event_id")
        if event.timestamp.year != 2026 or event.timestamp.month != 1:
            text.pop("timestamp")
        if event.event_type == "prime.edge.created" and event.entity_id != "edge:e1":
            text["entity_id"] = "edge"
        events.append(text)
    return events


@pytest.mark.parametrize("case", WRITES, ids=lambda case: case.operation)
def test_every_write_leaves_the_same_behind(case: Write, start: Callable[[], Any], tmp_path: Path) -> None:
    prime = start()
    since = prime.position
    case.python(prime)
    expected, digest = left_behind(prime, since), prime.stats()
    assert expected
    with serving(start()) as served:
        method, path, body = case.http
        how: dict[str, Any] = {"json": body} if body is not None else {}
        if body == "lines":
            text = "".join(json.dumps(it) + "\n" for it in BATCH)
            how = {"content": text, "headers": {"content-type": "application/x-ndjson"}}
        answer = served.client.request(method, API + path, **how)
        assert answer.status_code in (200, 201), answer.text
        assert left_behind(served.prime, since) == expected
        assert (served.prime.stats().nodes, served.prime.stats().edges) == (digest.nodes, digest.edges)
    prime = start()
    failed, told = tool(prime, *case.tool)
    assert not failed, told
    assert left_behind(prime, since) == expected
    lines = tmp_path / "lines.jsonl"  # the command line writes by taking in what another wrote
    lines.write_bytes(b"".join(values.dumps(it) + b"\n" for it in prime.events(after=since)))
    other = start()
    other.ingest(str(lines))
    assert left_behind(other, since) == expected


def test_nothing_of_the_table_is_left_out() -> None:
    asked = {case.operation for case in QUESTIONS} | {_named(case.name) for case in CASES}
    done = {case.operation for case in WRITES}
    assert asked | done | ELSEWHERE.keys() == OPERATIONS.keys()
    assert all(OPERATIONS[name].writes for name in done)
    assert not any(OPERATIONS[name].writes for name in asked - {"subscribe"})


def _named(case: str) -> str:
    """The operation that a case of test_faces_parity.py asks."""
    word = case.partition(",")[0].partition(" ")[0]
    return {"path": "shortest_path"}.get(word, word)


@pytest.mark.parametrize(
    ("code", "python", "http", "call"),
    [
        ("node_not_found", lambda p: p.update_node("node:a:b", {}), ("PATCH", "/nodes/node:a:b", {"properties": {}}),
         ("prime_update_node", {"node_id": "node:a:b", "properties": {}})),
        ("node_not_found", lambda p: p.delete_node("node:a:b"), ("DELETE", "/nodes/node:a:b", None),
         ("prime_forget", {"node_id": "node:a:b"})),
        ("node_not_found", lambda p: p.add_edge(ALICE, "node:a:b", "r"),
         ("POST", "/edges", {"source": ALICE, "target": "node:a:b", "relation": "r"}),
         ("prime_add_edge", {"source": ALICE, "target": "node:a:b", "relation": "r"})),
        ("edge_not_found", lambda p: p.delete_edge("edge:x"), ("DELETE", "/edges/edge:x", None),
         ("prime_delete_edge", {"edge_id": "edge:x"})),
        ("version_conflict", lambda p: p.update_node(ALICE, {}, expected_version=9),
         ("PATCH", f"/nodes/{ALICE}", {"properties": {}, "expected_version": 9}),
         ("prime_update_node", {"node_id": ALICE, "properties": {}, "expected_version": 9})),
        ("idempotency_conflict", lambda p: p.append("a.b", "x:1", {}, event_id="5b0c2f6e-0001-4000-8000-000000000001"),
         ("POST", "/events", {"event_type": "a.b", "entity_id": "x:1",
         "event_id": "5b0c2f6e-0001-4000-8000-000000000001"}),
         ("prime_batch", {"events": [{"event_type": "a.b", "entity_id": "x:1",
                                      "event_id": "5b0c2f6e-0001-4000-8000-000000000001"}]})),
        ("invalid_event", lambda p: p.append("A B", "x:1", {}),
        ("POST", "/events", {"event_type": "A B", "entity_id": "x:1"}),
         ("prime_batch", {"events": [{"event_type": "A B", "entity_id": "x:1"}]})),
        ("invalid_argument", lambda p: p.diff(99, 3), ("GET", "/diff?from=99&to=3", None),
         ("prime_diff", {"first": 99, "second": 3})),
        ("invalid_event", lambda p: p.embed(ALICE, [1.0]), ("POST", "/vectors", {"id": ALICE, "vector": [1.0]}),
         ("prime_embed", {"id": ALICE, "vector": [1.0]})),
    ],
)  # fmt: skip
def test_every_refusal_has_one_code(start: Callable[[], Any], code: str, python: Any, http: tuple, call: tuple) -> None:
    prime = start()
    with pytest.raises(primecore.PrimeError) as raised:
        python(prime)
    since = prime.position
    failed, answer = tool(prime, *call)
    with serving(prime) as served:
        refused = served.client.refused(http[0], http[1], **({"json": http[2]} if http[2] is not None else {}))
    assert failed and (raised.value.code, answer["error"]["code"], refused[1]) == (code, code, code)
    assert prime.position == since
