"""`prime serve` as a process: ready, stopped, killed, locked out, and asked by many at once."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest
from support.serving import API, Client, Process
from torture import servers

import primecore

TORTURE = float(os.environ.get("TORTURE_SECONDS", "0"))


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "primecore.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **environment})


def test_it_says_where_it_is_answers_and_stops(store_path: Path) -> None:
    with Process(store_path) as it:
        assert it.ready == {"url": it.url, "store": str(store_path), "position": 0, "note": ""}
        done = subprocess.run(
            [
                "curl",
                "-s",
                "-w",
                "\ntime_total: %{time_total}s\n",
                it.url.replace("127.0.0.1", "localhost") + API + "/stats",
            ],
            capture_output=True,
            text=True,
        )
        body, told = done.stdout.splitlines()
        assert json.loads(body)["total_nodes"] == 0 and told.startswith("time_total: ")
        with Client(it.url) as client:
            made = client.ask("POST", "/nodes", 201, json={"type": "person", "properties": {"name": "Alice"}})
        assert it.stop() == 0
    with primecore.open(store_path, read_only=True) as prime:
        assert prime.node(made["entity_id"]).properties == {"name": "Alice"}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_streams_and_answers(store_path: Path, how: signal.Signals) -> None:
    with Process(store_path) as it, httpx.Client(timeout=20) as client:
        with client.stream("GET", f"{it.url}{API}/events/stream") as stream:
            assert next(stream.iter_lines()) == "retry: 1000"
            began = time.monotonic()
            assert it.stop(how) == 0
            assert time.monotonic() - began < 9


def test_what_stops_it_from_starting_is_said_in_one_line(store_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("--data-dir", str(store_path), "serve", "--port", str(taken.getsockname()[1]))
        assert done.returncode == 74 and "cannot listen on" in done.stderr and done.stderr.count("\n") == 1
    assert not store_path.exists()
    done = run("--data-dir", str(store_path), "serve", "--host", "0.0.0.0", "--port", "0", PRIME_API_KEY="")
    assert done.returncode == 2 and "PRIME_API_KEY" in done.stderr
    assert not store_path.exists()


def test_with_a_key_it_serves_other_addresses(store_path: Path) -> None:
    with Process(store_path, "--host", "0.0.0.0", PRIME_API_KEY="k" * 30) as it:
        url = it.url.replace("0.0.0.0", "127.0.0.1")
        with Client(url) as client:
            assert client.refused("GET", "/stats") == (401, "unauthorized")
            assert client.ask("GET", "/stats", headers={"x-api-key": "k" * 30, "host": "any.example"})


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Clients write in every way there is while servers are killed, and send again what broke off: nothing is twice."""
    assert servers.run(7, tmp_path, lives=4, at_least_s=0.3) == 3  # the fourth is told to stop


RUDE = (
    b"GET ",
    b"POST /api/v1/prime/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{",
    b"\x00\xff\r\n\r\n",
    b"GET /api/v1/prime/graph HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /api/v1/prime/events/stream?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /api/v1/prime/events HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n",
)


class Crowd:
    """Clients that ask and write at random until it is time, some of them rudely."""

    def __init__(self, url: str, seconds: float) -> None:
        self.url, self.until = url, time.monotonic() + seconds
        self.wrong: list[str] = []
        self.acknowledged: list[str] = []

    def polite(self, who: int) -> None:
        dice, turn = random.Random(who), 0
        with httpx.Client(base_url=self.url + API, timeout=180) as client:
            while time.monotonic() < self.until:
                turn += 1
                try:
                    answer, ids = self.ask(client, dice, f"{who}-{turn}")
                except httpx.HTTPError as error:
                    self.wrong.append(repr(error))
                    return
                if answer.status_code == 201:
                    self.acknowledged.extend(ids)
                elif answer.status_code not in (200, 429, 503):
                    self.wrong.append(answer.text)

    def ask(self, client: httpx.Client, dice: random.Random, name: str) -> tuple[httpx.Response, list[str]]:
        kind = dice.randrange(10)
        if kind < 3:
            return client.post("/nodes", json={"type": "t", "id": name, "properties": {"n": 1}}), [f"node:t:{name}"]
        if kind == 3:
            ids = [f"node:t:{name}-{at}" for at in range(20)]
            created = {"event_type": "prime.node.created", "payload": {"properties": {}}}
            return client.post("/events", json=[{**created, "entity_id": id} for id in ids]), ids
        if kind < 6:
            return client.get(f"/nodes/node:t:{name}/neighbors?depth={dice.randrange(1, 4)}"), []
        if kind < 8:
            return client.get("/stats"), []
        return client.get(f"/events?after={dice.randrange(100)}&limit=50"), []

    def rude(self, who: int) -> None:
        """Asks and leaves, again and again; or asks, reads nothing, and stays."""
        port = int(self.url.rpartition(":")[2])
        while time.monotonic() < self.until:
            # What becomes of them is no matter.
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as it:
                it.sendall(RUDE[who % len(RUDE)])
                time.sleep(0.05 if who < len(RUDE) else max(0.0, self.until - time.monotonic()))

    def run(self, seed: int) -> None:
        """All of them until it is time."""
        threads = [threading.Thread(target=self.polite, args=(who + seed * 1_000,)) for who in range(188)]
        threads += [threading.Thread(target=self.rude, args=(who,)) for who in range(2 * len(RUDE))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, self.until - time.monotonic()) + 240)
            assert not thread.is_alive(), "a client hangs"


def at_rest(pid: int, client: Client) -> tuple[int, int, int]:
    """Once nothing is worked on: the position, bytes of anonymous memory, and those that the store's tables take."""
    until = time.monotonic() + 60
    # What rude clients asked for is worked on until it is done, and then nothing is left of it.
    while not re.search(r"^prime_http_jobs 0$", client.get("/metrics").text, re.MULTILINE):
        assert time.monotonic() < until
        time.sleep(0.1)
    stats = client.ask("GET", "/stats")
    told = re.search(r"^RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    resident = int(told[1]) << 10 if told else psutil.Process(pid).memory_info().rss
    return stats["position"], resident, sum(stats["memory_bytes"].values())


def test_two_hundred_clients_at_once(store_path: Path) -> None:
    """Reads and writes mixed, some of the clients rude: no error but "come again", nothing lost, memory flat."""
    seconds = TORTURE or 6
    acknowledged: list[str] = []
    rests = []
    with Process(store_path) as it:
        with Client(it.url) as client:  # so that the largest answers are as large from the first to the last
            created = {"event_type": "prime.node.created", "payload": {"properties": {}}}
            client.ask("POST", "/events", 201, json=[{**created, "entity_id": f"node:s:{at}"} for at in range(10_000)])
        for turn in range(3):
            crowd = Crowd(it.url, seconds / 3)
            crowd.run(turn)
            assert not crowd.wrong, crowd.wrong[:3]
            acknowledged += crowd.acknowledged
            with Client(it.url) as last:
                rests.append(at_rest(it.child.pid, last))
        assert it.stop() == 0
    assert len(acknowledged) > 50
    with primecore.open(store_path, read_only=True) as prime:
        assert rests[-1][0] == prime.position
        assert not [id for id in acknowledged if prime.node(id) is None]
    print(f"position, anonymous bytes, bytes of tables at each rest: {rests}")
    (_, before, tables_before), (_, after, tables_after) = rests[1:]
    # What the allocator keeps for the next crowd it has by now. The tables grow with the events, and nothing else does.
    assert after - before < (tables_after - tables_before) + (48 << 20)
