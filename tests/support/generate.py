"""Random event sequences that are all valid by themselves and as awkward as the rules allow. Knows no engine.

Few ids, so that everything collides: things are created again, deleted before they were, linked before they exist.
A seed gives the same sequence for ever; print it when a test fails.
"""

from __future__ import annotations

import base64
import json
import random
import struct
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

Json = dict[str, Any]

NODES = [
    "node:person:ada",
    "node:person:bo",
    "node:person:ada:jr",  # an id may hold colons
    "node:file:src/a b.py",
    "node:file:" + "deep/" * 60 + "x",  # far longer than any inline key
    "node:fïle:日本語 🙂",
    "node:doc:0190a8e2-5bcd-7000-8000-0000000000a1",  # a UUID, which tables may pack
    "node:doc:0190A8E2-5BCD-7000-8000-0000000000A1",  # upper case: another node
    "node:d:1",
    "node:d:exactly-18-bytes-xx",
    "node:d:nineteen-bytes-here",
]
EDGES = [f"edge:e{n}" for n in range(12)] + [
    "edge:0190a8e2-5bcd-7000-8000-000000000001",
    "edge:0190a8e2-5bcd-7000-8000-000000000002",
    "edge:" + "long" * 80,
    "edge:with:colons",
    "edge:ü",
]
STRANGERS = ["user:42", "edge:e0", "x", "space:default", "vec:x", "node:ghost", "node:t:ghost"]
RELATIONS = ["knows", "works_on", "KNOWS", "has a space", "è", "r" * 300]
DOMAINS = ["engineering", "product", "", "Ω", "d" * 200]
STREAMS = ["stream:1", "chat", "a" * 1024, "node:", "edge:", "prime"]
CUSTOM_TYPES = ["note.added", "prime.node", "prime.node.created.v2", "prime.node_created", "x", "a-b_c.0", "t" * 128]
NUMBERS = [0, 1, -1, 1.0, 0.1, -0.0, 1e-7, 1.5e300, 2**53 + 1, -(2**63), 2**64, 10**40]
TEXTS = ["", "text", "tab\t\n\r", 'quote " backslash \\ /', "nul \x00 del \x7f", "é日本🙂", "\u2028", "y" * 300]
VALUES = [None, None, True, False, *NUMBERS, *TEXTS]
EVENT_ID_SPACE = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


class Generator:
    """One random sequence. `clock` leaves some timestamps out, `repeats` adds repeated and stolen event ids."""

    def __init__(self, seed: int, *, clock: bool = False, repeats: bool = True, vectors: bool = True) -> None:
        self.random = random.Random(seed)
        self.clock, self.repeats, self.vectors = clock, repeats, vectors
        self.seed = seed
        self.past: list[Json] = []

    def events(self, count: int) -> list[Json]:
        """`count` envelopes, in the order in which they happen."""
        return [self.event() for _ in range(count)]

    def event(self) -> Json:
        rng = self.random
        if self.repeats and self.past and rng.random() < 0.06:
            return self.repeated(rng.choice(self.past))
        kinds = {self.node_event: 40, self.edge_event: 42, self.custom_event: 8, self.vector_event: 10 * self.vectors}
        event_type, entity_id, payload, metadata = rng.choices(list(kinds), list(kinds.values()))[0]()
        event: Json = {"event_type": event_type, "entity_id": entity_id}
        if payload or rng.random() < 0.5:
            event["payload"] = payload
        if metadata is None and rng.random() < 0.2:
            metadata = {"agent_id": "agent-1", "extra": self.value(2)}
        if metadata is not None:
            event["metadata"] = metadata
        if not (self.clock and rng.random() < 0.3):
            event["timestamp"] = self.timestamp()
        if rng.random() < 0.7:
            event["event_id"] = str(uuid.uuid5(EVENT_ID_SPACE, f"{self.seed}/{len(self.past)}"))
            self.past.append(event)
        return event

    def node_event(self) -> tuple[str, str, Json, Json | None]:
        rng, node_id = self.random, self.random.choice(NODES)
        kind = rng.choices(("created", "updated", "deleted"), (45, 35, 20))[0]
        payload: Json = {}
        if kind == "deleted":
            payload = rng.choice(({}, {}, {"id": node_id, "reason": "x"}))
        else:
            payload["properties"] = self.properties()
            if rng.random() < 0.3:
                payload["domain"] = rng.choice([*DOMAINS, None])
            if rng.random() < 0.3:
                payload["labels"] = rng.choice((None, [], ["a"], ["b", "a", "b"], ["é", ""]))
        if kind == "created" and rng.random() < 0.5:
            payload["node_type"] = node_id.split(":", 2)[1]
        enough_without = payload.get("labels") is not None or "domain" in payload
        if kind == "updated" and enough_without and rng.random() < 0.1:
            del payload["properties"]
        return f"prime.node.{kind}", node_id, payload, None

    def edge_event(self) -> tuple[str, str, Json, Json | None]:
        rng, edge_id = self.random, self.random.choice(EDGES)
        kind = rng.choices(("created", "updated", "deleted"), (70, 18, 12))[0]
        payload: Json = {}
        if kind == "created":
            payload["source"] = self.end()
            payload["target"] = payload["source"] if rng.random() < 0.1 else self.end()
            payload["relation"] = rng.choice(RELATIONS)
        if kind == "deleted":
            payload = rng.choice(({}, {"source": "x", "target": "y", "id": edge_id}))
        else:
            if rng.random() < 0.5:
                payload["weight"] = rng.choice((None, 0, 1, -2.5, 0.1, 1e300, 5e-324, 2**53 + 1, rng.random()))
            if rng.random() < 0.4:
                payload["properties"] = self.properties()
            for field in ("valid_from", "valid_to"):
                if rng.random() < 0.2:
                    payload[field] = rng.choice((None, self.timestamp()))
        return f"prime.edge.{kind}", edge_id, payload, None

    def vector_event(self) -> tuple[str, str, Json, Json | None]:
        rng = self.random
        kind = rng.choices(("stored", "deleted", "space"), (70, 25, 5))[0]
        if kind == "space":
            payload: Json = {"dimensions": rng.choice((2, 3)), "model": rng.choice((None, "m-1"))}
            return "prime.space.defined", "space:default", payload, None
        vector_id = "vec:" + rng.choice([*NODES[:6], "x", "memory:1"])
        if kind == "deleted":
            return "prime.vector.deleted", vector_id, {}, None
        numbers = [rng.choice((1, -1, 0.5, rng.uniform(-2, 2))) for _ in range(rng.choices((2, 3), (1, 4))[0])]
        vector: Any = numbers
        if rng.random() < 0.4:
            vector = base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
        payload = rng.choice(({}, {"text": "what it says"}, {"metadata": {"k": self.value(2)}}))
        if rng.random() < 0.3:
            payload = {**payload, "dimensions": len(numbers)}
        if rng.random() < 0.5:
            return "prime.vector.stored", vector_id, payload, {"embedding": vector}
        return "prime.vector.stored", vector_id, {**payload, "embedding": vector}, None

    def custom_event(self) -> tuple[str, str, Json, Json | None]:
        rng = self.random
        entity = rng.choice([*STREAMS, rng.choice(NODES), rng.choice(EDGES), "vec:x", "space:default"])
        return rng.choice(CUSTOM_TYPES), entity, self.properties(), None

    def end(self) -> str:
        return self.random.choice(STRANGERS) if self.random.random() < 0.08 else self.random.choice(NODES)

    def repeated(self, first: Json) -> Json:
        """The event again: unchanged, said in other words, or (a conflict) with other content."""
        rng = self.random
        again = dict(first)
        way = rng.choice(("same", "same", "reworded", "reworded", "payload", "entity", "time"))
        if way == "reworded":
            again["event_id"] = first["event_id"].upper()
            if "payload" in again:
                again["payload"] = reworded(first["payload"], rng)
            again.pop("timestamp", None) if rng.random() < 0.5 else None
        elif way == "payload":
            again["payload"] = {**first.get("payload", {}), "changed": rng.random()}
        elif way == "entity":
            again["event_type"], again["entity_id"] = "note.added", "another"
        elif way == "time":
            again["timestamp"] = self.timestamp()
        return again

    def timestamp(self) -> str:
        rng = self.random
        moment = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(microseconds=rng.randrange(10**14))
        if rng.random() < 0.02:
            moment = rng.choice((datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, 23, 59, 59, 999999, UTC)))
        minutes = rng.choice((0, 0, 0, 120, -420, 345, -1, 1439 if moment.year > 1 else 0))
        if moment.year in (1, 9999):
            minutes = 0
        digits = rng.choice((0, 3, 6, 9))
        text = moment.astimezone(timezone(timedelta(minutes=minutes))).isoformat(timespec="microseconds")
        text, offset = text[:26], text[26:]
        text = {0: text[:19], 3: text[:23], 6: text, 9: text + "999"}[digits]
        return text + ("Z" if offset == "+00:00" and rng.random() < 0.7 else offset)

    def properties(self) -> Json:
        rng = self.random
        names = ["name", "n", "nested", "list", "", "ключ", "a.b", 'quo"te', "\u0000", "x" * 50]
        found = {name: self.value(3) for name in rng.sample(names, rng.randrange(4))}
        if rng.random() < 0.35:
            found["domain"] = rng.choice([*DOMAINS, *DOMAINS, None, 5, True, {"a": "b"}, ["engineering"]])
        return found

    def value(self, depth: int) -> Any:
        rng = self.random
        if depth and rng.random() < 0.35:
            if rng.random() < 0.3:
                return [self.value(depth - 1) for _ in range(rng.randrange(4))]
            return {key: self.value(depth - 1) for key in rng.sample(["a", "b", "c", "é", "a b"], rng.randrange(4))}
        return rng.choice(VALUES)


def reworded(value: Any, rng: random.Random) -> Any:
    """The same JSON value, told differently: keys in another order, 1 as 1.0 (but where an integer is asked for)."""
    if isinstance(value, dict):
        keys = list(value)
        rng.shuffle(keys)
        return {key: value[key] if key == "dimensions" else reworded(value[key], rng) for key in keys}
    if isinstance(value, list):
        return [reworded(item, rng) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        return float(value)
    return value


def to_lines(events: Iterable[Json], seed: int = 0) -> bytes:
    """The events as JSONL in mixed spelling: white space, escapes, key order, aliases, nulls, CRLF, blank lines."""
    rng = random.Random(seed)
    lines = []
    for given in events:
        event = dict(given)
        if "event_id" in event and rng.random() < 0.2:
            event["id"] = event.pop("event_id")
        for field in ("event_id", "id", "payload", "metadata", "timestamp", "tenant_id", "position", "version"):
            if field not in event and rng.random() < 0.05 and not {"event_id", "id"} & {field, *event}:
                event[field] = None
        if rng.random() < 0.05:
            event |= {"position": rng.randrange(100), "version": 1, "tenant_id": "default"}
        if rng.random() < 0.3:
            keys = list(event)
            rng.shuffle(keys)
            event = {key: event[key] for key in keys}
        spaced = rng.random() < 0.3
        text = json.dumps(event, ensure_ascii=rng.random() < 0.5, separators=(" , ", " :\t") if spaced else (",", ":"))
        if spaced:
            text = "  " + text + " \t"
        lines.append(text + rng.choice(("\n", "\n", "\n", "\r\n", "\n\n", "\n  \r\n")))
    return "".join(lines).encode()
