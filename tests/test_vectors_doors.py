"""Vectors as an adversary sends them: bad ones by every way in, filters that keep a few of very many, what is gone."""

from __future__ import annotations

import base64
import io
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from mcp.client.client import Client
from support.serving import API, serving
from support.stores import unchanged
from test_embedders import Letters
from test_vectors_index import clustered, settled

import primecore
from primecore import InvalidEvent, Prime
from primecore.faces.mcp.server import Face

STORED = "prime.vector.stored"


# ---- every way in ----


def packed(numbers: list[float]) -> str:
    with np.errstate(over="ignore"):
        return base64.b64encode(np.array(numbers, "<f4").tobytes()).decode()


def envelope(embedding: object) -> dict[str, Any]:
    return {"event_type": STORED, "entity_id": "vec:bad", "payload": {"embedding": embedding}}


def line(embedding: object) -> io.BytesIO:
    return io.BytesIO(json.dumps(envelope(embedding)).encode() + b"\n")


BAD = {
    "nan": [1.0, float("nan"), 0.0],
    "infinity": [1.0, float("inf"), 0.0],
    "minus infinity": [1.0, float("-inf"), 0.0],
    "beyond float32": [1.0, 1e39, 0.0],
    "zero": [0.0, -0.0, 0.0],
    "too small for float32": [1e-60, 0.0, 0.0],
    "none": [],
    "one less": [1.0, 2.0],
    "one more": [1.0, 2.0, 3.0, 4.0],
}
NOT_JSON = ("nan", "infinity", "minus infinity")


def in_python(prime: Prime, numbers: list[float]) -> Iterator[Callable[[], object]]:
    """Every call that takes a vector, with this one."""
    plain, text = envelope(numbers), envelope(packed(numbers))
    inner = {**envelope(None), "payload": {}, "metadata": {"embedding": packed(numbers)}}
    good = {"event_type": "note.taken", "entity_id": "note:1"}
    yield lambda: prime.embed("bad", numbers)
    with np.errstate(over="ignore"):
        array = np.array(numbers, "f4")
    yield lambda: prime.embed("bad", array)
    yield lambda: prime.embed("bad", array, text="t", metadata={"a": 1})
    yield lambda: prime.embed("bad", numbers, durable=True)
    yield lambda: prime.remember("a fact", vector=numbers)
    yield lambda: prime.remember("a fact", vector=array, near=None)
    for event in (text, inner):
        yield lambda event=event: prime.append(STORED, "vec:bad", event["payload"], metadata=event.get("metadata"))
        yield lambda event=event: prime.append_many([good, event, good])
        yield lambda event=event: prime.ingest(io.BytesIO(json.dumps(event).encode()))
        yield lambda event=event: prime.import_from(io.BytesIO(json.dumps(event).encode()))
    if all(np.isfinite(numbers)):
        yield lambda: prime.append(STORED, "vec:bad", plain["payload"])
        yield lambda: prime.append_many([good, plain])
    yield lambda: prime.ingest(line(numbers))
    yield lambda: prime.import_from(line(numbers))


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_vector_is_refused_by_every_call(kind: str) -> None:
    with primecore.open(":memory:") as prime:
        prime.embed("good", [1.0, 2.0, 3.0])
        for call in in_python(prime, BAD[kind]):
            with unchanged(prime), pytest.raises((primecore.InvalidArgument, InvalidEvent)) as refused:
                call()
            said = str(refused.value)
            assert "embedding" in said or "vector" in said or kind in NOT_JSON, said
            assert "expected" in said or "are not JSON" in said, said
            assert "\n" not in said
        assert [hit.id for hit in prime.similar([1.0, 2.0, 3.0])] == ["good"]
        assert prime.stats().vectors == 1


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_vector_is_refused_by_http(kind: str) -> None:
    with primecore.open(":memory:") as prime, serving(prime) as served:
        prime.embed("good", [1.0, 2.0, 3.0])
        numbers = BAD[kind]
        bodies = [("/events", envelope(packed(numbers))), ("/events", [envelope(packed(numbers))])]
        if kind not in NOT_JSON:
            bodies += [("/vectors", {"id": "bad", "vector": numbers}), ("/events", envelope(numbers))]
            bodies += [("/vectors/search", {"vector": numbers})]
        with unchanged(prime):
            for path, body in bodies:
                status, code = served.client.refused("POST", path, json=body)
                assert status in (400, 422) and code in ("invalid_event", "invalid_argument"), (path, body)
            raw = json.dumps({"id": "bad", "vector": numbers}).encode()
            answer = served.client.post(f"{API}/vectors", content=raw, headers={"content-type": "application/json"})
            assert answer.status_code in (400, 422), answer.text


def test_a_bad_vector_is_refused_by_mcp() -> None:
    with primecore.open(":memory:") as prime:
        prime.embed("good", [1.0, 2.0, 3.0])

        async def run() -> None:
            async with Client(Face(prime, "").server) as client:
                for kind, numbers in BAD.items():
                    calls = [("prime_batch", {"events": [envelope(packed(numbers))]})]
                    if kind not in NOT_JSON:
                        calls += [("prime_embed", {"id": "bad", "vector": numbers})]
                        calls += [("prime_similar", {"vector": numbers})]
                    for name, arguments in calls:
                        answer = await client.call_tool(name, arguments)
                        assert answer.is_error, (name, kind, answer)

        with unchanged(prime):
            anyio.run(run)


# ---- filters that keep a few of very many ----


@pytest.fixture(scope="module")
def crowd() -> Iterator[tuple[Prime, list[str]]]:
    """100,000 vectors of nodes, and five of another kind that are the farthest from what is asked."""
    rng = np.random.default_rng(3)
    rows = np.abs(rng.standard_normal((100_000, 8))).astype("f4")
    with primecore.open(":memory:") as prime:
        events: list[dict[str, Any]] = []
        few = []
        for at, row in enumerate(rows):
            rare = at % 20_000 == 7
            kind, numbers = ("rare", -row) if rare else ("usual", row)
            payload = {"properties": {"kind": kind, "n": at}, "domain": kind, "labels": [kind]}
            id = f"node:{kind}:{at}"
            events.append({"event_type": "prime.node.created", "entity_id": id, "payload": payload})
            stored = {"embedding": base64.b64encode(numbers.tobytes()).decode(), "metadata": {"kind": kind}}
            events.append({"event_type": STORED, "entity_id": f"vec:{id}", "payload": stored})
            few += [id] if rare else []
        for first in range(0, len(events), 20_000):
            prime.append_many(events[first : first + 20_000])
        yield prime, few


@pytest.mark.parametrize(
    "filters",
    [
        {"type": "rare"},
        {"domain": "rare"},
        {"prefix": "node:rare:"},
        {"label": "rare"},
        {"properties": {"kind": "rare"}},
        {"metadata": {"kind": "rare"}},
        {"type": "rare", "domain": "rare", "label": "rare", "metadata": {"kind": "rare"}},
    ],
    ids="+".join,
)
def test_five_of_a_hundred_thousand_are_found_by_any_filter(crowd: tuple[Prime, list[str]], filters: Any) -> None:
    prime, few = crowd
    asked = np.ones(8, "f4")
    hits = prime.similar(asked, 10, **filters)
    assert {hit.id for hit in hits} == set(few)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert prime.similar(asked, 3, **filters) == hits[:3]
    assert {hit.id for hit in prime.similar(id=few[0], k=10, **filters)} == set(few[1:])
    assert prime.similar(asked, 10, **filters, min_score=0.0) == []


def test_filters_cost_nothing_beside_an_index_either() -> None:
    rows = np.abs(clustered(2500))
    with primecore.open(":memory:", exact_vectors=100) as prime:
        few = []
        for at, row in enumerate(rows):
            kind = "rare" if at % 500 == 7 else "usual"
            id = prime.add_node(kind, {"kind": kind}, id=str(at), domain=kind, labels=[kind])
            prime.embed(id, -row if kind == "rare" else row, metadata={"kind": kind})
            few += [id] if kind == "rare" else []
        settled(prime)
        asked = np.ones(rows.shape[1], "f4")
        for filters in ({"type": "rare"}, {"domain": "rare"}, {"label": "rare"}, {"prefix": "node:rare:"},
                        {"properties": {"kind": "rare"}}, {"metadata": {"kind": "rare"}}):  # fmt: skip
            assert {hit.id for hit in prime.similar(asked, 10, **filters)} == set(few), filters
            assert len(prime.similar(asked, 2, **filters)) == 2


# ---- what is gone, with an index ----


def gone_check(prime: Prime, rows: np.ndarray, gone: set[str], left: set[str]) -> None:
    for id in sorted(gone):
        near = rows[int(id.rsplit(":", 1)[1])]
        for k in (1, 10, 200):
            assert not {hit.id for hit in prime.similar(near, k)} & gone
        assert not {hit.id for hit in prime.recall(vector=near, k=20, depth=2)} & gone
        with pytest.raises(primecore.VectorNotFound):
            prime.similar(id=id)
    assert {hit.id for hit in prime.similar(rows[0], len(rows))} == left
    assert prime.stats().vectors == len(left)


def test_what_is_gone_stays_gone_whatever_becomes_of_the_index(tmp_path: Path) -> None:
    rows, chance = clustered(900), random.Random(8)

    def opened(**how: Any) -> Prime:
        return primecore.open(tmp_path / "store", exact_vectors=100, **how)

    ways: list[Callable[[Prime, str], object]] = [
        Prime.delete_vector,
        Prime.delete_node,
        lambda prime, id: prime.append("prime.node.deleted", id),
        lambda prime, id: prime.append("prime.vector.deleted", f"vec:{id}"),
        lambda prime, id: prime.append_many([{"event_type": "prime.node.deleted", "entity_id": id}]),
        lambda prime, id: prime.reject(id, reason="wrong"),
        lambda prime, id: prime.ingest(
            io.BytesIO(json.dumps({"event_type": "prime.node.deleted", "entity_id": id}).encode())
        ),
    ]
    with opened() as prime:
        names = [prime.add_node("note", {"text": f"word{at}"}, id=str(at)) for at in range(len(rows))]
        for id, row in zip(names, rows, strict=True):
            prime.embed(id, row, text="said")
        settled(prime)
        prime.checkpoint()  # of an index that has all of them
        gone = set(chance.sample(names, 60))
        for at, id in enumerate(sorted(gone)):
            ways[at % len(ways)](prime, id)
        left = set(names) - gone
        gone_check(prime, rows, gone, left)
        prime.checkpoint()
        gone_check(prime, rows, gone, left)
        digest = prime.digest()
    with opened() as prime:  # from the checkpoint that closing wrote, the index with it
        gone_check(prime, rows, gone, left)
        settled(prime)
        gone_check(prime, rows, gone, left)
        prime.compact()
        gone_check(prime, rows, gone, left)
        assert prime.replay(verify=True).equal and prime.digest() == digest
        for id in sorted(left)[: 2 * len(left) // 3]:  # over half: the index is built anew
            prime.delete_vector(id)
            gone.add(id)
            left.discard(id)
        follower, until = prime._views.vectors.follower, time.monotonic() + 60
        while follower.size > 2 * len(left) and time.monotonic() < until:
            time.sleep(0.01)
        assert len(left) <= follower.size <= 2 * len(left)
        gone_check(prime, rows, gone, left)
    with opened(read_only=True) as prime:
        gone_check(prime, rows, gone, left)
        settled(prime)
        gone_check(prime, rows, gone, left)


# ---- facts that come as they are ----


@pytest.mark.parametrize("way", ["append", "append_many", "ingest", "import_from"])
def test_a_fact_about_a_node_leaves_its_vector_as_it_was(way: str) -> None:
    # `update_node` renews a vector that came from the node's text; a raw event is taken as it comes, and makes none.
    payload = {"properties": {"text": "bbb"}}
    update = {"event_type": "prime.node.updated", "entity_id": "node:note:a", "payload": payload}
    with primecore.open(":memory:", embedder=Letters()) as prime:
        id = prime.add_node("note", {"text": "aaa"}, id="a")
        prime.embed(id)
        before = prime.position
        if way == "append":
            prime.append(**update)
        elif way == "append_many":
            prime.append_many([update])
        else:
            getattr(prime, way)(io.BytesIO(json.dumps(update).encode()))
        assert prime.position == before + 1
        assert prime.search("bbb")[0].id == id  # its words are those of now
        hit = prime.similar("aaa")[0]  # its vector, with the text that it says it was made of, is that of then
        assert (hit.id, hit.text) == (id, "aaa") and hit.score == pytest.approx(1.0)
        assert [found.id for found in prime.search("aaa")] == [id]
        if way == "append":
            prime.embed(id)
        else:
            prime.update_node(id, {"seen": True})  # any write by name takes notice, whatever it changes
        hit = prime.similar("bbb")[0]
        assert (hit.id, hit.text) == (id, "bbb") and hit.score == pytest.approx(1.0)
        assert prime.search("aaa") == []
        assert prime.replay(verify=True).equal
