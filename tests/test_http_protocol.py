"""The short way of answers that are there at once: as long as what it sends is what the long way would have sent."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from support.serving import API, Served, serving

import primecore
from primecore.faces.http.settings import Settings

QUICK = ["/health", f"{API}/stats", f"{API}/nodes/node:t:a", f"{API}/nodes/node:t:a/neighbors", f"{API}/edges/edge:1"]
SLOW = [f"{API}/nodes", f"{API}/nodes/node:t:a/neighbors?depth=2", f"{API}/events"]
REFUSED = ["/nothing", f"{API}/nodes/node:t:nobody", f"{API}/nodes/node:t:a?x=1", f"{API}/nodes/%FF"]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with primecore.open(":memory:") as prime, serving(prime, Settings(stall_seconds=5)) as it:
        prime.add_node("t", {"name": "Ä"}, id="a")
        prime.add_node("t", {"name": "b"}, id="b")
        prime.add_edge("node:t:a", "node:t:b", "r", id="1")
        yield it


def connect(served: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2])), timeout=30)


def ask(path: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *headers]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def answers(stream: Any, count: int, whole: bool = True) -> list[tuple[int, dict[str, str], bytes]]:
    found = []
    for _ in range(count):
        status = int(re.match(rb"HTTP/1\.[01] (\d+)", stream.readline())[1])
        headers = {}
        while line := stream.readline().strip():
            name, _, value = line.partition(b": ")
            assert name.decode() not in headers
            headers[name.decode()] = value.decode()
        found.append((status, headers, stream.read(int(headers["content-length"])) if whole else b""))
    return found


def test_what_is_there_at_once_goes_the_short_way_and_nothing_else_does(served: Served) -> None:
    scope = {"method": "GET", "query_string": b"", "headers": [(b"host", b"localhost")]}
    for path in QUICK:
        assert served.app.at_once({**scope, "path": path, "raw_path": path.encode()}).status == 200
    for path in (*SLOW, *REFUSED):
        raw, _, query = path.encode().partition(b"?")
        assert served.app.at_once({**scope, "path": path, "raw_path": raw, "query_string": query}) is None
    path = QUICK[0]
    for other in ({"method": "HEAD"}, {"method": "POST"}, {"headers": [(b"host", b"evil.example")]}):
        assert served.app.at_once({**scope, "path": path, "raw_path": path.encode(), **other}) is None


@pytest.mark.parametrize("path", [*QUICK, *SLOW, *REFUSED])
def test_both_ways_give_the_same_answer(served: Served, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def once() -> tuple[int, dict[str, str], bytes]:
        with connect(served) as it, it.makefile("rb") as stream:
            it.sendall(ask(path))
            status, headers, body = answers(stream, 1)[0]
            return status, {**headers, "date": ""}, body

    shortly = once()
    monkeypatch.setattr(served.app, "at_once", lambda _: None)
    status, headers, body = once()
    if path.endswith("/stats"):  # holds times
        headers, body = {**headers, "content-length": shortly[1]["content-length"]}, shortly[2]
    assert shortly == (status, headers, body)


def test_thousands_in_one_piece_are_answered_in_order(served: Served) -> None:
    paths = [path for _ in range(300) for path in (*QUICK[:4], *SLOW, REFUSED[1])]
    with connect(served) as it, it.makefile("rb") as stream:
        it.sendall(b"".join(ask(path) for path in paths))
        found = answers(stream, len(paths))
    assert [status for status, _, _ in found] == [404 if path in REFUSED else 200 for path in paths]
    alone = {path: served.client.get(path).content for path in {*paths} - {QUICK[1]}}
    assert all(body == alone[path] for path, (_, _, body) in zip(paths, found, strict=True) if path in alone)


def test_a_connection_ends_when_the_client_says_so(served: Served) -> None:
    for request in (ask(QUICK[2], "Connection: close"), ask(QUICK[2], version="1.0")):
        with connect(served) as it, it.makefile("rb") as stream:
            it.sendall(request)
            ((status, headers, _),) = answers(stream, 1)
            assert status == 200 and headers["connection"] == "close"
            assert stream.read() == b""


def test_a_body_that_nobody_asked_for_is_not_the_next_request(served: Served) -> None:
    with connect(served) as it, it.makefile("rb") as stream:
        body = ask("/nothing")
        it.sendall(ask(QUICK[0], f"Content-Length: {len(body)}") + body[:7])
        assert answers(stream, 1)[0][0] == 200
        it.sendall(body[7:] + ask(QUICK[2]))
        assert answers(stream, 1)[0][2] == served.client.get(QUICK[2]).content


def test_who_asks_much_and_reads_nothing_is_kept_waiting() -> None:
    with primecore.open(":memory:") as prime, serving(prime, Settings(stall_seconds=60)) as served:
        prime.add_node("t", {"text": "x" * 100_000}, id="a")
        me = psutil.Process()
        with connect(served) as it:
            it.settimeout(1)
            asked, piece = 0, ask(f"{API}/nodes/node:t:a") * 100
            before = me.memory_info().rss
            try:
                for _ in range(2_000):
                    it.sendall(piece)
                    asked += 100
            except TimeoutError:
                pass  # it takes no more
            assert asked < 200_000
            assert me.memory_info().rss - before < 200 << 20
            assert served.client.get("/health").status_code == 200
        until = time.monotonic() + 30
        while served.server.server_state.connections and time.monotonic() < until:
            served.client.close()
            time.sleep(0.05)


def test_nobody_works_for_clients_that_have_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions of theirs that wait for a thread are dropped, and lists that are being sent end."""
    held, looks, pages = threading.Event(), [], []
    with primecore.open(":memory:") as prime, serving(prime, Settings(threads=1)) as served:
        prime.append_many([{"event_type": "a.b", "entity_id": "note:1", "payload": {"x": "y" * 500}}] * 40_000)
        once = prime.digest
        monkeypatch.setattr(type(prime), "digest", lambda _: held.wait(30) and once())
        real_nodes, real_events = prime.nodes, type(prime).events
        monkeypatch.setattr(type(prime), "nodes", lambda _, **how: looks.append(1) or real_nodes(**how))
        monkeypatch.setattr(type(prime), "events", lambda it, **how: pages.append(1) or real_events(it, **how))
        with connect(served) as first:
            first.sendall(ask(f"{API}/digest"))
            for _ in range(20):
                with connect(served) as other:
                    other.sendall(ask(f"{API}/graph"))
                    while served.app.jobs.waiting < 2:
                        time.sleep(0.01)
            with connect(served) as last, last.makefile("rb") as stream:
                last.sendall(ask(f"{API}/events", "Accept: application/x-ndjson"))
                time.sleep(0.2)
                held.set()
                assert answers(stream, 1, whole=False)[0][0] == 200
            until = time.monotonic() + 30
            while served.app.jobs.waiting and time.monotonic() < until:
                time.sleep(0.01)
            assert not looks
            assert len(pages) < 30  # of 40: what the sockets hold was read, the rest was not


def test_what_went_the_short_way_is_counted(served: Served) -> None:
    path = f"{API}/nodes/{{id}}/neighbors"
    pattern = rf'prime_http_requests_total{{route="{re.escape(path)}",method="GET",status="200"}} (\d+)'
    counts = []
    for _ in range(2):
        found = re.search(pattern, served.client.get("/metrics").text)
        counts.append(int(found[1]) if found else 0)
        served.client.get(f"{API}/nodes/node:t:a/neighbors")
    assert counts[1] == counts[0] + 1
