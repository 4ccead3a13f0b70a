"""Search through random adds, updates and deletes, equal to the plain telling of BM25 at every step."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from support import bm25
from support.finding import compare
from support.fold import Fold, space_defined
from support.generate import Generator

import primecore

IDS = [f"node:{kind}:{number}" for kind in ("person", "doc") for number in range(4)]
OTHERS = ["memory:1", "memory:2", "ü"]
VOCABULARY = ["alice", "auth", "token", "tokens", "getUserName", "user_name", "Straße", "東京", "ponies", "pony", "👍"]
QUERIES = [
    "alice", "token auth", "tok*", "user name", '"user name"', "strasse STRASSE", "東京", "東", '"alice auth" x',
    "a* alice", "pony", "getUserName", '"東京"', "👍 nothing", "nothing at all", "get_user*",
]  # fmt: skip
TEXT = st.lists(st.sampled_from(VOCABULARY), max_size=8).map(" ".join)
TIME = st.integers(0, 5).map(lambda day: f"2026-01-0{day + 1}T00:00:00Z")
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "name": TEXT,
        "text": TEXT,
        "domain": st.sampled_from(["eng", "alice", None, 3]),
        "tags": st.lists(TEXT | st.integers(), max_size=2),
        "deep": st.fixed_dictionaries({"a": TEXT, "domain": TEXT}),
        "count": st.integers(),
    },
)
LABELS = st.none() | st.lists(st.sampled_from(["alice", "boss", "user name", ""]), max_size=2)


class Searching(RuleBasedStateMachine):
    """The same events go to a store and to the plain fold."""

    def __init__(self) -> None:
        super().__init__()
        self.prime = primecore.open(":memory:")
        self.fold = Fold()
        self.asked = False

    def teardown(self) -> None:
        compare(self.prime, self.fold, QUERIES)
        report = self.prime.replay(verify=True)
        self.prime.close()
        assert report.equal

    def tell(self, event_type: str, entity_id: str, payload: dict[str, Any], time: str) -> None:
        event = {"event_type": event_type, "entity_id": entity_id, "payload": payload, "timestamp": time}
        self.fold.apply(event)
        self.prime.append(event_type, entity_id, payload, timestamp=time)

    @rule(id=st.sampled_from(IDS), properties=PROPERTIES, labels=LABELS, created=st.booleans(), time=TIME)
    def node(self, id: str, properties: dict[str, Any], labels: list[str] | None, created: bool, time: str) -> None:
        payload = {"properties": properties} if labels is None else {"properties": properties, "labels": labels}
        self.tell("prime.node.created" if created else "prime.node.updated", id, payload, time)

    @rule(id=st.sampled_from(IDS), time=TIME)
    def delete_node(self, id: str, time: str) -> None:
        self.tell("prime.node.deleted", id, {}, time)

    @rule(id=st.sampled_from([*IDS, *OTHERS]), text=st.none() | TEXT, time=TIME)
    def vector(self, id: str, text: str | None, time: str) -> None:
        payload = {"embedding": [1, 2]} if text is None else {"embedding": [1, 2], "text": text}
        self.tell("prime.vector.stored", "vec:" + id, payload, time)

    @rule(id=st.sampled_from([*IDS, *OTHERS]), time=TIME)
    def delete_vector(self, id: str, time: str) -> None:
        self.tell("prime.vector.deleted", "vec:" + id, {}, time)

    @rule(time=TIME)
    def define_space(self, time: str) -> None:
        space = space_defined(2)
        self.tell(space["event_type"], space["entity_id"], space["payload"], time)

    @rule(
        query=st.sampled_from(QUERIES) | TEXT,
        k=st.sampled_from([1, 2, 10]),
        stem=st.booleans(),
        filters=st.fixed_dictionaries(
            {},
            optional={
                "type": st.sampled_from(["person", "doc", "never"]),
                "domain": st.sampled_from(["eng", "alice", "never"]),
                "label": st.sampled_from(["alice", "boss", "", "never"]),
                "since": TIME,
                "until": TIME,
                "created_since": TIME,
                "created_until": TIME,
            },
        ),
    )
    def search(self, query: str, k: int, stem: bool, filters: dict[str, Any]) -> None:
        compare(self.prime, self.fold, [query], k, stem, **filters)


Searching.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestSearching = Searching.TestCase


@pytest.mark.parametrize("seed", range(6))
def test_awkward_events_are_found_as_told(seed: int, tmp_path):
    generator = Generator(seed, repeats=False)
    fold = Fold()
    queries = ["text", "what it says", "日本", "é日本🙂", "a", "b a", '"what it says"', "q* t*", "ada", "y*", "k"]
    with primecore.open(tmp_path / "store") as prime:
        for _ in range(6):
            for event in generator.events(60):
                if fold.apply(event).verdict == "appended":
                    prime.append_many([event])
            found = compare(prime, fold, queries, random.Random(seed).choice([1, 5, 100]))
        assert found
        digest = prime.digest()
    with primecore.open(tmp_path / "store") as prime:
        assert prime.digest() == digest == prime.replay(verify=True).digest
        assert compare(prime, fold, queries, 100)


SIGNS = [chr(point) for point in range(0x20, 0x7F) if not chr(point).isalnum()] + list(
    "\x00\t\n\x1b\x7f\x85\xa0¡«»¿×÷“”„‘’‚‹›–—…•‰′″※‼⁄€№™←∑∞≠■★☃♥✓、。「」・！＂＃（）＊：？～"
    "\u200b\u200d\u2028\u202e\u2066\ufeff\u0301\u061c؟،।"
)
STARS = "*＊"  # whoever types wide letters types wide stars


@pytest.mark.parametrize("sign", SIGNS, ids=lambda sign: f"U+{ord(sign):04X}")
def test_any_sign_beside_a_word_a_beginning_or_a_phrase(sign: str):
    said = ["token auth", f"token{sign}auth", f"tok{sign} en", sign, f"auth {sign}token{sign}", "tokens to authors"]
    fold = Fold()
    with primecore.open(":memory:") as prime:
        for at, text in enumerate(said):
            payload = {"properties": {"text": text, "name": f"{sign}n{sign}"}}
            fold.apply({"event_type": "prime.node.created", "entity_id": f"node:n:{at}", "payload": payload})
            prime.append("prime.node.created", f"node:n:{at}", payload)
        queries = [f"{sign}token", f"token{sign}", f"token {sign} auth", f"tok{sign}en"]
        if sign == '"':
            queries = [f"{it}{sign}" for it in queries]  # in pairs
        else:
            queries += [f'"token{sign}auth"', f'"{sign}token auth{sign}"', f'x "token {sign} auth" tokens', f'"{sign}"']
            if bm25.words(f"a{sign}b") == bm25.words("a b"):
                queries += [f"{sign}tok*", f"tok* {sign}", f"to{sign}tok*"]
        if sign not in STARS:
            compare(prime, fold, queries, 10)
            compare(prime, fold, queries, 2, stem=True)
        queries += [f"{sign}*", f"*{sign}", f"tok*{sign}", f'"tok*{sign}"', f'{sign}"', f'"{sign}', sign * 1000]
        for query in queries:  # whatever it means, it is an answer
            hits = prime.search(query, explain=True)
            assert hits == prime.search(query, explain=True) and len(hits) <= 10
            assert all(hit.id.startswith("node:n:") and hit.score > 0 for hit in hits)
            prime.recall(query)
