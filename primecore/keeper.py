"""Opening tables from a checkpoint and the rest of the log, and writing checkpoints: when asked, at close, meanwhile.

Wiring, as the engine: it knows logs, views and checkpoints, and answers no question.

Three ways lead to a checkpoint. `prime.checkpoint()` and closing fork a process that writes the tables out as they
are (`storage.write_aside`), while writers wait for as long as that takes to begin. In the
background a helper process (checkpointer.py) opens the store as a reader does, from the last checkpoint and what the
log holds for good behind it, and writes out its own tables: the writer's are never copied while they change, and
never stand still.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from primecore import _replay, checkpoint, compaction, parquet
from primecore._dedupe import Dedupe
from primecore._facts import EventReader
from primecore._pipeline import Pipeline
from primecore.config import EXACT_VECTORS, Settings
from primecore.errors import InvalidArgument, PrimeError
from primecore.log import Log
from primecore.manifest import HistoryFile
from primecore.model import CheckpointReport, CompactionReport, OpeningReport
from primecore.projections.runner import Runner, Views
from primecore.storage import Storage

if TYPE_CHECKING:
    from subprocess import Popen

# A checkpoint is due once the log has so many times the setting's events behind the last one, or this part of all.
CLOSE_PART = 16
MEANWHILE_TIMES = 10
MEANWHILE_PART = 4
LOOK_SECONDS = 1.0
COMPACT_LOG_BYTES = 64 << 20  # of closed segments that are worth a history file by themselves


class Tables(NamedTuple):
    """Views with their write path, brought up to a position of the log."""

    views: Views
    pipeline: Pipeline
    saved: checkpoint.Saved
    report: OpeningReport


def warn(line: str) -> None:
    """Say something that nobody asked for."""
    import logging

    logging.getLogger("primecore").warning(line)


def open_tables(
    log: Log,
    found: checkpoint.Candidate | None,
    reasons: list[str],
    lock: Any,
    torn: Callable[[], None],
    until: int,
    progress: Callable[[int], None] | None = None,
    exact_vectors: int = EXACT_VECTORS,
) -> Tables:
    """The tables at position `until`: from the checkpoint if it holds, and from the log behind it. Raises
    CorruptLog."""
    begun = time.perf_counter()
    views: Views | None = None
    saved: checkpoint.Saved = {}
    if found is not None:
        try:
            views, dedupe, saved = checkpoint.restore(found, until, EventReader(log).mark, exact_vectors)
        except (checkpoint.Refused, MemoryError) as error:
            reasons = [*reasons, f"{found.path}: {error}"]
        except OSError as error:
            reasons = [*reasons, f"{found.path}: {error.strerror or error}"]
    if views is None:
        views, dedupe = Views(exact_vectors), Dedupe()
    start = views.position
    pipeline = Pipeline(views.graph, dedupe, log, lock, torn)
    _replay.replay(pipeline, until, progress)
    note = checkpoint.describe(reasons)
    if note:
        warn(note)
    return Tables(views, pipeline, saved, OpeningReport(until, start, until - start, time.perf_counter() - begun, note))


def attach_history(storage: Storage, directory: str, log: Log) -> parquet.History:
    """Let a log read what became history."""
    log_of = weakref.ref(log)

    def known() -> tuple[HistoryFile, ...]:
        log = log_of()
        return log.known.history if log is not None else ()

    history = parquet.History(storage, directory, known)
    log.history = history
    return history


class Keeper:
    """Writes the checkpoints of one open store."""

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        log: Log,
        history: parquet.History,
        tables: Tables,
        runner: Runner,
        lock: threading.Lock,
    ) -> None:
        self.settings = settings
        self.storage = storage
        self.position = tables.report.checkpoint_position  # of the latest checkpoint that holds
        self.history = history
        self._log = log
        self._tables = tables
        self._runner = runner
        self._lock = lock
        self._one_at_a_time = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._helper: Popen[bytes] | None = None
        self._warned = False

    # --- when asked

    def checkpoint(self) -> CheckpointReport:
        """Write one now. Raises InvalidArgument, and what writing and syncing raise."""
        if self.settings.path is None:
            raise InvalidArgument("a store in memory has no checkpoints", hint="open it in a directory")
        if self.settings.read_only:
            raise InvalidArgument("the store was opened read-only", hint="open it without read_only=True")
        if not self._tables.views.position:
            raise InvalidArgument("the store holds no event yet", hint="append one first")
        begun = time.perf_counter()
        try:
            with self._one_at_a_time:
                saved = self._runner.save()
                written = checkpoint.write(
                    self.storage,
                    str(self.settings.path),
                    lambda: checkpoint.draft(self._tables.views, self._tables.pipeline.dedupe, saved),
                    lambda: facts(self._log, self._tables.views),
                    self._wait_durable,
                    self._lock,
                    owner=True,
                )
                self.position = written.position
        except OSError as error:
            raise self._log.failure(error) from error
        return CheckpointReport(
            written.position,
            written.path,
            written.nbytes,
            time.perf_counter() - begun,
            written.copying_seconds * 1000,
        )

    def _wait_durable(self, position: int) -> None:
        self._log.wait_durable(position)

    def compact(self, codec: str, pause: Callable[[float], bool] = lambda seconds: False) -> CompactionReport:
        """Turn sealed segments into history files. Raises InvalidArgument, CorruptLog, and what writing raises."""
        if self.settings.path is None or self.settings.read_only:
            raise InvalidArgument("only the owner of a store on disk compacts it", hint="open it to write")
        if codec not in parquet.CODECS:
            raise InvalidArgument(f"codec: expected one of {', '.join(parquet.CODECS)}, found {codec!r}")
        begun = time.perf_counter()
        try:
            with self._one_at_a_time:
                done = compaction.compact(
                    self.storage, str(self.settings.path), self._log, self.history, codec, self._let_go, pause
                )
        except OSError as error:
            raise self._log.failure(error) from error
        return CompactionReport(*done, time.perf_counter() - begun)

    def _let_go(self, position: int) -> None:
        with self._lock:
            self._log.wal.let_go(position)

    # --- meanwhile

    def start(self) -> None:
        """Look now and then whether a checkpoint is due; first check what opening took on trust."""
        arguments = (weakref.ref(self), self._log, self._stop)
        self._thread = threading.Thread(target=_run, args=arguments, name="prime-keeper", daemon=True)
        self._thread.start()

    def turn(self) -> None:
        """Do what is due now."""
        if self._helper is None and self._due(MEANWHILE_TIMES, MEANWHILE_PART):
            self._begin()
        elif self._helper is not None and self._helper.poll() is not None:
            self._end(self._helper.returncode)
        if self.settings.compact and self._log.wal.status == "ok":
            self._compact_meanwhile()

    def _compact_meanwhile(self) -> None:
        try:
            self._log.seal()
            if sum(segment.used_bytes for segment in self._log.known.segments) >= COMPACT_LOG_BYTES:
                self.compact(parquet.CODECS[0], self.rest)
        except (PrimeError, OSError) as error:
            if not self._warned:
                self._warned = True
                warn(f"compacting {self.settings.path} failed: {error}")

    def rest(self, seconds: float) -> bool:
        """Rest for as long as a step took, so that compaction takes half a core at most; True when closing."""
        return self._stop.wait(min(seconds, LOOK_SECONDS))

    def _due(self, times: int, part: int) -> bool:
        if not self.settings.checkpoint_events:
            return False
        position = self._tables.views.position
        behind = position - self.position
        return 0 < max(self.settings.checkpoint_events * times, position // part) <= behind

    def _begin(self) -> None:
        import subprocess

        if not sys.executable:
            return
        with contextlib.suppress(OSError):
            self._helper = subprocess.Popen(
                [sys.executable, "-m", "primecore.checkpointer", str(self.settings.path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    def _end(self, code: int) -> None:
        self._helper = None
        with contextlib.suppress(OSError):
            self.position = max(checkpoint.positions(self.storage, str(self.settings.path)), default=self.position)
        if code and not self._warned:
            self._warned = True
            warn(f"the helper that writes checkpoints of {self.settings.path} failed ({code}); see `prime checkpoint`")
        if code:
            self._stop.wait(60)

    def close(self) -> None:
        """End the helper; write a checkpoint if enough has come since the last, or an index was built since.

        Never raises: it only saves time.
        """
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        if self._helper is not None:
            self._helper.terminate()
            self._helper.wait()
            self._end(0)
        writes = self.settings.path is not None and not self.settings.read_only
        if writes and self.settings.checkpoint_events and self._log.wal.status == "ok":
            try:
                vectors = self._tables.views.vectors
                if vectors.follower.is_unsaved or self._due(1, CLOSE_PART):
                    vectors.keep_index()
                    self.checkpoint()
            except Exception as error:
                warn(f"no checkpoint was written while closing {self.settings.path}: {error}")


def _run(reference: weakref.ref[Keeper], log: Log, stop: threading.Event) -> None:
    # Holds no keeper while it waits: a store that was let go of without closing goes, with all its tables.
    with contextlib.suppress(PrimeError):
        log.check_trusted(stop.is_set)
    while not stop.wait(LOOK_SECONDS):
        keeper = reference()
        if keeper is None:
            return
        keeper.turn()
        del keeper


def facts(log: Log, views: Views) -> dict[str, Any]:
    """What a checkpoint says of itself."""
    return {
        "store_uuid": log.store_uuid,
        "position": views.position,
        "mark": EventReader(log).mark(views.position),
        "last_time_us": log.wal.last_time_us,
        "layout": checkpoint.layout(views),
        "pid": os.getpid(),
    }
