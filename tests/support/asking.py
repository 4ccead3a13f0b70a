"""What may be found, told naively: which entities fit filters, by what was done to them. Knows no engine."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

WORDS = ("tea", "hut", "auth", "boat", "rain")
DAYS = 8
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: int) -> str:
    """A moment on a day of those in which things happen."""
    return (FIRST + timedelta(days=number)).isoformat().replace("+00:00", "Z")


class Thing(NamedTuple):
    """A node, or what has a vector only: then its properties are None."""

    type: str | None
    properties: dict[str, Any] | None
    domain: str | None
    labels: tuple[str, ...]
    created: int
    updated: int


class Vector(NamedTuple):
    """The vector of a thing."""

    numbers: tuple[float, ...]
    text: str | None
    about: dict[str, Any] | None
    stored: int


class World:
    """Random things that are made, changed, moved and deleted; `prime` is told the same."""

    def __init__(self, prime: Any, seed: int) -> None:
        self.prime = prime
        self.chance = random.Random(seed)
        self.nodes: dict[str, Thing] = {}
        self.vectors: dict[str, Vector] = {}

    def step(self) -> None:
        """One thing happens."""
        chance, on = self.chance, self.chance.randrange(DAYS)
        kind, number = chance.choice(("note", "task", "not")), chance.randrange(6)
        id, what = f"node:{kind}:{number}", chance.random()
        if what < 0.45:
            properties = {"text": " ".join(chance.choices(WORDS, k=chance.randrange(4)))}
            if chance.random() < 0.5:
                properties["conversation_id"] = chance.choice(("c1", "c2", "c"))
            if chance.random() < 0.3:
                properties["n"] = chance.choice((1, 1.0, "1", True, None))
            domain = chance.choice((None, "d1", "d2"))
            labels = tuple(chance.sample(("l1", "l2", "l"), chance.randrange(3)))
            if id not in self.nodes:
                self.prime.add_node(
                    kind, properties, id=str(number), timestamp=day(on), labels=list(labels),
                    **({} if domain is None else {"domain": domain}),
                )  # fmt: skip
                self.nodes[id] = Thing(kind, properties, domain, labels, on, on)
            else:
                before = self.nodes[id]
                self.prime.update_node(id, properties, domain=domain, labels=list(labels), timestamp=day(on))
                merged = {name: it for name, it in {**before.properties, **properties}.items() if it is not None}
                self.nodes[id] = Thing(kind, merged, domain, labels, before.created, on)
        elif what < 0.55 and id in self.nodes:
            self.prime.delete_node(id, timestamp=day(on))
            del self.nodes[id]
            self.vectors.pop(id, None)
        elif what < 0.9:
            entity = id if id in self.nodes and chance.random() < 0.6 else f"memo:{number}"
            numbers = tuple(chance.randint(1, 9) / 1.0 for _ in range(3))
            text = None if chance.random() < 0.3 else " ".join(chance.choices(WORDS, k=2))
            about = chance.choice((None, {"conversation_id": "c1"}, {"conversation_id": "c2", "n": 1}, {"n": 1.0}))
            self.prime.embed(entity, numbers, text=text, metadata=about, timestamp=day(on))
            self.vectors[entity] = Vector(numbers, text, about, on)
        elif self.vectors:
            entity = chance.choice(sorted(self.vectors))
            self.prime.delete_vector(entity, timestamp=day(on))
            del self.vectors[entity]

    def filters(self, verb: str) -> dict[str, Any]:
        """Some of those that a verb takes."""
        chance = self.chance
        known: dict[str, Any] = {
            "type": chance.choice(("note", "task", "not", "no")),
            "domain": chance.choice(("d1", "d2", "d")),
            "label": chance.choice(("l1", "l2", "l", "")),
        }
        if verb == "similar":
            known["prefix"] = chance.choice(("node:", "node:not", "memo:", "memo:1"))
            known["properties"] = chance.choice(({"n": 1}, {"n": "1"}, {"n": True}, {"conversation_id": "c1"}))
            about = ({"n": 1}, {"conversation_id": "c2"}, {"conversation_id": "c2", "n": 1.0})
            known["metadata"] = chance.choice(about)
        else:
            known["since"], known["until"] = day(chance.randrange(DAYS)), day(chance.randrange(DAYS))
        if verb == "search":
            known["created_since"], known["created_until"] = day(chance.randrange(DAYS)), day(chance.randrange(DAYS))
        if verb == "recall":
            known["valid_at"] = day(chance.randrange(DAYS))
            known["conversation"] = chance.choice(("c1", "c2", "c", "c3"))
        return {name: known[name] for name in chance.sample(sorted(known), chance.randrange(4))}

    def fits(self, id: str, filters: dict[str, Any]) -> bool:
        """Whether this one may be in an answer."""
        vector = self.vectors.get(id)
        thing = self.nodes.get(id)
        if thing is None:
            stored = -1 if vector is None else vector.stored
            thing = Thing(None, None, None, (), stored, stored)
        about = (None if vector is None else vector.about) or {}
        asked = {
            "type": lambda it: thing.type == it,
            "domain": lambda it: thing.domain == it,
            "label": lambda it: it in thing.labels,
            "prefix": id.startswith,
            "properties": lambda it: thing.properties is not None and has(thing.properties, it),
            "metadata": lambda it: has(about, it),
            "since": lambda it: day(thing.updated) >= it,
            "until": lambda it: day(thing.updated) < it,
            "created_since": lambda it: day(thing.created) >= it,
            "created_until": lambda it: day(thing.created) < it,
            "valid_at": lambda it: day(thing.created) <= it,
            "conversation": lambda it: it in (
                (thing.properties or {}).get("conversation_id"), about.get("conversation_id")
            ),
        }  # fmt: skip
        return all(asked[name](it) for name, it in filters.items())

    def words_of(self, id: str) -> set[str]:
        """Every word that it is found by."""
        said = []
        if id in self.nodes:
            said += [it for it in (self.nodes[id].properties or {}).values() if isinstance(it, str)]
            said += self.nodes[id].labels
        if id in self.vectors:
            said.append(self.vectors[id].text or "")
        return set(" ".join(said).split())


def has(members: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether these members have these values, as JSON has them: 1 is 1.0, and neither is true."""
    return all(
        name in members and members[name] == it and isinstance(members[name], bool) == isinstance(it, bool)
        for name, it in wanted.items()
    )
