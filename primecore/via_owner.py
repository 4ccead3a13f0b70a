"""A store that another process may own: reads follow its log, writes are handed to it; when it goes, one takes over.

Knows the service on either side of the socket: what an owner does with a request is done here when this process owns.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import wraps
from types import TracebackType
from typing import Any, Self

from primecore import codec, frames, owner
from primecore._facts import event_id_text
from primecore._lines import Source
from primecore.channel import Channel, Gone, Silent
from primecore.config import Settings
from primecore.engine import Engine
from primecore.errors import (
    DataError,
    EnvironmentFailure,
    InvalidArgument,
    OutcomeUnknown,
    StoreClosed,
    StoreForked,
    StoreLocked,
    StoreNotFound,
)
from primecore.follower import Follower
from primecore.ingest import Settle, Take
from primecore.model import Receipt
from primecore.owner import Listener
from primecore.projections.vectors import float32
from primecore.service import Prime
from primecore.writes import check_count

PATIENCE_SECONDS = 8.0  # for an owner that starts or stops, and for a read to show what was written
PAUSE_SECONDS = 0.01
Request = Callable[[int | None], list[Any]]
"""Makes a request. It is given the last position that the owner told of before an earlier try, None the first time."""


class ViaOwner(Prime):
    """An open store, as Prime: it belongs to this process, or to another one that does the writing for it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._directory = str(settings.path)
        self._pid = os.getpid()
        self._changing = threading.RLock()
        self._closed = False
        self._owns = False
        self._follower = None
        self._listener = None
        self._channel = Channel(self._directory)
        try:
            self._become_owner()
        except StoreLocked:
            pass  # the usual case; a reader is opened when something is read

    # What belongs to an engine is there when it is first looked at: whoever only writes reads no log.

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_engine" in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self._open_reader()
        return getattr(self, name)

    def _open_reader(self) -> None:
        until_s = time.monotonic() + PATIENCE_SECONDS
        with self._changing:
            while "_engine" not in self.__dict__:
                self._check()
                try:
                    engine = Engine(self._settings._replace(read_only=True))
                except StoreNotFound:
                    if time.monotonic() > until_s:
                        raise
                    time.sleep(PAUSE_SECONDS)  # its first owner is about to make it
                    continue
                self._use(engine)
                self._follower = Follower(engine, self._read_anew)

    def _become_owner(self) -> None:
        """Takes the lock. Raises StoreLocked and what opening raises."""
        with self._changing:
            self._check()
            if self._owns:
                return
            engine = Engine(self._settings)
            if self._follower is not None:
                self._follower.stop()
            old = self.__dict__.get("_engine")
            if old is None:
                self._use(engine)
            else:
                live = engine.log.live
                self._replace(engine, old, live is not None and old.accept(live.epoch))
            self._follower = None
            self._listener = Listener(self._directory, self)
            self._owns = True
        self._channel.close()

    def _check(self) -> None:
        if os.getpid() != self._pid:
            raise StoreForked(
                "this store belongs to the parent process", hint="open it in the child with primecore.open(path, ...)"
            )
        if self._closed:
            raise StoreClosed("the store is closed", hint="open it again")

    # Life.

    def __enter__(self) -> Self:
        self._check()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets the store go; if it is this process's, makes everything durable first."""
        if os.getpid() != self._pid:
            return
        with self._changing:
            self._closed = True
            self._channel.close()
            if "_engine" in self.__dict__:
                super().close()

    @property
    def path(self) -> str:
        """The store's directory."""
        return self._directory

    @property
    def owner(self) -> str:
        """The process that does the writing, in words; "" where it is this one."""
        return "" if self._owns else self._owner_in_words()

    @property
    def recovery(self) -> Any:
        """What opening found to mend, or None; while another process owns the store it is that one's affair."""
        return super().recovery if self._owns else None

    # Writes.

    def _forward(self, make: Request, event_ids: Sequence[bytes]) -> tuple[Any, int | None]:
        """What the owner answers, whoever that is in the end, and what the request was made with.

        The same event ids go out each time, so that nothing is done twice. Raises OutcomeUnknown where a request went
        out and no answer came, StoreLocked where none went out, and what the owner raises.
        """
        sent_behind: int | None = None
        until_s = time.monotonic() + PATIENCE_SECONDS
        while True:
            self._check()
            if self._owns:
                return owner.do(self, make(sent_behind)), sent_behind
            before = self._channel.position
            try:
                return self._channel.ask(make(sent_behind)), sent_behind
            except OutcomeUnknown as error:
                error.event_ids = error.event_ids or tuple(map(event_id_text, event_ids))
                raise
            except Silent as silent:
                raise self._no_answer(silent.sent or sent_behind is not None, event_ids) from None
            except Gone as gone:
                if gone.sent and sent_behind is None:
                    sent_behind = before
            try:
                self._become_owner()
            except StoreLocked:
                if time.monotonic() > until_s:
                    raise self._no_answer(sent_behind is not None, event_ids) from None
                time.sleep(PAUSE_SECONDS)
            except (DataError, EnvironmentFailure) as error:
                if sent_behind is None or isinstance(error, StoreClosed | StoreForked):
                    raise
                why = f"its owner went without an answer, and then: {error.message}"
                raise self._unknown(why, event_ids) from error

    def _no_answer(self, sent: bool, event_ids: Sequence[bytes]) -> OutcomeUnknown | StoreLocked:
        who = self._owner_in_words()
        if not sent:
            return StoreLocked(
                f"{self._directory} is in use by {who}, which takes no writes from others now",
                hint="see whether that process is stopped or hung, and end it or let it go on; read_only=True works",
            )
        return self._unknown(f"{who}, which owns it, did not answer", event_ids)

    def _unknown(self, why: str, event_ids: Sequence[bytes]) -> OutcomeUnknown:
        ids = tuple(map(event_id_text, event_ids))
        again = f"with event_id {ids[0]}" if len(ids) == 1 else "with the ids in event_ids"
        return OutcomeUnknown(
            f"whether {self._directory} has the events is not known: {why}",
            hint=f"the same write {again} is safe to repeat" if ids else "ingesting the same source again is safe",
            event_ids=ids,
        )

    def _owner_in_words(self) -> str:
        from primecore import lock
        from primecore.storage import RealStorage

        return lock.owner(RealStorage(), self._directory)

    def _show(self, position: int) -> None:
        """Returns when this process's reads show `position`. Raises OutcomeUnknown if they never do."""
        if self._owns or "_engine" not in self.__dict__:
            return  # a reader that is opened later reads all there is
        until_s = time.monotonic() + PATIENCE_SECONDS
        while self.position < position:
            if time.monotonic() > until_s:
                raise OutcomeUnknown(
                    f"position {position} was acknowledged, but the log of {self._directory} cannot be read that far",
                    hint="look with `prime doctor`",
                )
            time.sleep(PAUSE_SECONDS / 10)

    def _write(self, prepared: codec.Prepared, expected_version: int | None, durable: bool, strict: bool) -> Receipt:
        if self._owns:
            return super()._write(prepared, expected_version, durable, strict)
        return self._send("append", prepared, expected_version, durable, strict)

    def _write_typed(
        self, prepared: codec.Prepared, expected_version: int | None, durable: bool, strict: bool
    ) -> Receipt:
        # Whether a vector follows a node's text is the owner's to know, and to embed.
        if self._owns:
            return super()._write_typed(prepared, expected_version, durable, strict)
        return self._send("typed", prepared, expected_version, durable, strict)

    def _send(
        self, word: str, prepared: codec.Prepared, expected_version: int | None, durable: bool, strict: bool
    ) -> Receipt:
        if expected_version is not None:
            check_count(expected_version, "expected_version")
        event_id = prepared[4] or new_id()
        request = [(*prepared[:4], event_id, prepared[5]), expected_version, durable or self._syncs, strict]
        answer, sent_behind = self._forward(lambda _: [word, *request], [event_id])
        receipt = _receipt(answer, prepared[4] is not None, sent_behind)
        self._show(receipt.position)
        return receipt

    def _write_many(
        self, prepared: Sequence[codec.Prepared], expected_versions: Sequence[int | None], durable: bool
    ) -> list[Receipt]:
        if self._owns or not prepared:
            return super()._write_many(prepared, expected_versions, durable)
        event_ids = [one[4] or new_id() for one in prepared]
        events = [(*one[:4], event_id, one[5]) for one, event_id in zip(prepared, event_ids, strict=True)]
        request = [events, list(expected_versions), durable or self._syncs]
        answers, sent_behind = self._forward(lambda _: ["append_many", *request], event_ids)
        receipts = [
            _receipt(answer, one[4] is not None, sent_behind) for answer, one in zip(answers, prepared, strict=True)
        ]
        self._show(max(receipt.position for receipt in receipts))
        return receipts

    @property
    def _syncs(self) -> bool:
        return self._settings.fsync == "always"

    def _taking(self) -> tuple[Take, Settle]:
        self._check()
        if self._owns:
            return super()._taking()
        run = uuid.uuid4().bytes  # what gives the lines of a nameless stream ids of their own

        def take(chunk: memoryview, offset: int, lines: Source) -> int:
            data, name = bytes(chunk[offset:]), owner.text_out(lines.name)
            identity = lines.identity if lines.derives_ids else run
            answer, _ = self._forward(lambda behind: ["lines", data, name, identity, lines.line, behind], ())
            lines.advance(answer["read"], answer["line"], answer["appended"], answer["duplicates"])
            if answer["raised"] is not None:
                raise frames.error_in(answer["raised"])
            lines.error = None if answer["refused"] is None else frames.error_in(answer["refused"])  # type: ignore[assignment]  # a PrimeError
            lines.bad_start, lines.bad_end = (offset + at for at in answer["bad"])
            return int(offset + answer["end"])

        def settle() -> int:
            self.flush()
            position = self.position if self._owns else self._channel.position
            self._show(position)
            return position

        return take, settle


def _receipt(answer: Sequence[Any], given: bool, sent_behind: int | None) -> Receipt:
    """`given`: the caller chose the event id; `sent_behind`: where the log was before an earlier try, if there was."""
    position, version, event_id, duplicate = answer
    # What an earlier try of ours appended is no duplicate.
    own = not given or (sent_behind is not None and position > sent_behind)
    return Receipt(position, version, event_id, duplicate and not own)


def new_id() -> bytes:
    """UUIDv7 (RFC 9562), as the log would assign one."""
    milliseconds = time.time_ns() // 1_000_000
    noise = int.from_bytes(os.urandom(10), "big")
    high, low = noise >> 62 & 0xFFF, noise & (1 << 62) - 1
    return (milliseconds << 80 | 7 << 76 | high << 64 | 2 << 62 | low).to_bytes(16, "big")


_ONCE = ("embed", "remember", "reject")  # they take an `event_id`, and `durable`
_WHOLE = (str, bytes, bytearray, list, tuple)


def _forwarded(name: str) -> Callable[..., Any]:
    method = getattr(Prime, name)

    @wraps(method)
    def call(self: ViaOwner, *arguments: Any, **named: Any) -> Any:
        self._check()
        if self._owns:
            return method(self, *arguments, **named)
        for parameter, value in zip(_parameters(method), arguments, strict=False):
            named[parameter] = value
        named.pop("progress", None)  # it stays here: it cannot be called from another process
        given = named.get("event_id") is not None
        event_ids = []
        if name in _ONCE:
            if not given:
                named["event_id"] = event_id_text(new_id())  # so that asking again does it once
            event_ids.append(codec.encode_event_id(named["event_id"]))
            named["durable"] = named.get("durable", False) or self._syncs
        sendable = {key: _sendable(key, value) for key, value in named.items()}
        answer, _ = self._forward(lambda _: ["call", name, sendable], event_ids)
        result = frames.result_in(answer)
        if not self._owns:
            self._show(self._channel.position)
        # What an earlier try of ours appended is no duplicate.
        return result._replace(duplicate=False) if isinstance(result, Receipt) and not given else result

    return call


def _sendable(name: str, value: Any) -> Any:
    # A path means the same in the owner's folder only when it is whole.
    if isinstance(value, os.PathLike):
        return os.path.abspath(os.fspath(value))
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    if callable(value):
        raise InvalidArgument(
            "another process owns the store, and a callable cannot be handed to it",
            hint='name it ("package.module:name"), or do this where the store is open',
        )
    if name == "vector" and value is not None:
        return float32(value).tolist()  # integers of any size, arrays and their like
    if isinstance(value, str):
        codec.encode_text(value, name)
    if isinstance(value, Mapping):
        return codec.encode_json(value, name)  # numbers of any size, as they stand
    return list(value) if isinstance(value, Iterable) and not isinstance(value, _WHOLE) else value


def _parameters(method: Any) -> list[str]:
    code = method.__code__
    return list(code.co_varnames[1 : code.co_argcount])


for _name in owner.CALLS:
    setattr(ViaOwner, _name, _forwarded(_name))
