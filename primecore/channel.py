"""Connections to the process that owns a store, for those that hand it their writes. Knows frames; not what is asked.

Any number of threads may ask: each takes a connection that is idle, or makes one.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

from primecore import address, frames
from primecore.errors import StoreClosed

HELLO_SECONDS = 3.0  # what an owner that is alive takes to greet
ANSWER_SECONDS = 2.0  # after so long without an answer, ask whether the owner is alive
SEND_SECONDS = 5.0
IDLE_CONNECTIONS = 8


class Gone(Exception):
    """There is no owner, or no longer. `sent`: the request may have reached it, and may have been done."""

    def __init__(self, sent: bool) -> None:
        super().__init__("the owner is gone")
        self.sent = sent


class Silent(Exception):
    """There is an owner, and it does not answer: stopped, or hung. `sent` as in Gone."""

    def __init__(self, sent: bool) -> None:
        super().__init__("the owner does not answer")
        self.sent = sent


class Channel:
    """Ways to the owner of the store in `directory`. `position` is the last that the owner told of."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._idle: list[socket.socket] = []
        self.position = 0

    def ask(self, request: list[Any]) -> Any:
        """The result of a request. Raises Gone, Silent, what the owner raised, and LimitExceeded."""
        frame = frames.pack(request)
        connection = self._take()
        try:
            answer = self._exchange(connection, frame)
        except BaseException:
            connection.close()
            raise
        self._give_back(connection)
        self._note(answer)
        if "error" in answer:
            error = frames.error_in(answer["error"])
            if isinstance(error, StoreClosed):
                raise Gone(sent=True)  # it is closing: perhaps it was done, perhaps not
            raise error
        return answer["result"]

    def close(self) -> None:
        """Hangs up."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _exchange(self, connection: socket.socket, frame: bytes) -> dict[str, Any]:
        try:
            connection.settimeout(SEND_SECONDS)
            connection.sendall(frame)
        except TimeoutError:
            raise Silent(sent=False) from None  # a request that is not whole is not done
        except OSError:
            raise Gone(sent=False) from None
        while True:
            try:
                connection.settimeout(ANSWER_SECONDS)
                if not connection.recv(1, socket.MSG_PEEK):
                    raise Gone(sent=True)
            except TimeoutError:
                self._probe()
                continue
            except OSError:
                raise Gone(sent=True) from None
            try:
                answer = frames.receive(connection, begin_s=HELLO_SECONDS, go_on_s=HELLO_SECONDS)
            except TimeoutError:
                raise Silent(sent=True) from None
            except (frames.Closed, frames.BadFrame, OSError):
                raise Gone(sent=True) from None
            if not isinstance(answer, dict):
                raise Gone(sent=True)
            return answer

    def _probe(self) -> None:
        # An owner that greets is alive, and at work on what was asked; else the connection tells.
        try:
            self._connect().close()
        except Silent:
            raise Silent(sent=True) from None
        except Gone:
            raise Gone(sent=True) from None

    def _take(self) -> socket.socket:
        while True:
            with self._lock:
                if not self._idle:
                    break
                connection = self._idle.pop()
            if _is_alive(connection):
                return connection
            connection.close()
        return self._connect()

    def _give_back(self, connection: socket.socket) -> None:
        with self._lock:
            if len(self._idle) < IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(HELLO_SECONDS)
            with contextlib.closing(address.Address(self._directory)) as where:
                connection.connect(where.path)
            connection.sendall(frames.pack({"prime": frames.PROTOCOL}))
            hello = frames.receive(connection, frames.HELLO_BYTES, begin_s=HELLO_SECONDS, go_on_s=HELLO_SECONDS)
            if not isinstance(hello, dict):
                raise Gone(sent=False)
            if "error" in hello:
                raise frames.error_in(hello["error"])
            self._note(hello)
        except (TimeoutError, BlockingIOError):
            connection.close()
            raise Silent(sent=False) from None
        except (frames.Closed, frames.BadFrame, OSError):
            connection.close()
            raise Gone(sent=False) from None
        except BaseException:
            connection.close()
            raise
        return connection

    def _note(self, answer: dict[str, Any]) -> None:
        position = answer.get("position")
        if isinstance(position, int):
            self.position = max(self.position, position)


def _is_alive(connection: socket.socket) -> bool:
    # Nobody speaks without being asked: what can be read here is the end.
    try:
        connection.settimeout(0)
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
