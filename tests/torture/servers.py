"""`prime serve` killed, or told to stop, again and again while clients write to it over HTTP.

Each client sends one request after another, every one under a key of its own (Idempotency-Key), and what broke off is
sent again to the next server. So whatever was acknowledged is there after each life, and nothing is there twice.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from support.serving import API, Client, Process

import primecore

CLIENTS, LIVES = 8, 6
LINES = {"content-type": "application/x-ndjson"}


class Request(NamedTuple):
    """One write: what makes it, the entities it names, and whether it is whole or not at all."""

    path: str
    how: dict[str, Any]
    ids: list[str]
    whole: bool


def event(id: str) -> dict[str, Any]:
    return {"event_type": "note.taken", "entity_id": id, "payload": {"text": id * 20}}


def jsonl(ids: list[str]) -> bytes:
    return b"".join(json.dumps(event(id)).encode() + b"\n" for id in ids)


def slowly(text: bytes) -> Iterator[bytes]:
    """A body in pieces that end anywhere, so that a server dies within one."""
    for at in range(0, len(text), 99_991):
        yield text[at : at + 99_991]


def request(seed: int, client: int, turn: int) -> Request:
    """The same every time it is asked for: what is sent again is what was sent."""
    dice = random.Random(f"{seed} {client} {turn}")
    count = dice.choice((1, 20, 500))
    ids = [f"note:{client}-{turn}-{at}" for at in range(count)]
    match dice.randrange(8):
        case 0:
            return Request("/events", {"json": event(ids[0])}, ids[:1], True)
        case 1:
            return Request("/events", {"json": [event(id) for id in ids]}, ids, True)
        case 2:
            return Request("/events?atomic=true", {"content": jsonl(ids), "headers": LINES}, ids, True)
        case 3:
            return Request("/events", {"content": jsonl(ids), "headers": LINES}, ids, False)
        case 4:
            many = [f"{ids[0]}-{at}" for at in range(4_000)]  # more than is waited for ahead
            return Request("/events", {"content": slowly(jsonl(many)), "headers": LINES}, many, False)
        case _:
            name = ids[0].removeprefix("note:")
            node = {"type": "t", "id": name, "properties": {"turn": turn}}
            return Request("/nodes", {"json": node}, [f"node:t:{name}"], True)


class Author:
    """A client that outlives servers. `turn` is the request it is at, which may have broken off."""

    def __init__(self, seed: int, number: int) -> None:
        self.seed, self.number, self.turn = seed, number, 0
        self.acknowledged: list[str] = []
        self.wrong: list[str] = []

    def at(self) -> Request:
        return request(self.seed, self.number, self.turn)

    def write(self, url: str) -> None:
        """Until the server is gone."""
        with httpx.Client(base_url=url + API, timeout=60) as client:
            while not self.wrong:
                path, how, ids, _ = self.at()
                headers = {**how.pop("headers", {}), "idempotency-key": f"{self.number}-{self.turn}"}
                try:
                    answer = client.post(path, headers=headers, **how)
                except httpx.HTTPError:
                    return
                if answer.status_code in (429, 503):
                    time.sleep(0.02)
                elif answer.status_code in (200, 201):
                    self.acknowledged += ids
                    self.turn += 1
                else:
                    self.wrong.append(f"{path}: {answer.status_code} {answer.text[:300]}")


def look(authors: list[Author], entities: list[str]) -> None:
    """All that was acknowledged is there, nothing twice, and of what broke off what may be."""
    counts = Counter(entities)
    twice = [id for id, count in counts.items() if count > 1]
    assert not twice, f"there twice: {twice[:3]}"
    for author in authors:
        assert not author.wrong, author.wrong[0]
        lost = [id for id in author.acknowledged if not counts.pop(id, 0)]
        assert not lost, f"lost: {len(lost)} of {len(author.acknowledged)}, as {lost[0]}"
        broken = author.at()
        there = [bool(counts.pop(id, 0)) for id in broken.ids]
        assert not broken.whole or len(set(there)) == 1, f"a part of {broken.path}"
        assert there == sorted(there, reverse=True), "lines that do not follow on each other"
    assert not counts, f"never written: {sorted(counts)[:3]}"


def life(store: Path, authors: list[Author], dice: random.Random, kills: bool, at_least_s: float) -> None:
    """One server: what is there is looked at, then all write until it ends."""
    with Process(store) as it:
        with Client(it.url) as client:
            text = client.get(f"{API}/events", headers={"accept": "application/x-ndjson"}).text
        look(authors, [json.loads(line)["entity_id"] for line in text.splitlines()])
        threads = [threading.Thread(target=author.write, args=(it.url,), daemon=True) for author in authors]
        for thread in threads:
            thread.start()
        time.sleep(at_least_s + dice.random())
        if kills:
            it.child.kill()
        else:
            assert it.stop() == 0, "stopping when told to is no failure"
        for thread in threads:
            thread.join(90)
            assert not thread.is_alive(), "a client hangs on a server that is gone"


def run(seed: int, folder: Path, lives: int = LIVES, at_least_s: float = 0.05) -> int:
    """Gives how many kills there were. Raises AssertionError."""
    store, dice = folder / f"servers-{seed}", random.Random(seed)
    authors = [Author(seed, number) for number in range(CLIENTS)]
    killed = 0
    for number in range(lives):
        kills = number % 4 != 3  # every fourth is told to stop: what it acknowledged is durable then, as always
        life(store, authors, dice, kills, at_least_s)
        killed += kills
    with primecore.open(store) as prime:
        look(authors, [it.entity_id for it in prime.events()])
        assert prime.replay(verify=True).equal is True
    assert any(author.acknowledged for author in authors)
    return killed
