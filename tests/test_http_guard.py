"""Who may ask: names and origins against rebinding, keys, keys that only read, places that are taken."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from support.serving import API, Client, Served, serving

import primecore
from primecore.errors import InvalidArgument
from primecore.faces.http.settings import Settings, from_environment, is_loopback

WRITE, READ = "w" * 40, "r" * 40


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with primecore.open(":memory:") as prime, serving(prime) as it:
        yield it


@pytest.fixture(scope="module")
def keyed() -> Iterator[Served]:
    settings = Settings(keys=(WRITE, "second"), read_keys=(READ,))
    with primecore.open(":memory:") as prime, serving(prime, settings) as it:
        yield it


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "LOCALHOST", "127.0.0.1:3905", "[::1]", "[::1]:3905"])
def test_names_of_this_machine_are_let_in(served: Served, host: str) -> None:
    assert served.client.get("/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:3905", "localhost.evil.example", "127.0.0.1.nip.io", "", "[::2]"]
)
def test_other_names_are_not(served: Served, host: str) -> None:
    assert served.client.refused("GET", "/stats", headers={"host": host}) == (403, "forbidden")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:3905", 200),
        ("http://localhost", 403),
        ("https://evil.example", 403),
        ("null", 403),
        ("http://localhost:3905.evil.example", 403),
        ("http://localhost:9999", 403),
    ],
)
def test_pages_of_other_sites_may_not_ask(served: Served, origin: str, status: int) -> None:
    headers = {"host": "localhost:3905", "origin": origin}
    assert served.client.get(f"{API}/stats", headers=headers).status_code == status
    assert served.client.post(f"{API}/nodes", json={"type": "a"}, headers=headers).status_code in (status, 201)


def test_keys(keyed: Served) -> None:
    client = keyed.client
    assert client.refused("GET", "/stats") == (401, "unauthorized")
    assert client.get(f"{API}/stats").headers["www-authenticate"].startswith("Bearer")
    assert client.get("/health").status_code == 200
    for wrong in ({"authorization": "Bearer nope"}, {"x-api-key": WRITE[:-1]}, {"authorization": "Basic " + WRITE}):
        assert client.refused("GET", "/stats", headers=wrong) == (401, "unauthorized")
        assert client.refused("GET", "/nothing", headers=wrong) == (401, "unauthorized")
    for right in ({"authorization": f"Bearer {WRITE}"}, {"authorization": "bearer second"}, {"x-api-key": WRITE}):
        assert client.ask("GET", "/stats", headers=right)
        assert client.ask("POST", "/nodes", 201, json={"type": "a"}, headers=right)


def test_read_keys_only_read(keyed: Served) -> None:
    reader = Client(keyed.url, **{"x-api-key": READ})
    assert reader.ask("GET", "/nodes")
    assert reader.ask("POST", "/shortest-path", json={"from": "a", "to": "b"})["path"] is None
    for method, path in (("POST", "/nodes"), ("POST", "/events"), ("DELETE", "/nodes/x"), ("POST", "/flush")):
        assert reader.refused(method, path, json=None if method == "DELETE" else {}) == (403, "forbidden")
    reader.close()


def test_settings_want_a_key_where_others_could_ask() -> None:
    assert from_environment("127.0.0.1", (), {}).keys == ()
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        with pytest.raises(InvalidArgument, match="PRIME_API_KEY"):
            from_environment(host, (), {})
        with pytest.raises(InvalidArgument, match="PRIME_API_KEY"):
            from_environment(host, (), {"PRIME_API_KEY": " , "})
        assert from_environment(host, (), {"PRIME_API_KEY": "a, b"}).keys == ("a", "b")
    with pytest.raises(InvalidArgument, match="without PRIME_API_KEY"):
        from_environment("127.0.0.1", (), {"PRIME_READ_KEY": "x"})
    with pytest.raises(InvalidArgument, match="ASCII"):
        from_environment("127.0.0.1", (), {"PRIME_API_KEY": "ключ"})
    with pytest.raises(InvalidArgument, match="cannot resolve"):
        is_loopback("no.such.name.invalid")
    assert is_loopback("localhost") and is_loopback("::1") and not is_loopback("0.0.0.0")
    assert "box.example" in from_environment("127.0.0.1", ("box.example",), {}).hosts


def test_who_finds_no_place_is_told_to_come_again() -> None:
    settings = Settings(threads=1, waiting=1, read_seconds=0.5)
    with primecore.open(":memory:") as prime, serving(prime, settings) as served:
        held = threading.Event()
        slow = type("Slow", (), {"digest": lambda self: held.wait(20) and "x", "position": 0, "stats": prime.stats})()
        served.app.core.prime = slow
        answers: list[int] = []

        def ask() -> None:
            with Client(served.url) as client:
                answers.append(client.get(f"{API}/digest").status_code)

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert set(answers) == {429, 503} and answers.count(503) == 2
        assert served.client.ask("GET", "/stats")["position"] == 0  # what needs no thread is answered all the while
        assert served.client.get(f"{API}/digest").headers.get("retry-after") == "1"
        held.set()
        until = time.monotonic() + 10
        while served.app.jobs.waiting and time.monotonic() < until:
            time.sleep(0.01)
        assert served.client.get(f"{API}/digest").status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/health", "/metrics", "/openapi.json", f"{API}/stats", f"{API}/nodes", f"{API}/nothing", "/app.js"]
)
def test_every_answer_says_what_a_browser_must_not_do_with_it(served: Served, path: str) -> None:
    headers = served.client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer" and headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "server" not in headers and "access-control-allow-origin" not in headers


def test_bodies_have_a_limit_also_those_that_do_not_say_how_long_they_are() -> None:
    settings = Settings(body_bytes=10_000, bulk_bytes=50_000)
    with primecore.open(":memory:") as prime, serving(prime, settings) as served:
        line = b'{"event_type":"a.b","entity_id":"note:1"}\n'
        lines = {"content-type": "application/x-ndjson"}

        def slowly(size: int) -> Iterator[bytes]:
            for _ in range(size // len(line)):
                yield line

        for size, kind, expected in (
            (9_000, lines, (200, "")),
            (40_000, lines, (200, "")),
            (60_000, lines, (413, "limit_exceeded")),
            (12_000, {}, (413, "limit_exceeded")),
        ):
            for body in (slowly(size), b"".join(slowly(size))):
                answer = served.client.post(f"{API}/events", content=body, headers=kind)
                code = "" if answer.status_code == 200 else answer.json()["error"]["code"]
                assert (answer.status_code, code) == expected, (size, kind)
        # Lines that came before the limit are kept, and said to be, as when a line is broken.
        assert prime.position > (9_000 + 40_000) // len(line)
        assert served.client.ask("GET", "/stats")["position"] == prime.position
