"""Tools for stores that may not open: verify, salvage, doctor, backup, restore, on a path. The service's other half.

Each is a function of the package (`primecore.verify(path)`); those that an open store offers too are methods of `Prime`
as well, which add what only an open store knows.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from primecore import checking, checkpoint, config, copies, diagnosis, salvaging
from primecore.engine import Engine
from primecore.errors import (
    DiskFull,
    InvalidArgument,
    PrimeError,
    StorageFailure,
    StoreNotFound,
)
from primecore.model import (
    BackupReport,
    Diagnosis,
    Finding,
    ParkedProjection,
    RestoreReport,
    SalvageReport,
    Symptom,
    VerifyReport,
)
from primecore.storage import RealStorage

AnyPath = str | os.PathLike[str]
Progress = Callable[[int, int | None, int], object]
DIGEST, DAMAGE = "digest", "damage"


def verify(path: AnyPath | None = None, *, log_only: bool = False, progress: Progress | None = None) -> VerifyReport:
    """Checks every byte of a store's files, and that its projections are what the log says. Writes nothing.

    Works on a store that refuses to open, and beside a process that is writing. Without `path` it is the default store,
    as in `open`. Every record's checksum and form, positions, versions, batches, hashes, the manifest and the zeros
    between are checked; then, unless `log_only` or something is damaged, the projections are folded twice and compared.
    `progress(done, total, position)` hears bytes. Raises StoreNotFound.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     primecore.open(folder).close()
    ...     primecore.verify(folder).ok
    True
    """
    directory = _directory(path)
    begun = time.perf_counter()
    with _failures(directory):
        if not os.path.isdir(directory) or not (
            os.path.isdir(os.path.join(directory, "wal")) or os.path.exists(os.path.join(directory, "MANIFEST"))
        ):
            raise StoreNotFound(f"there is no store in {directory}", hint="check the path")
        look = checking.check_store(RealStorage(), directory, progress)
        look.findings.extend(_checkpoints(directory))
    seconds = time.perf_counter() - begun
    ok = not any(finding.severity == DAMAGE for finding in look.findings)
    digest = replayed = None
    if ok and not log_only:
        engine = Engine(config.settings(directory, read_only=True))
        try:
            digest, replayed = digests(engine)
        finally:
            engine.close()
    return VerifyReport(
        ok=ok and digest == replayed,
        path=directory,
        events=max(look.position - look.first_position + 1, 0),
        position=look.position,
        durable_position=min(look.promised, look.position),
        segments=look.segments,
        bytes=look.bytes_done,
        seconds=seconds,
        bytes_per_second=look.bytes_done / seconds if seconds else 0.0,
        findings=tuple(look.findings),
        quarantine=tuple(look.quarantine),
        digest=digest,
        replayed_digest=replayed,
    )


def _checkpoints(directory: str) -> Iterator[Finding]:
    safe = "no event is touched by this: opening replays the log instead"
    for path, position, reason in checkpoint.check(RealStorage(), directory):
        yield Finding("checkpoint", checking.NOTE, path, 0, position, reason, safe, "remove that file")


def digests(engine: Engine) -> tuple[str, str]:
    """The digest of the tables as they are, and that of a fresh fold of the same events."""
    report = engine.replay(None, True, None)
    assert report.live_digest is not None
    return report.live_digest, report.digest


def salvage(path: AnyPath | None, newdir: AnyPath, *, progress: Progress | None = None) -> SalvageReport:
    """Copies what holds of a damaged store into a new one in `newdir`, and says exactly what was lost. Never in place.

    `newdir` must not exist, or be empty. Event ids, times, order, payload and metadata stay, and so do positions: each
    lost one holds an event of type `prime.position.lost`. A batch is copied whole or not at all; of one that is not,
    the events that do hold stand in `SALVAGE.jsonl`. `SALVAGE.json` beside the new store holds this report. Close the
    damaged store first. Raises StoreNotFound, InvalidArgument, StoreLocked, DiskFull, StorageFailure.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     primecore.open(f"{folder}/a").close()
    ...     primecore.salvage(f"{folder}/a", f"{folder}/b").lost
    0
    """
    directory, target = _directory(path), os.path.realpath(_directory(newdir))
    with _failures(target):
        return salvaging.salvage(RealStorage(), directory, target, progress=progress)


def doctor(path: AnyPath | None = None) -> Diagnosis:
    """Says what is wrong with a store or around it, and what to do; also where it does not open, or is not there.

    >>> {symptom.name for symptom in primecore.doctor("/nowhere").symptoms} >= {"build", "store", "space"}
    True
    """
    return _diagnosis(_directory(path), [])


def doctor_of(engine: Engine) -> Diagnosis:
    """The same for an open store, which also knows of its sync thread and its projections."""
    path = engine.settings.path
    return _diagnosis(config.MEMORY if path is None else str(path), list(_inside(engine)))


def _diagnosis(directory: str, inside: list[Symptom]) -> Diagnosis:
    from primecore import __version__

    outside = [] if directory == config.MEMORY else diagnosis.diagnose(RealStorage(), directory, __version__)
    symptoms = [*outside, *inside]
    return Diagnosis(all(it.status != diagnosis.WRONG for it in symptoms), directory, tuple(symptoms))


def _inside(engine: Engine) -> Iterator[Symptom]:
    log, report = engine.log, engine.log.recovery
    if report is None:
        yield Symptom("recovery", diagnosis.FINE, "opening it found nothing to mend", "")
    else:
        status = diagnosis.WRONG if report.damaged else diagnosis.NOTE
        yield Symptom("recovery", status, report.message, diagnosis.SALVAGE if report.damaged else "")
    told = engine.opening
    how = f"opened at position {told.position:,}: up to {told.checkpoint_position:,} from a checkpoint, "
    how += f"{told.replayed:,} events replayed"
    yield Symptom("opening", diagnosis.NOTE if told.note else diagnosis.FINE, told.note or how, "")
    if log.wal.status == "poisoned":
        error = log.refusal()
        yield Symptom("durability", diagnosis.WRONG, error.message, error.hint)
    else:
        stats = log.stats()
        what = f"durable up to position {stats.durable_position:,}; the oldest event not yet synced is "
        what += f"{stats.oldest_unsynced_ms:,.0f} ms old, {stats.worst_unsynced_ms:,.0f} ms at worst"
        yield Symptom("durability", diagnosis.FINE, what, "")
    parked: tuple[ParkedProjection, ...] = engine.runner.parked()
    for it in parked:
        what = f"{it.name} stopped at position {it.position}: {it.error}"
        yield Symptom("projection", diagnosis.WRONG, what, "mend its apply(), then open the store again")
    if not parked:
        yield Symptom("projections", diagnosis.FINE, "every projection goes on", "")


def backup(path: AnyPath | None, target: AnyPath, *, progress: Progress | None = None) -> BackupReport:
    """Lets the backup in `target` hold every event of a store; only what is new since the last run is copied.

    Works beside the process that writes: all it has appended when this begins is brought to stable storage, and is in
    the backup. The log is checked on the way. Raises StoreNotFound, CorruptLog, InvalidArgument, StoreLocked, DataError
    (the two have parted), DiskFull, StorageFailure.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     primecore.open(f"{folder}/a").close()
    ...     primecore.backup(f"{folder}/a", f"{folder}/b").position
    0
    """
    directory, place = _directory(path), _directory(target)
    with _failures(place):
        return copies.backup(RealStorage(), directory, place, progress=progress)


def backup_of(engine: Engine, target: AnyPath, progress: Progress | None) -> BackupReport:
    """The same from the process that writes, which knows what is durable."""
    if engine.settings.path is None:
        raise InvalidArgument("a store in memory has no files to back up", hint="open a directory instead")
    durable = None if engine.settings.read_only else engine.wait_durable()
    place = _directory(target)
    with _failures(place):
        return copies.backup(RealStorage(), str(engine.settings.path), place, until=durable, progress=progress)


def restore(path: AnyPath, into: AnyPath | None = None, *, progress: Progress | None = None) -> RestoreReport:
    """Makes a new store out of the backup in `path`, at `into` (default: the default store), where none may be.

    Every hash is checked first. The new store has the same events at the same positions and a UUID of its own; it
    appears at once and whole. Raises StoreNotFound, InvalidArgument, CorruptLog, StoreLocked, DiskFull, StorageFailure.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     primecore.open(f"{folder}/a").close()
    ...     _ = primecore.backup(f"{folder}/a", f"{folder}/b")
    ...     primecore.restore(f"{folder}/b", f"{folder}/c").position
    0
    """
    source, target = _directory(path), os.path.realpath(_directory(into))
    with _failures(target):
        return copies.restore(RealStorage(), source, target, progress=progress)


def _directory(path: AnyPath | None) -> str:
    where = config.settings(path).path
    if where is None:
        raise InvalidArgument("path: a store in memory has no files", hint="name a directory")
    return str(where)


@contextmanager
def _failures(where: str) -> Iterator[None]:
    """What the operating system refuses, as errors of ours."""
    try:
        yield
    except OSError as error:
        if isinstance(error, PrimeError):
            raise
        name = error.filename or where
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"no room at {name}: {error.strerror}", hint="free some space and try again") from error
        raise StorageFailure(f"{name}: {error.strerror or error}", hint="check permissions and the disk") from error
