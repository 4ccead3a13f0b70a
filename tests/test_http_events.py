"""`/events`: one event, batches, JSONL of any length, pages, JSONL out, and the stream with resume."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from support.serving import API, Client, Served, serving

import primecore
from primecore.faces.http.settings import Settings

LINES = {"content-type": "application/x-ndjson"}


def lines(count: int, start: int = 0) -> bytes:
    return b"".join(
        b'{"event_type":"note.taken","entity_id":"note:%d","payload":{"n":%d}}\n' % (at, at)
        for at in range(start, start + count)
    )


@pytest.fixture
def served() -> Iterator[Served]:
    with primecore.open(":memory:") as prime, serving(prime, Settings(stall_seconds=2, bulk_ahead_bytes=10_000)) as it:
        yield it


@pytest.fixture
def client(served: Served) -> Client:
    return served.client


def test_one_event(client: Client, served: Served) -> None:
    event = {
        "event_type": "note.taken",
        "entity_id": "note:1",
        "payload": {"a": 1},
        "timestamp": "2026-01-01T00:00:00Z",
    }
    receipt = client.ask("POST", "/events", 201, json=event, headers={"Idempotency-Key": "k"})
    assert (receipt["position"], receipt["version"], receipt["duplicate"]) == (1, 1, False)
    again = client.ask("POST", "/events", 200, json=event, headers={"Idempotency-Key": "k"})
    assert again == {**receipt, "duplicate": True}
    found = client.ask("GET", "/events")["events"]
    assert found[0]["payload"] == {"a": 1} and found[0]["timestamp"] == "2026-01-01T00:00:00.000000Z"
    assert served.prime.position == 1


def test_a_batch_is_whole_or_not_at_all(client: Client, served: Served) -> None:
    batch = [json.loads(line) for line in lines(5).splitlines()]
    found = client.ask("POST", "/events?durable=true", 201, json=batch)
    assert [it["position"] for it in found["receipts"]] == [1, 2, 3, 4, 5]
    assert served.prime.durable_position >= 5
    assert client.refused("POST", "/events", json=[*batch, {"event_type": "X", "entity_id": "y"}]) == (
        422,
        "invalid_event",
    )
    assert client.ask("POST", "/events", 201, json={"events": batch, "durable": True})["position"] == 10
    assert client.ask("POST", "/events", 201, json=[])["receipts"] == []
    assert client.refused("POST", "/events", json=[1]) == (400, "invalid_argument")
    assert client.refused("POST", "/events", json=7) == (400, "invalid_argument")
    assert served.prime.position == 10


def test_lines_are_taken_in_as_they_come(client: Client, served: Served) -> None:
    def pieces() -> Iterator[bytes]:
        text = lines(20_000)
        yield from (text[at : at + 5_000] for at in range(0, len(text), 5_000))

    report = client.ask("POST", "/events", content=pieces(), headers={**LINES, "Idempotency-Key": "all"})
    assert (report["read"], report["appended"], report["duplicates"], report["refused"]) == (20_000, 20_000, 0, 0)
    assert served.prime.durable_position == 20_000
    again = client.ask("POST", "/events", content=lines(20_001), headers={**LINES, "Idempotency-Key": "all"})
    assert (again["appended"], again["duplicates"]) == (1, 20_000)


def test_a_broken_line_stops_or_is_left_out(client: Client, served: Served) -> None:
    text = lines(2) + b'{"event_type":"no","entity_id":7}\n' + lines(2, 2)
    answer = client.post(f"{API}/events", content=text, headers=LINES)
    assert answer.status_code == 422
    details = answer.json()["error"]["details"]
    assert (details["line"], details["field"], details["report"]["appended"]) == (3, "entity_id", 2)
    assert served.prime.position == 2
    report = client.ask("POST", "/events?on_error=skip", content=text, headers=LINES)
    assert (report["appended"], report["refused"]) == (4, 1)


def test_atomic_lines(client: Client, served: Served) -> None:
    bad = lines(3) + b'{"event_type":"no"}\n'
    assert client.refused("POST", "/events?atomic=true", content=bad, headers=LINES) == (422, "invalid_event")
    assert client.refused("POST", "/events?atomic=true", content=lines(3) + b"{", headers=LINES) == (
        400,
        "invalid_argument",
    )
    assert served.prime.position == 0
    for _ in range(2):
        headers = {**LINES, "Idempotency-Key": "atom"}
        assert client.ask("POST", "/events?atomic=true", 201, content=lines(3), headers=headers)["position"] == 3
    assert client.refused("POST", "/events?on_error=ignore", content=bad, headers=LINES) == (400, "invalid_argument")


def test_a_large_batch_is_refused_whole(client: Client, served: Served) -> None:
    big = [{"event_type": "a.b", "entity_id": f"x:{at}", "payload": {"t": "y" * 9_000_000}} for at in range(4)]
    assert client.refused("POST", "/events", json=big) == (413, "limit_exceeded")
    assert client.refused(
        "POST", "/events", content=b" " * (49 << 20), headers={"content-type": "application/json"}
    ) == (
        413,
        "limit_exceeded",
    )
    assert served.prime.position == 0


def test_lines_out_hold_what_was_put_in(client: Client, served: Served) -> None:
    client.ask("POST", "/events", content=lines(2_500), headers=LINES)
    answer = client.get(f"{API}/events", headers={"accept": "application/x-ndjson"})
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert [it["position"] for it in found] == list(range(1, 2_501))
    part = client.get(f"{API}/events?after=10&until=1500&limit=1200", headers={"accept": "application/x-ndjson"})
    assert [json.loads(it)["position"] for it in part.text.splitlines()] == list(range(11, 1_211))
    with primecore.open(":memory:") as other, serving(other) as copy:
        text = "".join(
            json.dumps({name: value for name, value in it.items() if name not in ("position", "version")}) + "\n"
            for it in found
        )
        assert copy.client.ask("POST", "/events", content=text, headers=LINES)["appended"] == 2_500
        assert other.digest() == served.prime.digest()


class Listener:
    """A client of the stream, by hand, so that it can leave at any moment."""

    def __init__(self, served: Served, query: str = "", **headers: str) -> None:
        port = int(served.url.rpartition(":")[2])
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.socket.sendall(f"GET {API}/events/stream{query} HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n".encode())
        self.file = self.socket.makefile("rb")
        while self.file.readline() not in (b"\r\n", b""):
            pass

    def events(self, count: int) -> list[dict]:
        found, id = [], None
        while len(found) < count:
            line = self.file.readline()
            assert line, "the stream ended"
            if line.startswith(b"id: "):
                id = int(line[4:])
            if line.startswith(b"data: "):
                event = json.loads(line[6:])
                assert event["position"] == id
                found.append(event)
        return found

    def close(self) -> None:
        self.file.close()
        self.socket.close()


def test_pages_and_lines_of_the_past(client: Client, served: Served) -> None:
    for at in range(5):
        served.prime.append("a.b", f"past:{at}")
    then = served.prime.position - 2
    lines = {"accept": "application/x-ndjson"}
    found = client.get(f"{API}/events", params={"at": then}, headers=lines).text.splitlines()
    page = client.ask("GET", "/events", params={"at": then, "limit": 1_000})
    assert [json.loads(line)["position"] for line in found] == [it["position"] for it in page["events"]]
    assert len(found) == then and page["position"] == then
    until = {"at": then, "until": then + 2, "after": then - 1}
    assert len(client.get(f"{API}/events", params=until, headers=lines).text.splitlines()) == 1
    assert client.get(f"{API}/events", params={"at": "never"}, headers=lines).status_code == 400


def test_the_stream_shows_what_comes_and_goes_on_where_it_was(served: Served) -> None:
    first = Listener(served)
    time.sleep(0.2)
    for at in range(3):
        served.prime.append("note.taken", f"note:{at}", {"n": at})
    assert [it["payload"]["n"] for it in first.events(3)] == [0, 1, 2]
    first.close()
    for at in range(3, 1_000):
        served.prime.append("note.taken", f"note:{at}", {"n": at})
    second = Listener(served, "?after=0", Last_Event_ID="3")
    assert [it["position"] for it in second.events(997)] == list(range(4, 1_001))
    second.close()


def test_the_stream_filters(served: Served) -> None:
    served.prime.append("a.b", "x:1")
    served.prime.append("c.d", "x:2")
    listener = Listener(served, "?after=0&event_type=c.d")
    assert [it["position"] for it in listener.events(1)] == [2]
    served.prime.append("a.b", "x:1")
    served.prime.append("c.d", "x:3")
    assert [it["position"] for it in listener.events(1)] == [4]
    listener.close()


def test_many_streams_and_those_that_leave(served: Served) -> None:
    listeners = [Listener(served, "?after=0") for _ in range(20)]
    served.prime.append("a.b", "x:1")
    for listener in listeners[:10]:
        assert listener.events(1)[0]["position"] == 1
    for listener in listeners:
        listener.close()
    until = time.monotonic() + 10
    while served.app.feed.slots.taken and time.monotonic() < until:
        time.sleep(0.05)
    assert served.app.feed.slots.taken == 0


def test_a_stream_that_is_not_read_is_dropped_and_harms_nobody(served: Served) -> None:
    served.prime.append_many([{"event_type": "a.b", "entity_id": "x:1", "payload": {"t": "y" * 30_000}}] * 1_000)
    lazy = Listener(served, "?after=0")
    lazy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for _ in range(20):
        assert served.client.ask("GET", "/stats")["position"] == 1_000
    until = time.monotonic() + 20
    while served.app.feed.slots.taken and time.monotonic() < until:
        time.sleep(0.1)
    assert served.app.feed.slots.taken == 0
    lazy.close()


def test_half_a_body_harms_nobody(served: Served) -> None:
    port = int(served.url.rpartition(":")[2])
    stalled = []
    for kind in ("application/json", "application/x-ndjson"):
        for half in (b"", b'{"event_type":"a.b",', lines(200)):
            it = socket.create_connection(("127.0.0.1", port), timeout=20)
            it.sendall(
                f"POST {API}/events HTTP/1.1\r\nHost: localhost\r\ncontent-type: {kind}\r\n"
                "content-length: 9999999\r\n\r\n".encode()
                + half
            )
            stalled.append(it)
    half_heads = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(5)]
    for it in half_heads:
        it.sendall(b"GET /health HT")
    for _ in range(20):
        served.client.ask("GET", "/stats")
        served.client.ask("POST", "/events", 201, json={"event_type": "a.b", "entity_id": "x:1"})
    for it in stalled:
        assert b" 408 " in it.recv(100)
        it.close()
    for it in half_heads:
        assert it.recv(100) == b""  # dropped
        it.close()
    left = threading.active_count()
    served.client.ask("POST", "/events", content=lines(10), headers=LINES)
    assert threading.active_count() <= left + 1


def test_streams_end_when_the_server_does() -> None:
    with primecore.open(":memory:") as prime:
        with serving(prime) as served:
            listener = Listener(served)
        assert listener.file.read().endswith(b"0\r\n\r\n")
        listener.close()
