"""The file seam: every file operation of the log goes through one of these. Knows files; not what is in them.

`RealStorage` is the disk. `MemoryStorage` simulates one and can lose what was not synced (`crash_clone`).
`FaultyStorage` wraps either and lets the n-th operation fail. Paths are strings; all raise OSError.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable
from typing import Protocol

from primecore._image import Aside, Draft
from primecore._mapping import Faults, Mapping

ZEROS = bytes(1 << 20)
PAGE_BYTES = 4096
NETWORK_FILESYSTEMS = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "fuse.sshfs", "fuse.glusterfs", "webdav")
)
MAPPED_FILESYSTEMS = frozenset(("ext4", "xfs", "tmpfs", "memory"))


class Locked(Protocol):
    """A lock that is held. `close()` lets go of it."""

    def close(self) -> None: ...


class Storage(Protocol):
    """What the log asks of a file system. All paths are absolute or relative to the process, as given."""

    def make_directory(self, path: str) -> None:
        """Make it (0700) if it is absent, parents too."""

    def is_file(self, path: str) -> bool:
        """Whether a file is there."""

    def is_directory(self, path: str) -> bool:
        """Whether a directory is there."""

    def names(self, path: str) -> list[str]:
        """Names in a directory, sorted."""

    def read(self, path: str) -> bytes:
        """The whole of a small file."""

    def read_around(self, path: str) -> tuple[bytes, int]:
        """The whole of a file whose disk fails in places, with zeros there, and how many bytes those are."""

    def write(self, path: str, data: bytes | memoryview) -> None:
        """Create or replace the contents of a file (0600) and bring them to stable storage."""

    def write_parts(self, path: str, parts: Iterable[bytes | memoryview]) -> int:
        """Create or replace the contents of a file (0600) by parts, one behind the other; gives its size. Not
        synced."""

    def write_aside(self, path: str, draft: Draft, begin: int, salt: int) -> Aside | None:
        """Create a file (0600) and let another process write a draft into it from offset `begin` on, as its memory is
        now. None where there is no such process: then the caller has to write it."""

    def prepare(self, path: str, nbytes: int) -> None:
        """Create a file of zeros whose room is allocated and synced. Leaves nothing behind when it fails."""

    def extend(self, path: str, nbytes: int) -> None:
        """Let a file that is shorter than `nbytes` have that size, with zeros behind what it holds."""

    def replace(self, source: str, target: str) -> None:
        """Rename, replacing the target; a directory may replace an empty one."""

    def remove(self, path: str) -> None:
        """Remove a file."""

    def sync_directory(self, path: str) -> None:
        """Bring a directory's entries to stable storage."""

    def directory(self, path: str) -> Mapping:
        """A handle whose sync does the same."""

    def map(self, path: str, *, writable: bool, written: bool = False, fresh: bool = False) -> Mapping:
        """Map a file whole and read all of it once, so that a read error is an OSError here and no signal later.

        `written`: bytes reach it by pwrite. `fresh`: it was prepared a moment ago and need not be read.
        """

    def evict(self, path: str) -> None:
        """Write what is waiting to be written, then forget cached bytes, so that the next read asks the disk."""

    def lock(self, path: str, note: bytes) -> Locked:
        """Take the lock file for this process and write `note` into it. Raises BlockingIOError when it is taken."""

    def is_held(self, path: str) -> bool:
        """Whether some process holds this lock file, as far as that can be told without taking it."""

    def sync_file(self, path: str) -> None:
        """Bring all bytes of a file to stable storage, whoever wrote them."""

    def identity(self, path: str) -> tuple[int, int]:
        """Inode number and size: another pair means another file under this name."""

    def filesystem(self, path: str) -> str:
        """The kind of file system that holds `path`; "" where that cannot be told."""


class RealStorage:
    """The disk."""

    def make_directory(self, path: str) -> None:
        if os.path.isdir(path):
            return
        parent = os.path.dirname(os.path.abspath(path))
        if not os.path.isdir(parent):
            self.make_directory(parent)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
        self.sync_directory(parent)

    def is_file(self, path: str) -> bool:
        return os.path.isfile(path)

    def is_directory(self, path: str) -> bool:
        return os.path.isdir(path)

    def names(self, path: str) -> list[str]:
        return sorted(os.listdir(path))

    def read(self, path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    def read_around(self, path: str) -> tuple[bytes, int]:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data, lost = bytearray(os.fstat(fd).st_size), 0
            for start in range(0, len(data), PAGE_BYTES):
                try:
                    page = os.pread(fd, PAGE_BYTES, start)
                    data[start : start + len(page)] = page
                except OSError:
                    lost += min(PAGE_BYTES, len(data) - start)
        finally:
            os.close(fd)
        return bytes(data), lost

    def write(self, path: str, data: bytes | memoryview) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)

    def write_parts(self, path: str, parts: Iterable[bytes | memoryview]) -> int:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            for part in parts:
                _write_all(fd, part)
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    def write_aside(self, path: str, draft: Draft, begin: int, salt: int) -> Aside | None:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            return Aside(draft, fd, begin, salt)
        except (OSError, MemoryError):
            return None

    def prepare(self, path: str, nbytes: int) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _fill(fd, 0, nbytes)
        except BaseException:
            os.unlink(path)
            raise
        finally:
            os.close(fd)

    def extend(self, path: str, nbytes: int) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            _fill(fd, os.fstat(fd).st_size, nbytes)
        finally:
            os.close(fd)

    def replace(self, source: str, target: str) -> None:
        os.rename(source, target)

    def remove(self, path: str) -> None:
        os.unlink(path)

    def sync_directory(self, path: str) -> None:
        handle = self.directory(path)
        try:
            handle.sync()
        finally:
            handle.close()

    def directory(self, path: str) -> Mapping:
        return Mapping.directory(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    def map(self, path: str, *, writable: bool, written: bool = False, fresh: bool = False) -> Mapping:
        fd = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)
        mapping = Mapping.file(fd, os.fstat(fd).st_size, writable=writable, written=written)
        if not fresh:
            mapping.load()
        return mapping

    def evict(self, path: str) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)

    def lock(self, path: str, note: bytes) -> Locked:
        held = contextlib.ExitStack()
        with contextlib.ExitStack() as until_held:
            until_held.push(held)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            held.callback(os.close, fd)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held.callback(_unlock, fd, os.getpid())
            # People remove lock files that look stale. They do not remove the folder they stand in.
            folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            held.callback(os.close, folder)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held.callback(_unlock, folder, os.getpid())
            except BlockingIOError:
                raise
            except OSError:
                pass  # some network file systems lock files only
            with contextlib.suppress(OSError):  # for people only: a full disk must not keep the store from opening
                # Cutting a file to nothing has ext4 write it out when it is closed, and the next opening wait for that.
                os.pwrite(fd, note, 0)
                if os.fstat(fd).st_size > len(note):
                    os.ftruncate(fd, len(note))
            until_held.pop_all()
        return held

    def is_held(self, path: str) -> bool:
        # Taking the lock for a look would let an owner fail that starts at that moment.
        with contextlib.suppress(OSError), open("/proc/locks", encoding="ascii", errors="replace") as table:
            inode = os.stat(path).st_ino
            held = [word for line in table if "FLOCK" in line for word in line.split() if word.count(":") == 2]
            return str(inode) in {word.rpartition(":")[2] for word in held}
        return False

    def sync_file(self, path: str) -> None:
        handle = Mapping.directory(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        try:
            handle.sync()
        finally:
            handle.close()

    def identity(self, path: str) -> tuple[int, int]:
        status = os.stat(path)
        return status.st_ino, status.st_size

    def filesystem(self, path: str) -> str:
        try:
            device = os.stat(path).st_dev
            with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as table:
                lines = [line.split() for line in table]
        except OSError:
            return ""
        wanted = f"{os.major(device)}:{os.minor(device)}"
        for fields in lines:
            if fields[2] == wanted:
                return fields[fields.index("-") + 1]
        return ""


def _unlock(fd: int, owner: int) -> None:
    # Closing alone leaves the lock with every copy: a forked child has one until it comes to closing it. Its own end of
    # the same lock it may only close: the parent holds it still.
    if os.getpid() == owner:
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_UN)


def _write_all(fd: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _fill(fd: int, start: int, end: int) -> None:
    if start >= end:
        return
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, start, end - start)
    # Allocated blocks that were never written stall appends for tens of milliseconds while the journal marks them.
    offset = start
    while offset < end:
        offset += os.pwrite(fd, ZEROS[: min(len(ZEROS), end - offset)], offset)
    os.fsync(fd)


class FaultyStorage:
    """Another storage whose n-th operation fails: `faults.arm(n, errno.EIO)`. Reads and syncs count like all others."""

    def __init__(self, inner: Storage, faults: Faults) -> None:
        self.inner = inner
        self.faults = faults

    def make_directory(self, path: str) -> None:
        self.faults.check(path)
        self.inner.make_directory(path)

    def is_file(self, path: str) -> bool:
        return self.inner.is_file(path)

    def is_directory(self, path: str) -> bool:
        return self.inner.is_directory(path)

    def names(self, path: str) -> list[str]:
        self.faults.check(path)
        return self.inner.names(path)

    def read(self, path: str) -> bytes:
        self.faults.check(path)
        return self.inner.read(path)

    def read_around(self, path: str) -> tuple[bytes, int]:
        self.faults.check(path)
        return self.inner.read_around(path)

    def write(self, path: str, data: bytes | memoryview) -> None:
        try:
            self.faults.check(path)
        except OSError:
            self.inner.write(path, memoryview(data)[: len(data) // 2])
            raise
        self.inner.write(path, data)

    def write_parts(self, path: str, parts: Iterable[bytes | memoryview]) -> int:
        whole = list(parts)
        try:
            self.faults.check(path)
        except OSError:
            self.inner.write_parts(path, whole[: len(whole) // 2])
            raise
        return self.inner.write_parts(path, whole)

    def write_aside(self, path: str, draft: Draft, begin: int, salt: int) -> Aside | None:
        return None  # each of its steps is to be one that fails

    def prepare(self, path: str, nbytes: int) -> None:
        self.faults.check(path)
        self.inner.prepare(path, nbytes)

    def extend(self, path: str, nbytes: int) -> None:
        self.faults.check(path)
        self.inner.extend(path, nbytes)

    def replace(self, source: str, target: str) -> None:
        self.faults.check(source)
        self.inner.replace(source, target)

    def remove(self, path: str) -> None:
        self.faults.check(path)
        self.inner.remove(path)

    def sync_directory(self, path: str) -> None:
        self.faults.check(path)
        self.inner.sync_directory(path)

    def directory(self, path: str) -> Mapping:
        mapping = self.inner.directory(path)
        mapping.share_faults(self.faults)
        return mapping

    def map(self, path: str, *, writable: bool, written: bool = False, fresh: bool = False) -> Mapping:
        self.faults.check(path)
        mapping = self.inner.map(path, writable=writable, written=written, fresh=fresh)
        mapping.share_faults(self.faults)
        return mapping

    def evict(self, path: str) -> None:
        self.faults.check(path)
        self.inner.evict(path)

    def lock(self, path: str, note: bytes) -> Locked:
        self.faults.check(path)
        return self.inner.lock(path, note)

    def is_held(self, path: str) -> bool:
        return self.inner.is_held(path)

    def sync_file(self, path: str) -> None:
        self.faults.check(path)
        self.inner.sync_file(path)

    def identity(self, path: str) -> tuple[int, int]:
        self.faults.check(path)
        return self.inner.identity(path)

    def filesystem(self, path: str) -> str:
        return self.inner.filesystem(path)
