"""The server process: an address, uvicorn, signals, and an eye on clients that neither send nor read. Knows the app."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from primecore.errors import StorageFailure
from primecore.faces.http.app import App
from primecore.faces.http.protocol import Protocol
from primecore.faces.http.settings import Settings

STOP_SECONDS = 10
# How long a thread may keep the interpreter to itself. The loop answers in far less, and must not wait for its turn
# behind every thread that is making a long answer, for the usual 5 ms each.
TURN_SECONDS = 0.0005


class Server(uvicorn.Server):
    """Stops at SIGINT and SIGTERM once what was asked is answered; a second signal does not wait."""

    def __init__(self, app: App) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Protocol,
                lifespan="on",
                ws="none",
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=app.settings.connections,
                timeout_keep_alive=int(app.settings.stall_seconds),
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        self._app = app

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but a signal that was obeyed is not sent again: stopping when told to is no failure."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {it: signal.signal(it, self.handle_exit) for it in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for it, handler in before.items():
                signal.signal(it, handler)

    async def main_loop(self) -> None:
        """Until it is told to stop. Streams end then, or stopping would wait for them."""
        watch = asyncio.ensure_future(watch_clients(self.server_state.connections, self._app.settings))
        try:
            await super().main_loop()
        finally:
            watch.cancel()
            self._app.feed.stop()


async def watch_clients(connections: set[Any], settings: Settings) -> None:
    """Drops clients that send no request, or take no answer, for `stall_seconds`. Bodies are the application's."""
    period = settings.stall_seconds / 4
    stalled: dict[Any, tuple[int, int]] = {}
    while True:
        await asyncio.sleep(period)
        now = asyncio.get_running_loop().time()
        seen: dict[Any, tuple[int, int]] = {}
        for connection in list(connections):
            transport, began = connection.transport, connection.head_began
            if began is not None and now - began > settings.stall_seconds and not connection.flow.read_paused:
                transport.abort()  # however often it sent a little
                continue
            waiting = transport.get_write_buffer_size()
            if waiting:
                before, times = stalled.get(connection, (waiting, 0))
                seen[connection] = (waiting, times + 1 if waiting >= before else 0)
                if seen[connection][1] > 4:
                    transport.abort()
        stalled = seen


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises StorageFailure."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=1_024)
    except OSError as error:
        raise StorageFailure(
            f"cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}",
            hint="name another with --port; 0 takes any that is free",
        ) from None


def run(app: App, listening: socket.socket, ready: Callable[[], None] = lambda: None) -> None:
    """Serves until a signal comes. `ready` is called before the first request is taken."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN_SECONDS)
    try:
        with listening:
            server = Server(app)
            ready()
            server.run(sockets=[listening])
    finally:
        sys.setswitchinterval(before)
