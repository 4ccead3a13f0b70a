"""Facts that were turned away stay away, and facts that many tell at once are one, whatever happens to the store."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path

import pytest
from support.children import child
from support.sharing import new_owner
from test_embedders import Letters
from test_reembed import Vowels

import primecore
from primecore import Prime

TURNED_AWAY = ("Zebra has left", "The zebra: 2⁵ stripes!", "zebra of an id of its own", "Ζebra in Greek")
AGAIN = ("zebra  HAS left.", "“the zebra: 2⁵ stripes”", "Zebra of an id\tof its own!", "Ζebra in Greek…")
KEPT = "Alice keeps tea"


def fill(prime: Prime) -> None:
    alice = prime.add_node("person", {"name": "Alice"}, id="alice")
    for at, text in enumerate(TURNED_AWAY):
        fact = prime.remember(text, id="own" if at == 2 else None, near=None, links=[("about", alice)])
        prime.reject(fact.id, reason="it never was")
    prime.remember(KEPT, links=[("about", alice)])


def check(prime: Prime) -> None:
    """Says them all again, in other marks too: nothing is appended, nothing is found."""
    before = prime.position
    for text in (*TURNED_AWAY, *AGAIN):
        for how in ({}, {"near": None}, {"domain": "d", "links": [("about", "node:person:alice")]}):
            found = prime.remember(text, **how)
            assert found.rejected and not found.created and found.edges == (), text
            assert prime.node(found.id) is None
    assert prime.position == before
    assert not prime.remember(KEPT).created
    assert prime.search("zebra stripes") == [] and prime.search("zeb*") == []
    said = str(prime.context("what of the zebra?", 5000))
    assert "zebra" not in said.lower()
    assert all("zebra" not in (hit.text or "").lower() for hit in prime.recall("zebra", floor=0.0, k=100, depth=3))


def opened(path: object) -> Prime:
    return primecore.open(path, embedder=Letters())


def test_they_stay_away_through_everything(tmp_path):
    store = tmp_path / "store"
    with opened(store) as prime:
        fill(prime)
        check(prime)
    with opened(store) as prime:
        check(prime)
        prime.checkpoint()
        check(prime)
    with opened(store) as prime:
        check(prime)
        prime.compact()
        check(prime)
    with opened(store) as prime:
        check(prime)
        assert prime.replay(verify=True).equal
        check(prime)
        prime.reembed(Vowels())
        check(prime)
        prime.compact()
        prime.checkpoint()
    with primecore.open(store, embedder=Vowels()) as prime:
        check(prime)


def test_they_stay_away_when_their_events_come_again(tmp_path):
    exported = io.BytesIO()
    with opened(tmp_path / "one") as prime:
        fill(prime)
        prime.export(exported)
        digest = prime.digest()
        report = prime.ingest(io.BytesIO(exported.getvalue()))
        assert report.appended == 0 and prime.digest() == digest
        for line in exported.getvalue().splitlines():  # one by one, as from a peer that has only some
            prime.ingest(io.BytesIO(line))
        check(prime)
    for way in ("ingest", "append_many"):
        with opened(tmp_path / way) as prime:
            if way == "ingest":
                prime.ingest(io.BytesIO(exported.getvalue()))
            else:
                fields = ("event_id", "event_type", "entity_id", "payload", "timestamp", "metadata")
                events = [json.loads(line) for line in exported.getvalue().splitlines()]
                prime.append_many([{name: it[name] for name in fields if it.get(name) is not None} for it in events])
            check(prime)
        with opened(tmp_path / way) as prime:
            check(prime)


def test_they_stay_away_from_a_backup_and_for_a_guest(tmp_path):
    with opened(tmp_path / "one") as prime:
        fill(prime)
        prime.backup(tmp_path / "copy")
    primecore.restore(tmp_path / "copy", tmp_path / "again")
    with opened(tmp_path / "again") as prime:
        check(prime)
    with new_owner(tmp_path / "again") as process:
        process.stdout.readline()
        with primecore.open(tmp_path / "again", via_owner=True) as guest:
            for text in (*TURNED_AWAY, *AGAIN):
                assert guest.remember(text, near=None, vector=[1.0] * 5).rejected


TELLS = """
import sys
import primecore

with primecore.open(sys.argv[1], via_owner=True) as prime:
    print("ready", flush=True)
    sys.stdin.readline()
    links = [("about", "node:person:alice")]
    made = [at for at in range(40) if prime.remember(f"Fact  number {at} of the hut", links=links).created]
    print(len(made), flush=True)
"""


def test_many_who_tell_it_at_once_make_one_fact(tmp_path):
    path: Path = tmp_path / "store"
    with primecore.open(path, embedder="hashing") as prime:
        prime.add_node("person", {"name": "Alice"}, id="alice")
        with child("-c", TELLS, path) as one, child("-c", TELLS, path) as two:
            for process in (one, two):
                assert process.stdout.readline() == b"ready\n"
            created = []

            def tell() -> None:
                for at in range(40):
                    told = prime.remember(f"fact number {at} OF the hut", links=[("about", "node:person:alice")])
                    created.append(told.created)

            threads = [threading.Thread(target=tell) for _ in range(2)]
            for process in (one, two):
                process.stdin.write(b"go\n")
                process.stdin.flush()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            others = [int(process.stdout.readline()) for process in (one, two)]
        assert sum(created) + sum(others) == 40
        facts = list(prime.nodes(type="memory"))
        assert len(facts) == 40 == len({fact.properties["text"].lower().replace("  ", " ") for fact in facts})
        for fact in facts:
            assert len([it for it in prime.neighbors(fact.id, direction="out") if it.relation == "about"]) == 1
        assert prime.stats().vectors == 40 and prime.replay(verify=True).equal


@pytest.mark.parametrize("near", [None, 0.95])
def test_one_who_tells_while_another_turns_it_away(near):
    # Whoever comes first: in the end the fact lives, or it is turned away for good. Never neither, never both.
    with primecore.open(":memory:", embedder="hashing") as prime:
        for at in range(60):
            text = f"Fact {at} of the hut"
            first = prime.remember(text, near=None)
            gate = threading.Barrier(2)
            said = []

            def tell(text=text, gate=gate, said=said) -> None:
                gate.wait()
                said.append(prime.remember(text, near=near))

            thread = threading.Thread(target=tell)
            thread.start()
            gate.wait()
            prime.reject(first.id)
            thread.join()
            assert not said[0].created and (said[0].rejected or said[0].id == first.id)
            assert prime.node(first.id) is None and prime.remember(text).rejected
