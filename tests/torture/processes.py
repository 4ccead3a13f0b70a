"""Real processes on disks that fail, fill up or lose power."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from support.children import child_environment
from support.writer import acceptable

import primecore
from primecore.errors import DiskFull
from torture.stores import BACKENDS, MODES, SMALL, WAYS, Folded, batch_ends, check_recovered, log_options

SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
WITHOUT_ITS_JOURNAL = 2


class NotAllowed(Exception):
    """This kernel or sandbox does not let us do that; no program is missing."""


def worker(*arguments: object, tracer: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*tracer, sys.executable, "-m", "torture.worker", *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=child_environment(),
        start_new_session=True,
    )


def finish(process: subprocess.Popen[bytes]) -> list[list[str]]:
    """Kill the child and what traces it, and give the whole lines it said, as words."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    said = process.stdout.read().decode() if process.stdout else ""
    process.stdout, _ = None, process.stdin.close() if process.stdin else None
    process.wait()
    return [line.split() for line in said.split("\n")[:-1]]


def acknowledged(said: list[list[str]], column: int = 0) -> int:
    return max((int(words[column]) for words in said if words[0].isdigit()), default=0)


def check_batches(found: Folded, events: list[dict], start: int, way: str) -> None:
    if way == "append_many" and found.taken != start:
        assert found.fold.position in batch_ends(events, start), "a part of a batch was recovered"


def may_trace() -> None:
    """Raises NotAllowed where strace is there and may not trace."""
    tried = subprocess.run(
        ["strace", "-qq", "-o", os.devnull, "-e", "inject=fsync:error=EIO", "true"], capture_output=True, check=False
    )
    if tried.returncode:
        raise NotAllowed(f"this sandbox does not allow ptrace: {tried.stderr.decode().strip()[:80]}")


def strace(call: str, what: str, when: str) -> tuple[str, ...]:
    inject = f"inject={call}:{what}:when={when}"
    return ("strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}", "-e", inject)


def failing_sync(seed: int, folder: Path, backend: str) -> None:
    """From some fdatasync on, the disk answers EIO: the writer hears of it and stops, and nothing sure is gone."""
    rng = random.Random(f"eio/{seed}")
    number = rng.randrange(3, 30)
    path = folder / f"eio-{seed}-{backend}"
    tracer = strace("fdatasync", "error=EIO", f"{number}+")
    process = worker(path, seed, 120, "append", "always", backend, tracer=tracer)
    lines = []
    for line in process.stdout or []:
        lines.append(line)
        if line == b"done\n":
            break
    said = [line.decode().split() for line in lines] + finish(process)
    assert ["failed", "outcome_unknown"] in [words[:2] for words in said] or not acknowledged(said), said[-3:]
    if acknowledged(said):
        assert ["then", "store_poisoned"] in said, said[-3:]
    check_recovered(path, acceptable(seed, 120), acknowledged(said), backend)
    shutil.rmtree(path)


# --- file systems of our own


@contextlib.contextmanager
def mounted(folder: Path, *arguments: object) -> Iterator[Path]:
    """A file system mounted for a while. Raises NotAllowed."""
    target = folder / "mounted"
    target.mkdir(exist_ok=True)
    if os.geteuid() != 0:
        raise NotAllowed("only the superuser may mount")
    done = subprocess.run(["mount", *map(str, arguments), str(target)], capture_output=True, check=False)
    if done.returncode:
        raise NotAllowed(f"this kernel does not let us mount: {done.stderr.decode().strip()[:80]}")
    try:
        yield target
    finally:
        subprocess.run(["umount", "--lazy", target], check=False)


def image(folder: Path, nbytes: int) -> Path:
    path = folder / "image"
    with path.open("wb") as file:
        file.truncate(nbytes)
    tool = shutil.which("mkfs.ext4", path=f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin")
    if tool is None:
        raise FileNotFoundError("mkfs.ext4 is not installed")
    subprocess.run([tool, "-q", "-F", path], check=True, capture_output=True)
    return path


def power_cut(seed: int, folder: Path) -> int:
    """ext4 on a loop device is shut down under a writer, without its journal, and mounted again."""
    rng = random.Random(f"power/{seed}")
    way, fsync, backend = rng.choice(WAYS), rng.choice(MODES), rng.choice(BACKENDS)
    events = acceptable(seed, 900)
    disk = image(folder, 48 << 20)
    with mounted(folder, "-o", "loop", disk) as target:
        process = worker(target / "store", seed, 900, way, fsync, backend)
        assert process.stdout and process.stdout.readline()
        time.sleep(rng.random() ** 2 * 0.4)
        fd = os.open(target, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", WITHOUT_ITS_JOURNAL))
        except OSError as error:
            if error.errno not in (errno.ENOTTY, errno.EPERM, errno.EOPNOTSUPP):
                raise
            raise NotAllowed(f"this kernel does not let us shut a file system down: {error}") from error
        finally:
            os.close(fd)
            said = finish(process)
    with mounted(folder, "-o", "loop", disk) as target:
        sure = acknowledged(said, 0 if fsync == "always" and way != "ingest" else 1)
        found = check_recovered(target / "store", events, sure, backend)
        check_batches(found, events, 0, way)
    disk.unlink()
    return found.fold.position


def full_disk(seed: int, folder: Path) -> int:
    """A small tmpfs or ext4 fills up: refused before anything is written, reads go on, and it heals; gives refusals."""
    rng = random.Random(f"full/{seed}")
    kind = rng.choice(("tmpfs", "ext4"))
    backend = rng.choice(BACKENDS)
    events = acceptable(seed, 400)
    disk = image(folder, 24 << 20) if kind == "ext4" else None
    where = ("-o", "loop", disk) if disk else ("-t", "tmpfs", "-o", "size=12m", "none")
    with mounted(folder, *where) as target:
        blocker = target / "blocker"
        sizes = {"segment_sizes": SMALL, "backend": backend}
        refused, taken = 0, 0
        with log_options(**sizes), primecore.open(target / "store", fsync=rng.choice(MODES)) as prime:
            while taken < len(events):
                if rng.random() < 0.2:
                    fill(blocker)
                batch = events[taken : taken + rng.choice((1, 7, 50))]
                before, digest = prime.position, prime.digest()
                try:
                    prime.append_many(batch)
                    taken += len(batch)
                except DiskFull:
                    refused += 1
                    assert (prime.position, prime.digest()) == (before, digest), "half of it was taken in"
                    assert sum(1 for _ in prime.events()) == before
                    blocker.unlink(missing_ok=True)
            blocker.unlink(missing_ok=True)
            prime.flush()
            position = prime.position
        fill(blocker)
        found = check_recovered(target / "store", events, position, backend)
        assert found.fold.position == max(batch_ends(events, len(events))), "not all was taken in"
    return refused


def fill(path: Path) -> None:
    """A file that takes all the room there is."""
    with contextlib.suppress(OSError), path.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(65536))
