"""Servers for tests: one in a thread over a store at hand, one in a process of its own as `prime serve` makes it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

import primecore
from primecore.faces.http.app import App
from primecore.faces.http.server import Server, listen
from primecore.faces.http.settings import Settings

API = "/api/v1/prime"


class Client(httpx.Client):
    """Asks a server; paths are below the API."""

    def __init__(self, url: str, **headers: str) -> None:
        super().__init__(base_url=url, headers=headers, timeout=60)

    def ask(self, method: str, path: str, status: int = 200, **how: Any) -> Any:
        """The answer's JSON, if it has the expected status."""
        answer = self.request(method, API + path, **how)
        assert answer.status_code == status, (answer.status_code, answer.text)
        return answer.json()

    def refused(self, method: str, path: str, **how: Any) -> tuple[int, str]:
        """Status and code of an error, whose shape is checked."""
        answer = self.request(method, API + path if path.startswith("/") else f"/{path[1:]}", **how)
        error = answer.json()["error"]
        assert {"code", "message", "hint"} <= set(error) <= {"code", "message", "hint", "details"}, error
        assert answer.headers["content-type"] == "application/json"
        return answer.status_code, error["code"]


def segment(id: str) -> str:
    """An id as one segment of a path."""
    return quote(id, safe="")


class Served(NamedTuple):
    """A server in a thread."""

    prime: primecore.Prime
    app: App
    url: str
    client: Client
    server: Server


@contextmanager
def serving(prime: primecore.Prime, settings: Settings | None = None, **app: Any) -> Iterator[Served]:
    """Serves a store that the test holds too."""
    application = App(prime, settings, **app)
    listening = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = Server(application)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        until = time.monotonic() + 30
        while not server.started and time.monotonic() < until:
            time.sleep(0.005)
        with Client(url) as client:
            yield Served(prime, application, url, client, server)
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()
        assert not thread.is_alive()


class Process:
    """`prime serve` in a process of its own."""

    def __init__(self, store: Path, *arguments: str, **environment: str) -> None:
        self.child = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "primecore.cli",
                "--json",
                "--data-dir",
                str(store),
                "serve",
                "--port",
                "0",
                *arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        assert line, self.child.communicate()[1]
        self.ready: dict[str, Any] = json.loads(line)
        self.url: str = self.ready["url"]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """The exit code."""
        self.child.send_signal(how)
        self.child.communicate(timeout=60)
        return self.child.returncode

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self.child.poll() is None:
            self.child.kill()
        self.child.communicate()
