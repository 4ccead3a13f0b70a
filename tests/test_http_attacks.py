"""Clients that mean harm: heads without end, half requests, bodies for nobody, keys that may only read, full houses."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.serving import API, Client, Served, serving

import primecore
from primecore.errors import IdempotencyConflict
from primecore.faces.http.protocol import MAX_HEAD_BYTES
from primecore.faces.http.settings import Settings
from primecore.faces.mcp.server import Face
from primecore.operations import OPERATIONS

HEAD = b"Host: localhost\r\n"
STALL = 1.0


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with primecore.open(":memory:") as prime:
        application, life = Face(prime).over_http()
        settings = Settings(stall_seconds=STALL, body_bytes=100_000)
        with serving(prime, settings, mounts={"/mcp": application}, lives=(life,)) as it:
            yield it


def connect(served: Served) -> socket.socket:
    it = socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2])), timeout=30)
    it.settimeout(30)
    return it


def refusal(answer: bytes) -> tuple[int, str]:
    """Status and code of an error in the one shape."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(re.match(rb"HTTP/1.1 (\d+)", head)[1])
    assert b"application/json" in head
    return status, json.loads(body)["error"]["code"]


def everything(it: socket.socket) -> bytes:
    found = b""
    try:
        while piece := it.recv(65536):
            found += piece
    except ConnectionError:
        pass
    return found


@pytest.mark.parametrize("begin", [b"GET /", b"GET /health HTTP/1.1\r\n" + HEAD + b"X: ", b"GET /health HTTP/1.1\r\nX"])
def test_a_head_without_end_is_cut_off(served: Served, begin: bytes) -> None:
    before = psutil.Process().memory_info().rss
    with connect(served) as it:
        it.sendall(begin)
        sent = 0
        try:
            while sent < 200 << 20:
                it.sendall(b"a" * 65536)
                sent += 65536
        except ConnectionError:
            pass
    assert sent < 100 << 20 and psutil.Process().memory_info().rss - before < 64 << 20
    with connect(served) as it:
        it.sendall(begin)
        time.sleep(0.1)
        it.sendall(b"a" * (MAX_HEAD_BYTES + 1))
        assert refusal(everything(it)) == (431, "limit_exceeded")


@pytest.mark.parametrize("first", [b"", b"GET /health HTTP/1.1\r\n" + HEAD + b"\r\n"])
@pytest.mark.parametrize("trickle", [b"", b"X-a: b\r\n"])
def test_a_head_that_never_ends_holds_no_place(served: Served, first: bytes, trickle: bytes) -> None:
    """Also not the second one of a connection, and not one that sends a little now and then."""
    with connect(served) as it:
        it.sendall(first + b"GET /health HTTP/1.1\r\n")
        began = time.monotonic()
        with pytest.raises(ConnectionError):
            while time.monotonic() - began < 20:
                if trickle:
                    it.sendall(trickle)
                    time.sleep(0.1)
                elif it.recv(1000) == b"":
                    raise ConnectionResetError
        assert time.monotonic() - began >= STALL * 0.9


def test_what_waits_between_requests_is_not_cut_off(served: Served) -> None:
    """A connection in use is left alone, however long it lives."""
    with connect(served) as it:
        until = time.monotonic() + 3 * STALL
        while time.monotonic() < until:
            it.sendall(b"GET /health HTTP/1.1\r\n")
            time.sleep(STALL / 5)
            it.sendall(HEAD + b"\r\n")
            assert it.recv(65536).startswith(b"HTTP/1.1 200")
            time.sleep(STALL / 5)


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Content-Length: -1\r\n",
        b"X y: 1\r\n",
    ],
)
def test_what_two_readers_could_read_two_ways_is_refused(served: Served, head: bytes) -> None:
    with connect(served) as it:
        it.sendall(b"POST /api/v1/prime/nodes HTTP/1.1\r\n" + HEAD + head + b"\r\n0\r\n\r\n")
        assert refusal(everything(it)) == (400, "invalid_argument")


def test_a_body_for_another_application_has_our_limits(served: Served) -> None:
    post = b"POST /mcp HTTP/1.1\r\n" + HEAD + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with connect(served) as it:
        it.sendall(post % 200_000)
        assert refusal(everything(it)) == (413, "limit_exceeded")
    with connect(served) as it:
        it.sendall(post % 4_000 + b"{")
        assert refusal(everything(it)) == (408, "request_timeout")


@pytest.mark.parametrize("path", [f"{API}/nodes", f"{API}/events", f"{API}/recall", "/mcp"])
def test_json_of_any_depth_is_refused(served: Served, path: str) -> None:
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    answer = served.client.post(path, content=b'{"a":' * 16_000 + b"1" + b"}" * 16_000, headers=headers)
    assert answer.status_code in (400, 413) and "error" in answer.json()


def test_a_full_house_says_so() -> None:
    with primecore.open(":memory:") as prime, serving(prime, Settings(connections=4)) as served:
        held = [connect(served) for _ in range(6)]
        try:
            held[-1].sendall(b"GET /health HTTP/1.1\r\n" + HEAD + b"\r\n")
            assert refusal(everything(held[-1])) == (429, "too_busy")
        finally:
            for it in held:
                it.close()


def test_a_key_that_reads_reaches_no_route_that_writes() -> None:
    """Each route of the document, whatever it is sent; and the store is what it was."""
    with primecore.open(":memory:") as prime, serving(prime, Settings(keys=("w",), read_keys=("r",))) as served:
        prime.add_node("t", {}, id="a")
        position = prime.position
        writes = {route.method + route.path: route.operation.writes for route in served.app.routes}
        reader = Client(served.url, **{"x-api-key": "r"})
        tried = 0
        for path, methods in reader.get("/openapi.json").json()["paths"].items():
            for method in methods.keys() & {"get", "post", "patch", "delete"}:
                if path.endswith("/stream"):
                    continue
                known = writes.get(method.upper() + path, method == "post" and path.endswith("/events"))
                how = {} if method in ("get", "delete") else {"json": {}}
                answer = reader.request(method.upper(), path.replace("{id}", "node:t:a"), **how)
                assert (answer.status_code == 403) is known, (method, path, answer.text)
                tried += known
        assert tried > 12 and prime.position == position
        reader.close()


def test_a_key_that_reads_calls_no_tool_that_writes() -> None:
    with primecore.open(":memory:") as prime:
        prime.add_node("t", {}, id="a")
        face = Face(prime)
        application, life = face.over_http()
        keys = Settings(keys=("w",), read_keys=("r",))
        with serving(prime, keys, mounts={"/mcp": application}, lives=(life,)) as served:
            headers = {"x-api-key": "r", "accept": "application/json, text/event-stream"}
            for name, tool in face.tools.items():
                call = {"method": "tools/call", "params": {"name": name, "arguments": {}}}
                answer = served.client.post("/mcp", json={"jsonrpc": "2.0", "id": 1, **call}, headers=headers)
                forbidden = '"forbidden"' in answer.text.replace("\\", "")
                assert forbidden is tool.operation.writes is OPERATIONS[tool.operation.name].writes, name
        assert prime.position == 1


def test_a_stream_goes_on_where_it_was_also_behind_a_compaction(store_path: Path) -> None:
    with primecore.open(store_path) as prime, serving(prime) as served:
        for at in range(300):
            prime.append("a.b", f"note:{at}", {"text": "x" * 20_000})
        report = prime.compact()
        assert report.files, "nothing was compacted: the test shows nothing"
        with served.client.stream("GET", f"{API}/events/stream", headers={"last-event-id": "5"}) as stream:
            ids = []
            for line in stream.iter_lines():
                if line.startswith("id: "):
                    ids.append(int(line[4:]))
                if len(ids) == 295:
                    break
        assert ids == list(range(6, 301))


def test_the_same_key_for_another_write_is_refused(served: Served) -> None:
    served.client.ask("POST", "/nodes", 201, json={"type": "t", "id": "k"}, headers={"idempotency-key": "one"})
    refused = served.client.refused("POST", "/nodes", json={"type": "t", "id": "m"}, headers={"idempotency-key": "one"})
    assert refused == (409, IdempotencyConflict.code)
