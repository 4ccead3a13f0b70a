"""The owner's side of writer.sock: it listens, and does for other processes what they ask. Knows frames and one store.

A thread of its own listens, each connection has another; none keeps the process alive. What a peer does, or leaves
undone, can end its own connection only.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from primecore import _lines, address, codec
from primecore._jsontree import check_json
from primecore._lines import Source
from primecore._pipeline import Pipeline
from primecore.errors import InvalidArgument, PrimeError, StoreClosed
from primecore.model import Receipt

if TYPE_CHECKING:
    import socket

CALLS = ("flush", "embed", "reembed", "remember", "reject", "checkpoint", "compact")
"""Methods of `primecore.Prime` that other processes may have called here: maintenance, and writes that first look at
what is there. Arguments and results are plain values, paths (made absolute by the sender where they are PathLike), what
model.py defines, and JSON objects as text in bytes."""
CONNECTIONS = 128
PATIENCE_SECONDS = 10.0  # for each next bytes of a frame that has begun, either way
LOOK_SECONDS = 2.0  # between two looks whether the socket is still there
CLOSING_SECONDS = 2.0  # for what is being done when the owner closes


class Store(Protocol):
    """What is asked of the store: as in writes.py."""

    def _write(
        self, prepared: codec.Prepared, expected_version: int | None, durable: bool, strict: bool
    ) -> Receipt: ...
    def _write_typed(
        self, prepared: codec.Prepared, expected_version: int | None, durable: bool, strict: bool
    ) -> Receipt: ...
    def _write_many(
        self, prepared: Sequence[codec.Prepared], expected_versions: Sequence[int | None], durable: bool
    ) -> list[Receipt]: ...
    def _write_path(self) -> Pipeline: ...
    @property
    def position(self) -> int: ...


def do(store: Store, request: Any) -> Any:
    """What one request asks, as plain values. Raises PrimeError, TypeError and the like."""
    from primecore import frames

    if not isinstance(request, list) or not request or not isinstance(request[0], str):
        raise InvalidArgument("request: expected a list that begins with a word")
    what, *arguments = request
    if what in ("append", "typed") and len(arguments) == 4:
        prepared, expected, durable, strict = arguments
        write = store._write if what == "append" else store._write_typed
        receipt = write(frames.prepared_in(prepared), _count(expected), bool(durable), bool(strict))
        return list(receipt)
    if what == "append_many" and len(arguments) == 3 and all(isinstance(part, list) for part in arguments[:2]):
        events, expected_versions, durable = arguments
        if len(events) != len(expected_versions):
            raise InvalidArgument("request: expected as many versions as events")
        batch = [frames.prepared_in(event) for event in events]
        return [list(one) for one in store._write_many(batch, list(map(_count, expected_versions)), bool(durable))]
    if what == "lines" and len(arguments) == 5:
        return _take_lines(store, *arguments)
    if what == "call" and len(arguments) == 2 and isinstance(arguments[1], dict):
        if arguments[0] not in CALLS:
            raise InvalidArgument(f"request: the owner cannot be asked for {arguments[0]!r}")
        named = {name: _object_in(value, name) for name, value in arguments[1].items()}
        return frames.result_out(getattr(store, arguments[0])(**named))
    raise InvalidArgument(f"request: {what!r} with {len(arguments)} arguments is not known here")


def _object_in(value: Any, name: str) -> Any:
    # JSON keeps numbers that msgpack has no room for.
    if not isinstance(value, bytes):
        return value
    if value[:1] != b"{":
        raise InvalidArgument(f"{name}: expected a JSON object")
    check_json(value)
    return codec.loads(value)


def _count(value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise InvalidArgument(f"expected_version: expected an integer from 0 up, found {value!r}")
    return value


def _take_lines(store: Store, data: Any, name: Any, identity: Any, line: Any, own_after: Any) -> dict[str, Any]:
    """Lines of a file that another process reads. What stops them is part of the answer, with what came before."""
    from primecore import frames

    texts = isinstance(data, bytes) and isinstance(name, bytes) and isinstance(identity, bytes)
    if not texts or not _is_u32(line) or not (own_after is None or _is_u32(own_after)):
        raise InvalidArgument("request: expected bytes, a name, an identity, a line and a position")
    source = Source(text_in(name), text_in(identity), line=line, own_after=own_after)
    raised: BaseException | None = None
    end = 0
    try:
        end = _lines.ingest(store._write_path(), data, 0, source)
    except StoreClosed:
        raise  # the next owner is asked, and knows what was taken in here by its ids
    except (PrimeError, MemoryError) as error:
        raised = error
    return {
        "end": end,
        "read": source.read,
        "line": source.line,
        "appended": source.appended,
        "duplicates": source.duplicates,
        "refused": None if source.error is None else frames.error_out(source.error),
        "bad": [source.bad_start, source.bad_end],
        "raised": None if raised is None else frames.error_out(raised),
    }


def _is_u32(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 32


def text_in(data: bytes) -> str:
    """Text that may hold bytes of a file name that are no UTF-8."""
    return data.decode("utf-8", "surrogateescape")


def text_out(text: str) -> bytes:
    """The other way."""
    return text.encode("utf-8", "surrogateescape")


_listeners: weakref.WeakSet[Listener] = weakref.WeakSet()


class Listener:
    """Listens at the store's socket until `stop()`, or until `store` is gone."""

    def __init__(self, directory: str, store: Store) -> None:
        self._directory = directory
        self._store: Callable[[], Store | None] = weakref.ref(store)
        self._lock = threading.Lock()
        self._stopped = False
        self._wait = threading.Event()
        self._socket: socket.socket | None = None
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._finalizer = weakref.finalize(store, self.stop)
        _listeners.add(self)
        # The thread also imports what listening takes: opening a store does not wait for it.
        threading.Thread(target=self._listen, name="prime-owner", daemon=True).start()

    def stop(self) -> None:
        """No more requests; those that are being answered have a moment. While the store is still locked."""
        self._finalizer.detach()
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            self._wait.set()
            connections = dict(self._connections)
            if self._socket is not None:
                _wake(self._socket)
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(self._directory, address.NAME))
        for connection in connections:
            _hang_up(connection)
        until_s = time.monotonic() + CLOSING_SECONDS
        for thread in connections.values():
            if thread is not threading.current_thread():
                thread.join(max(0.0, until_s - time.monotonic()))

    def forget(self) -> None:
        """In a forked child: the parent's connections are not ours. Closes our copies, tells nobody."""
        self._finalizer.detach()
        self._stopped = True
        self._lock = threading.Lock()  # another thread may have held it
        for held in (self._socket, *list(self._connections)):
            if held is not None:
                with contextlib.suppress(OSError):
                    held.close()

    def _listen(self) -> None:
        while not self._stopped:
            try:
                listening = self._bind()
            except OSError:  # until it works, others hear that this owner takes no writes
                self._wait.wait(LOOK_SECONDS)
                continue
            with listening:
                self._accept(listening)

    def _accept(self, listening: socket.socket) -> None:
        """Until the end, or until the socket's name is gone: who tidies up a folder may take it for a leftover."""
        import select

        # Not accept() with a timeout: CPython asks again and again, until it is over, whether a socket that was shut
        # down has somebody after all.
        waiting = select.poll()
        waiting.register(listening, select.POLLIN)
        while not self._stopped:
            if not waiting.poll(LOOK_SECONDS * 1000):
                if not os.path.lexists(os.path.join(self._directory, address.NAME)):
                    return
                continue
            try:
                connection, _ = listening.accept()
                connection.setblocking(True)  # some systems hand the listener's mode down
            except BlockingIOError:
                continue
            except OSError:
                self._wait.wait(0.1)  # out of descriptors, perhaps
                continue
            from primecore import frames  # when the first one asks

            self._begin(connection, frames)

    def _bind(self) -> socket.socket:
        import socket

        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        where: address.Address | None = None
        try:
            where = address.Address(self._directory, address.FRESH)
            with self._lock:
                if self._stopped:
                    raise OSError("stopped")
                path = os.path.join(self._directory, address.FRESH)
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)  # of an owner that was killed: this process has the lock
                with contextlib.suppress(OSError):
                    os.fchmod(listening.fileno(), 0o600)  # Linux gives the file this mode from the start
                listening.bind(where.path)
                os.chmod(path, 0o600)
                listening.listen(CONNECTIONS)
                listening.setblocking(False)
                os.replace(path, os.path.join(self._directory, address.NAME))  # whoever finds it is heard
                self._socket = listening
        except BaseException:
            listening.close()
            raise
        finally:
            if where is not None:
                where.close()
        return listening

    def _begin(self, connection: socket.socket, frames: Any) -> None:
        with self._lock:
            if self._stopped or len(self._connections) >= CONNECTIONS or not _is_ours(connection):
                connection.close()
                return
            thread = threading.Thread(
                target=self._serve, args=(connection, frames), name="prime-owner-connection", daemon=True
            )
            self._connections[connection] = thread
            try:
                thread.start()
            except RuntimeError:  # no more threads
                del self._connections[connection]
                connection.close()

    def _serve(self, connection: socket.socket, frames: Any) -> None:
        try:
            if self._greet(connection, frames):
                while self._answer(connection, frames):
                    pass
        except (frames.Closed, frames.BadFrame, OSError):
            pass  # a peer that goes, stalls or talks nonsense ends its own connection
        finally:
            with self._lock:
                self._connections.pop(connection, None)
            connection.close()

    def _greet(self, connection: socket.socket, frames: Any) -> bool:
        hello = frames.receive(connection, frames.HELLO_BYTES, begin_s=PATIENCE_SECONDS, go_on_s=PATIENCE_SECONDS)
        store = self._store()
        if store is None or not isinstance(hello, dict):
            return False
        if hello.get("prime") != frames.PROTOCOL:
            other = InvalidArgument(
                f"the owner speaks version {frames.PROTOCOL} of the protocol, not {hello.get('prime')!r}",
                hint="use the same version of Prime in both processes",
            )
            connection.sendall(frames.pack({"error": frames.error_out(other)}))
            return False
        connection.sendall(frames.pack({"prime": frames.PROTOCOL, "pid": os.getpid(), "position": store.position}))
        return True

    def _answer(self, connection: socket.socket, frames: Any) -> bool:
        request = frames.receive(connection, begin_s=None, go_on_s=PATIENCE_SECONDS)
        store = self._store()
        answer: dict[str, Any]
        try:
            if store is None:
                raise StoreClosed("the store was closed")
            answer = {"result": do(store, request), "position": store.position}
        except Exception as error:
            answer = {"error": frames.error_out(error), "position": 0}
        del store
        connection.sendall(frames.pack(answer))
        return not self._stopped


def _is_ours(connection: socket.socket) -> bool:
    # The directory lets nobody else in; this holds where somebody changed that.
    import socket
    import struct

    if not hasattr(socket, "SO_PEERCRED"):
        return True
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return user in (0, os.geteuid())


def _wake(listening: socket.socket) -> None:
    import socket

    try:
        listening.shutdown(socket.SHUT_RDWR)
    except OSError:
        listening.close()


def _hang_up(connection: socket.socket) -> None:
    # Only the way in: an answer that is being made still goes out.
    import socket

    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RD)


def _forget_after_fork() -> None:
    for listener in list(_listeners):
        listener.forget()


os.register_at_fork(after_in_child=_forget_after_fork)
