"""`neighbors_json`: the JSON text of neighbours says what `neighbors` and `node` say, whatever ids and weights are."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import primecore
from primecore.errors import InvalidArgument

NAMES = ["a", "b", 'quo"te', "back\\slash", "ü", "名\u2028", "sla/sh", "a:b:c", "x" * 900]
WEIGHTS = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([1.0, 0.0, -0.0, 1e16, 5e-324, 0.1])
RELATIONS = st.sampled_from(["knows", 'r"e', "l\\", "ü"])
STEP = st.one_of(
    st.tuples(st.just("node"), st.sampled_from(NAMES)),
    st.tuples(st.just("gone"), st.sampled_from(NAMES)),
    st.tuples(st.just("edge"), st.sampled_from(NAMES), st.sampled_from(NAMES), RELATIONS, WEIGHTS),
    st.tuples(st.just("cut"), st.integers(0, 30)),
)


def node_id(name: str) -> str:
    return f"node:t{len(name) % 3}:{name}"


def events(steps: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for at, step in enumerate(steps):
        if step[0] == "node":
            payload = {"properties": {"name": step[1], "n": at}}
            found.append({"event_type": "prime.node.created", "entity_id": node_id(step[1]), "payload": payload})
        elif step[0] == "gone":
            found.append({"event_type": "prime.node.deleted", "entity_id": node_id(step[1]), "payload": {}})
        elif step[0] == "edge":
            ends = {"source": node_id(step[1]), "target": node_id(step[2])}
            payload = {**ends, "relation": step[3], "weight": step[4]}
            found.append({"event_type": "prime.edge.created", "entity_id": f'edge:"{at}', "payload": payload})
        else:
            found.append({"event_type": "prime.edge.deleted", "entity_id": f'edge:"{step[1]}', "payload": {}})
    return found


def slowly(prime: primecore.Prime, id: str, limit: int, **how: Any) -> dict[str, Any]:
    rows = list(prime.neighbors(id, **how))
    shown = rows[:limit]
    nodes = [prime.node(peer) for peer in dict.fromkeys(row.peer for row in shown)]
    return {
        "id": id,
        "position": prime.position,
        "neighbors": [row._asdict() for row in shown],
        "nodes": [{"id": it.id, "type": it.type, "properties": it.properties} for it in nodes if it is not None],
        "truncated": len(rows) > limit,
    }


@settings(deadline=None)
@given(
    st.lists(STEP, max_size=60),
    st.sampled_from(["out", "in", "both"]),
    st.none() | RELATIONS,
    st.integers(0, 40),
)
def test_the_text_says_what_the_objects_say(
    steps: list[tuple[Any, ...]], direction: str, relation: str | None, limit: int
) -> None:
    with primecore.open(":memory:") as prime:
        for event in events(steps):
            prime.append_many([event])
        for name in NAMES:
            id, how = node_id(name), {"direction": direction, "relation": relation}
            found = json.loads(prime.neighbors_json(id, limit=limit, **how))
            assert found == slowly(prime, id, limit, **how)
            for row, other in zip(found["neighbors"], prime.neighbors(id, **how), strict=False):
                assert math.copysign(1, row["weight"]) == math.copysign(1, other.weight)


def test_a_hub_with_edges_to_the_same_few() -> None:
    with primecore.open(":memory:") as prime:
        for at in range(40):
            prime.add_node("t", {"at": at}, id=str(at))
        for at in range(2_000):
            prime.add_edge("node:t:0", f"node:t:{at % 40}", "r", weight=at / 7)
        for limit in (0, 1, 15, 16, 17, 500, 5_000):
            assert json.loads(prime.neighbors_json("node:t:0", limit=limit)) == slowly(prime, "node:t:0", limit)


def test_numbers_of_properties_stay_as_they_were_written() -> None:
    with primecore.open(":memory:") as prime:
        long = b'{"n":123456789012345678901234567890,"x":0.1000000000000000055}'
        for id in ("a", "b"):
            line = b'{"event_type":"prime.node.created","entity_id":"node:t:%s","payload":{"properties":%s}}\n'
            prime.ingest(io.BytesIO(line % (id.encode(), long)))
        prime.add_edge("node:t:a", "node:t:b", "r")
        assert long in prime.neighbors_json("node:t:a")


@given(st.text())
def test_any_id_comes_back(id: str) -> None:
    with primecore.open(":memory:") as prime:
        try:
            found = json.loads(prime.neighbors_json(id))
        except InvalidArgument:
            assert any("\ud800" <= character <= "\udfff" for character in id)
        else:
            assert found == {"id": id, "position": 0, "neighbors": [], "nodes": [], "truncated": False}


@pytest.mark.parametrize("how", [{"limit": -1}, {"limit": 10**7}, {"direction": "up"}, {"relation": 1}])
def test_what_is_wrong_is_refused(how: dict[str, Any]) -> None:
    with primecore.open(":memory:") as prime, pytest.raises(InvalidArgument):
        prime.neighbors_json("node:t:a", **how)


def test_lone_surrogates_and_closed_stores_are_refused() -> None:
    with primecore.open(":memory:") as prime:
        with pytest.raises(InvalidArgument):
            prime.neighbors_json("node:t:\ud800")
    with pytest.raises(primecore.PrimeError):
        prime.neighbors_json("node:t:a")
