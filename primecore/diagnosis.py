"""What is wrong with a store or around it, in words, and what to do about it. Only looks; takes no lock.

Each check is a function that yields symptoms; `CHECKS` lists them. A check that the operating system refuses is a
symptom too, so that the rest is still told.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import stat
import time
from collections.abc import Callable, Iterator

from primecore import lock, manifest
from primecore._crc32c import has_native_crc32c
from primecore.errors import PrimeError
from primecore.finder import Finder
from primecore.model import Symptom
from primecore.newstore import PART
from primecore.salvaging import REPORT
from primecore.storage import MAPPED_FILESYSTEMS, NETWORK_FILESYSTEMS, Storage

FINE, NOTE, WRONG = "fine", "note", "wrong"
LOOK = "prime verify"
SALVAGE = "prime repair --salvage NEWDIR"
MIB = 1 << 20
LOW_SPACE_BYTES = 256 * MIB  # two segments of the largest size, and as much again
ADDRESS_SPACE_BYTES = 2 << 40  # what the tables reserve, several times over
CLOCK_US = 60_000_000
MANIFEST_FORMAT = manifest.FORMAT


class Patient:
    """What the checks look at."""

    def __init__(self, storage: Storage, directory: str, version: str) -> None:
        self.storage, self.directory, self.version = storage, directory, version
        self.owned = storage.is_held(os.path.join(directory, lock.NAME))

    def path(self, *names: str) -> str:
        """A path in the store."""
        return os.path.join(self.directory, *names)


def diagnose(storage: Storage, directory: str, version: str) -> list[Symptom]:
    """Every symptom of the store in `directory`, whether it opens or not, and also where there is none."""
    patient = Patient(storage, directory, version)
    symptoms: list[Symptom] = []
    for check in CHECKS:
        try:
            symptoms.extend(check(patient))
        except OSError as error:
            what = f"{error.filename or directory}: {error.strerror or error}"
            symptoms.append(Symptom(check.__name__, WRONG, what, "check permissions and the disk"))
    return symptoms


def build(it: Patient) -> Iterator[Symptom]:
    """What runs here."""
    checksums = "in hardware" if has_native_crc32c() else "in software"
    what = f"prime {it.version}, store format {MANIFEST_FORMAT}, Python {platform.python_version()}, "
    yield Symptom("build", FINE, f"{what}{platform.system()} {platform.machine()}, checksums {checksums}", "")


def store(it: Patient) -> Iterator[Symptom]:
    """Whether there is a store."""
    if os.path.exists(it.directory) and not os.path.isdir(it.directory):
        yield Symptom("store", WRONG, f"{it.directory} is a file, not a directory", "name another with --data-dir")
    elif not os.path.isdir(it.path("wal")) and not os.path.exists(it.path(manifest.NAME)):
        strangers = sorted(os.listdir(it.directory)) if os.path.isdir(it.directory) else []
        if strangers:
            what = f"{it.directory} holds {strangers[0]} and no store"
            yield Symptom("store", WRONG, what, "name another with --data-dir")
        else:
            yield Symptom("store", NOTE, f"there is no store at {it.directory}", "prime ingest FILE makes one")
    else:
        yield Symptom("store", FINE, f"there is a store at {it.directory}", "")


def owner(it: Patient) -> Iterator[Symptom]:
    """Who has it open for writing, or had."""
    path = it.path(lock.NAME)
    if not os.path.exists(path):
        return
    note: dict[str, object] = {}
    with contextlib.suppress(ValueError):
        read = json.loads(it.storage.read(path))
        note = read if isinstance(read, dict) else {}
    if it.owned:
        who = lock.owner(it.storage, it.directory)
        yield Symptom("owner", FINE, f"open for writing by {who}; others may read", "")
        return
    pid, same_boot = note.get("pid"), note.get("boot_id") == lock.boot_id()
    if isinstance(pid, int) and same_boot and _alive(pid):
        yield Symptom("owner", FINE, f"nobody has it open for writing; process {pid}, which had, is alive", "")
    else:
        where = "" if same_boot or not pid else ", on another boot or machine"
        what = f"; the last one was process {pid}{where}" if pid else ""
        yield Symptom("owner", FINE, f"nobody has it open for writing{what}", "")


def permissions(it: Patient) -> Iterator[Symptom]:
    """Directories 0700, files 0600, all of one owner, readable."""
    if not os.path.isdir(it.directory):
        return
    odd: list[str] = []
    foreign: list[str] = []
    for folder, folders, files in os.walk(it.directory):
        for name in [*folders, *files, ""]:
            path = os.path.join(folder, name) if name else folder
            with contextlib.suppress(FileNotFoundError):
                status = os.lstat(path)
                if stat.S_ISSOCK(status.st_mode):
                    continue
                if status.st_mode & 0o077:
                    odd.append(path)
                if hasattr(os, "getuid") and status.st_uid != os.getuid():
                    foreign.append(path)
    if foreign:
        yield Symptom("permissions", WRONG, f"{foreign[0]} belongs to another user", f"chown -R $USER {it.directory}")
    if odd:
        fix = f"chmod -R u=rwX,go= {it.directory}"
        yield Symptom("permissions", WRONG, f"others may reach {odd[0]} ({len(odd)} in all)", fix)
    if not odd and not foreign:
        yield Symptom("permissions", FINE, "only its owner may read and write it", "")


def filesystem(it: Patient) -> Iterator[Symptom]:
    """Kind of file system, and how the log is written there."""
    kind = it.storage.filesystem(_existing(it.directory))
    if kind in NETWORK_FILESYSTEMS:
        what = f"it is on a network file system ({kind}), which loses locks and syncs"
        yield Symptom("filesystem", WRONG, what, "move it to a local disk")
    elif kind in MAPPED_FILESYSTEMS:
        held = "; what is there goes with the machine's memory" if kind == "tmpfs" else ""
        yield Symptom("filesystem", FINE, f"{kind}: written through memory maps{held}", "")
    else:
        yield Symptom("filesystem", FINE, f"{kind or 'of unknown kind'}: written by pwrite, with full guarantees", "")


def space(it: Patient) -> Iterator[Symptom]:
    """Room for the next segments."""
    status = os.statvfs(_existing(it.directory))
    free = status.f_bavail * status.f_frsize
    if free < LOW_SPACE_BYTES:
        yield Symptom(
            "space", WRONG, f"only {free // MIB:,} MiB are free; appends stop when none are", "free some space"
        )
    else:
        yield Symptom("space", FINE, f"{free // MIB:,} MiB are free", "")


def address_space(_: Patient) -> Iterator[Symptom]:
    """Whether the process may reserve what tables reserve."""
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit not in (resource.RLIM_INFINITY, -1) and limit < ADDRESS_SPACE_BYTES:
        what = f"the address space is limited to {limit // MIB:,} MiB; tables reserve far more than they use"
        yield Symptom("address_space", WRONG, what, "ulimit -v unlimited")
    else:
        yield Symptom("address_space", FINE, "the address space is not limited", "")


def log(it: Patient) -> Iterator[Symptom]:
    """Whether manifest and segments hold, as opening would find, and whether times lie in the future."""
    if not os.path.isdir(it.path("wal")) and not os.path.exists(it.path(manifest.NAME)):
        return
    try:
        known = manifest.load(it.storage, it.directory)
        finder = None if known is None else Finder(it.storage, it.directory, known, writable=False, written=False)
        found = None if finder is None else finder.find()
    except PrimeError as error:
        yield Symptom("log", WRONG, error.message, f"{LOOK}, then {SALVAGE}")
        return
    if finder is None or found is None:
        yield Symptom("log", WRONG, "MANIFEST is missing beside wal/", f"{LOOK}, then {SALVAGE}")
        return
    end = found.end
    count = f"{finder.last_position:,} events in {len(found.segments)} segments"
    if end is None or (it.owned and not end.damaged):
        yield Symptom("log", FINE, f"{count}", "")
    elif end.damaged:
        what = f"{end.file}, offset {end.offset}, position {end.position}: {end.reason}; what is before it is safe"
        yield Symptom("log", WRONG, what, f"{LOOK}, then {SALVAGE}")
    else:
        what = f"{count}; a torn tail at {end.file}, offset {end.offset}: {end.reason}"
        yield Symptom("log", NOTE, what, "the next opening for writing sets it aside in quarantine/")
    ahead_us = found.last_time_us - time.time_ns() // 1000
    if ahead_us > CLOCK_US:
        what = f"the latest event is {ahead_us / 1e6:,.0f} s ahead of this clock; new ones get its time until then"
        yield Symptom("clock", WRONG, what, "set the clock right")
    else:
        yield Symptom("clock", FINE, "no event has a time ahead of this clock", "")


def leftovers(it: Patient) -> Iterator[Symptom]:
    """Temporary files that nobody will finish, and what recoveries and salvages left."""
    left = [it.path(manifest.NAME + ".tmp")]
    if os.path.isdir(it.path("wal")):
        left += [it.path("wal", name) for name in sorted(os.listdir(it.path("wal"))) if name.endswith(".tmp")]
    left = [path for path in left if os.path.exists(path)] if not it.owned else []
    if left:
        what = f"{left[0]} was left by a process that ended early ({len(left)} in all)"
        yield Symptom("leftovers", NOTE, what, "the next opening for writing clears it")
    if os.path.isdir(it.directory + PART):
        what = f"{it.directory + PART} was left by a restore or repair that did not end"
        yield Symptom("leftovers", NOTE, what, "run it again, or remove that directory")
    quarantine = it.path("quarantine")
    names = sorted(os.listdir(quarantine)) if os.path.isdir(quarantine) else []
    if names:
        nbytes = sum(os.path.getsize(os.path.join(quarantine, name)) for name in names)
        what = f"{quarantine} holds {len(names)} files ({nbytes:,} bytes) that recovery set aside"
        yield Symptom("quarantine", NOTE, what, "look at them, then remove them")
    if os.path.exists(it.path(REPORT)):
        yield Symptom("salvage", NOTE, f"this store was salvaged: {it.path(REPORT)} says what was lost", "")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _existing(path: str) -> str:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


CHECKS: tuple[Callable[[Patient], Iterator[Symptom]], ...] = (
    build, store, owner, permissions, filesystem, space, address_space, log, leftovers,
)  # fmt: skip
