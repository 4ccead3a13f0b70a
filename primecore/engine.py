"""The engine: opens a log and its views, keeps them in step, closes them. Wiring only: views answer questions."""

from __future__ import annotations

import gc
import hashlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from primecore import _memory, _replay, checkpoint
from primecore._dedupe import Dedupe
from primecore._facts import EventReader
from primecore._follow import Follow
from primecore._pipeline import Pipeline
from primecore.config import Settings
from primecore.errors import InvalidArgument, PrimeError, StoreClosed, StoreForked, StoreNotFound, StorePoisoned
from primecore.keeper import Keeper, attach_history, open_tables
from primecore.log import Log
from primecore.model import CheckpointReport, CompactionReport, Event, ReplayReport
from primecore.projections.runner import Runner, Views
from primecore.segments import SegmentSizes
from primecore.storage import RealStorage, Storage

Progress = Callable[[int], None]
Result = TypeVar("Result")
LOOKS = 20
NEVER = 2**63 - 1
CROWDED_BYTES = 24 << 40  # of address space, of which a process has 128 TiB: about ten open stores

_open_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


class Engine:
    """One open store."""

    def __init__(
        self,
        settings: Settings,
        progress: Progress | None = None,
        storage: Storage | None = None,
        sizes: SegmentSizes | None = None,
    ) -> None:
        on_disk = settings.path is not None and storage is None
        storage = storage or RealStorage()
        if (
            on_disk
            and settings.path is not None
            and (settings.read_only or not settings.create)
            and not settings.path.is_dir()
        ):
            raise StoreNotFound(
                f"there is no store at {settings.path}",
                hint="make one with `prime ingest FILE`, or name another with --data-dir",
            )
        if _memory.reserved_total() > CROWDED_BYTES:
            gc.collect()  # stores that somebody let go of in a cycle
        self.settings = settings
        self._made_on = storage if not on_disk else None, sizes
        self._refusal: PrimeError | None = None
        self._closed = False
        found, reasons = checkpoint.find(storage, str(settings.path)) if settings.path is not None else (None, [])
        self.log = Log.open(
            settings.path,
            storage=storage,
            segment_sizes=sizes,
            fsync=settings.fsync,
            fsync_interval_ms=settings.fsync_interval_ms,
            read_only=settings.read_only,
            create=settings.create,
            trusted_position=found.position if found is not None else 0,
            trusted_time_us=found.last_time_us if found is not None else 0,
        )
        try:
            self._lock = threading.Lock()
            history = attach_history(storage, str(settings.path), self.log)
            # Nothing that an engine holds may hold it: its terabytes of address space go with the last reference.
            torn = weakref.WeakMethod(self._torn)
            last = self.log.wal.last_position
            tables = open_tables(
                self.log, found, reasons, self._lock, lambda: _call(torn), last, progress, settings.exact_vectors
            )
            self.views, self.pipeline, self.opening = tables.views, tables.pipeline, tables.report
            views = self.views
            self.events = EventReader(self.log)
            self.follow = self._following()
            self.runner = Runner(lambda: views.position, self.events.read)
            self.runner.saved = tables.saved
            self.keeper = Keeper(settings, storage, self.log, history, tables, self.runner, self._lock)
            if on_disk and not settings.read_only:
                self.keeper.start()
        except BaseException:
            self.log.close()
            raise
        _open_engines.add(self)

    def _following(self) -> Follow | None:
        if not self.settings.read_only or self.log.live is None:
            return None
        follow = Follow(self.pipeline, self.views.reader, self.log, self._lock, self.log.live, self.log.live_epoch)
        follow.begin()
        return follow

    @property
    def position(self) -> int:
        """The applied position: every view shows the events up to it."""
        if self.follow is not None and self._refusal is None:
            self.views.reader.look()
        return self.views.position

    @property
    def durable_position(self) -> int:
        """Every event up to it survives power loss."""
        return self.log.durable_position

    def check(self) -> None:
        """Where another process owns the store, takes in what that has appended.

        Raises StoreClosed or StoreForked where the store may not be used any more.
        """
        if self._refusal is not None:
            raise self._refusal
        if self.follow is not None:
            self.views.reader.look()

    @contextmanager
    def still(self) -> Iterator[None]:
        """Keeps the tables as they are for a while: nothing is folded."""
        with self._lock:
            self.views.reader.hold(True)
            try:
                yield
            finally:
                self.views.reader.hold(False)

    @property
    def usable(self) -> bool:
        """Whether nothing keeps the store from being used."""
        return self._refusal is None

    def accept(self, epoch: int) -> bool:
        """A follower: go on under another owner, whose epoch this is; False where what was read is not there any more.

        Raises StorageFailure.
        """
        with self._lock:
            return self.follow is not None and self.follow.accept(epoch)

    def again(self) -> Engine:
        """Another one on the same store, read anew."""
        return Engine(self.settings, None, *self._made_on)

    def continues(self, old: Engine) -> bool:
        """Whether everything that `old` had read is in this one's log too. False where that cannot be told."""
        position = old.views.position
        if position > self.views.position or self.log.store_uuid != old.log.store_uuid:
            return False
        if old.follow is not None and self.log.live_epoch == old.follow.epoch:
            return True  # nobody has recovered the log meanwhile
        try:
            # What was promised to hold for good is never cut off.
            return position == 0 or (
                position <= old.log.durable_position and self.events.mark(position) == old.events.mark(position)
            )
        except PrimeError:
            return False

    def succeed(self, old: Engine, same_log: bool) -> None:
        """Takes the place of `old`, which goes on answering reads that have begun."""
        self.runner.adopt(old.runner, same_log)
        old.views.words.stop()
        old.views.vectors.close()
        old.views.reader.succeed(self.views.reader)

    def refuse(self, error: PrimeError) -> None:
        """From now on every use raises `error`."""
        self._refusal = error
        self.views.reader.close(error)

    def _torn(self) -> None:
        self.refuse(
            StorePoisoned("memory ran out while an event was taken in", hint="it is in the log: open the store again")
        )

    def one_look(self, read: Callable[[], Result]) -> Result:
        """What `read` gives, all of it at one position.

        It is read again if something was folded meanwhile, at last with writers held off.
        """
        self.check()
        for _ in range(LOOKS):
            before = self.views.graph.stamp
            result = read()
            if self.views.graph.stamp == before:
                return result
        with self.still():
            return read()

    def untorn_look(self, read: Callable[[], Result | None]) -> Result:
        """What `read` gives. It gives None where a write came in between, and is asked again then.

        At last it is asked with writers held off.
        """
        self.check()
        for _ in range(LOOKS):
            result = read()
            if result is not None:
                return result
        with self.still():
            while (result := read()) is None:
                self.check()
            return result

    def read_events(self, after: int, until: int | None) -> Iterator[Event]:
        """The events behind `after` up to `until`, or up to what is applied when it begins."""
        last = self.position if until is None else min(until, self.position)
        return self._read(after + 1, last)

    def _read(self, first: int, last: int) -> Iterator[Event]:
        for position in range(first, last + 1):
            self.check()
            yield self.events.read(position)

    def wait_durable(self, position: int | None = None, timeout: float | None = None) -> int:
        """Waits until everything up to `position` (default: all that is applied) survives power loss.

        Returns the durable position.
        """
        self.check()
        self.log.wait_durable(self.position if position is None else position, timeout)
        return self.log.durable_position

    def checkpoint(self) -> CheckpointReport:
        """Writes the tables out, so that the next opening maps them back instead of replaying the log."""
        self.check()
        return self.keeper.checkpoint()

    def compact(self, codec: str, gently: bool) -> CompactionReport:
        """Turns closed segments of the log into Parquet."""
        self.check()
        return self.keeper.compact(codec, self.keeper.rest if gently else lambda seconds: False)

    def digest(self) -> tuple[int, str]:
        """(position, hash) of the content of all projections kept at once."""
        self.check()
        with self.still():
            return self.views.position, digest_of(self.views)

    def replay(self, to: int | None, compare: bool, progress: Progress | None) -> ReplayReport:
        """Folds the log anew into fresh views, up to `to` or to the end."""
        self.check()
        last = self.position
        if to is not None and not 0 <= to <= last:
            raise InvalidArgument(f"to: expected a position from 0 to {last}, found {to}")
        live = self.digest() if compare and to is None else None
        until = live[0] if live is not None else last if to is None else to
        views = Views()
        pipeline = Pipeline(views.graph, Dedupe(), self.log, threading.Lock(), lambda: None)
        begun = time.perf_counter()
        _replay.replay(pipeline, until, progress)
        seconds = time.perf_counter() - begun
        digest = digest_of(views)
        views.graph.close()
        return ReplayReport(
            events=until,
            seconds=seconds,
            events_per_second=until / seconds if seconds else 0.0,
            position=until,
            digest=digest,
            live_digest=None if live is None else live[1],
            equal=None if live is None else live[1] == digest,
        )

    def fold(self, until: int, latest_us: int | None) -> Views:
        """Views of the past: of the events up to `until`, and of those only that are not later than a time."""
        self.check()
        views = Views(NEVER)  # nothing is built beside it
        views.words.stop()
        _replay.replay(
            Pipeline(views.graph, Dedupe(), self.log, threading.Lock(), lambda: None), until, None, latest_us
        )
        views.graph.close()  # nothing more is folded, and the parts of an open graph keep it from going with its view
        return views

    def close(self) -> None:
        """Makes everything durable and lets go of it.

        Closing twice is fine; in a forked child it leaves the parent's store alone.
        """
        if self._closed or isinstance(self._refusal, StoreForked):
            return
        self._closed = True
        self.runner.stop()
        self.views.words.stop()
        self.keeper.close()
        self.views.vectors.close()
        with self._lock:
            self.refuse(StoreClosed("the store is closed", hint="open it again"))
            self.views.graph.close()
            self.log.close()
        _open_engines.discard(self)


def _call(method: weakref.WeakMethod[Callable[[], None]]) -> None:
    call = method()
    if call is not None:
        call()


def digest_of(views: Views) -> str:
    """One hash over position and all projections kept at once."""
    whole = hashlib.blake2b(views.position.to_bytes(8, "big"), digest_size=16)
    for view in views.all():
        whole.update(view.name.encode() + b"\0" + view.version.to_bytes(4, "big") + view.digest())
    return whole.hexdigest()


def _refuse_after_fork() -> None:
    # The child has the parent's tables and mappings but neither its threads nor its lock.
    for engine in list(_open_engines):
        engine.log.disown()
        engine.refuse(
            StoreForked(
                "this store belongs to the parent process",
                hint="open it in the child with primecore.open(path, read_only=True)",
            )
        )


os.register_at_fork(after_in_child=_refuse_after_fork)
