"""Mutated segments and mutated event lines. What is wrong must be refused or set aside, and nothing may crash.

The corpus lies in tests/corpus: a few small inputs of each kind, and whatever once led to a failure. Segments are kept
without their zeros at the end, but for findings. Meant to run under sanitizers too (make asan).
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import struct
from collections.abc import Callable
from pathlib import Path

from test_scan_fuzz import compare
from wal_kit import append, contents

import primecore
from primecore._crc32c import crc32c
from primecore.errors import PrimeError
from primecore.log import Log
from primecore.manifest import Manifest, encode
from primecore.memory_storage import MemoryStorage
from primecore.segments import SegmentSizes
from torture.stores import log_options

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
TINY = SegmentSizes(first_bytes=8192, max_bytes=8192)
SEGMENT_BYTES, HEADER_BYTES = 8192, 4096
NUMBERS = [0, 1, 7, 8, 63, 79, 80, 127, 128, 255, 256, 4096, 8192, 65535, 65536]
NUMBERS += [2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1]
LIMIT_BYTES = 2000


def corpus(kind: str) -> list[bytes]:
    """The inputs of one kind, by name."""
    found = [path.read_bytes() for path in sorted((CORPUS / kind).glob("*.bin"))]
    assert found, f"tests/corpus/{kind} is empty"
    return found


def keep(kind: str, data: bytes) -> Path:
    """Add a finding to the corpus, under its hash."""
    path = CORPUS / kind / f"found-{hashlib.sha256(data).hexdigest()[:16]}.bin"
    path.write_bytes(data)
    return path


def mutate(data: bytes, rng: random.Random, start: int = 0) -> bytearray:
    """A few changes of bytes, numbers and stretches behind `start`."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        if len(changed) <= start:
            break
        at = rng.randrange(start, len(changed))
        kind = rng.randrange(6)
        if kind == 0:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            width, form = rng.choice(((1, "B"), (2, "<H"), (4, "<I"), (8, "<Q")))
            at -= at % width
            number = rng.choice(NUMBERS) & (256**width - 1)
            if at + width <= len(changed):
                struct.pack_into(form, changed, at, number)
        elif kind == 2:
            changed[at : at + rng.randrange(40)] = b""
        elif kind == 3:
            other = rng.randrange(start, len(changed))
            changed[at:at] = changed[other : other + rng.randrange(120)]
        elif kind == 4:
            changed[at : at + rng.randrange(1, 16)] = rng.randbytes(rng.randrange(1, 16))
        else:
            del changed[at:]
    return changed


def sign(segment: bytearray) -> None:
    """Make the checksums of the header and of all records fit, so that what they hide is met."""
    struct.pack_into("<I", segment, 508, crc32c(bytes(segment[:508])))
    seed = crc32c(bytes(segment[72:80]))
    at = HEADER_BYTES
    while at + 8 <= len(segment):
        length = struct.unpack_from("<I", segment, at)[0]
        if length < 8 or at + length > len(segment):
            return
        sum_ = crc32c(bytes(segment[at + 8 : at + length]), crc32c(bytes(segment[at : at + 4]), seed))
        struct.pack_into("<I", segment, at + 4, sum_)
        at += length


def store_of(data: bytes) -> MemoryStorage:
    """A disk whose only segment this is."""
    disk = MemoryStorage()
    disk.make_directory("/s")
    disk.make_directory("/s/wal")
    uuid = bytes(data[16:32]).hex() if len(data) >= 32 else bytes(16).hex()
    disk.write("/s/MANIFEST", encode(Manifest(store_uuid=uuid, created_us=0)))
    disk.write(f"/s/wal/{1:020d}.wal", data)
    return disk


def open_segment(data: bytes) -> None:
    """Read, recover, append, read again: then all must be as the first time left it. Then the whole store."""
    options = {"storage": store_of(data), "segment_sizes": TINY, "fsync_interval_ms": 60_000}
    # A checksum that was made to fit hides text that no writer lets in: the log hands it on, the store must refuse it.
    with contextlib.suppress(PrimeError, UnicodeDecodeError):
        with Log.open("/s", read_only=True, **options) as reader:
            seen = contents(reader)
        with Log.open("/s", **options) as log:
            held = contents(log)
            assert held == seen, "a reader and the owner see different events"
            append(log, {"entity_id": "e", "event_type": "t"})
        with Log.open("/s", **options) as log:
            again = contents(log)
            assert again[:-1] == held and len(again) == len(held) + 1 and log.recovery is None
    with contextlib.suppress(PrimeError), log_options(storage=store_of(data)), primecore.open("/s") as prime:
        events = list(prime.events())
        assert [event.position for event in events] == list(range(1, prime.position + 1))
        assert prime.replay(verify=True).equal is True


def segment(rng: random.Random, seeds: list[bytes]) -> bytes:
    data = mutate(rng.choice(seeds), rng, 0 if rng.random() < 0.2 else HEADER_BYTES)
    data = data[:SEGMENT_BYTES].ljust(SEGMENT_BYTES if rng.random() < 0.9 else len(data), b"\0")
    if rng.random() < 0.8 and len(data) >= HEADER_BYTES:
        sign(data)
    return bytes(data)


def read_line(data: bytes) -> None:
    compare(data, faults=9)


def line(rng: random.Random, seeds: list[bytes]) -> bytes:
    changed = bytes(mutate(rng.choice(seeds), rng))
    if rng.random() < 0.3:
        other = rng.choice(seeds)
        cut = rng.randrange(len(changed) + 1)
        changed = changed[:cut] + other[rng.randrange(len(other) + 1) :]
    changed = changed.replace(b"\n", b" ").replace(b"\r", b" ")[:LIMIT_BYTES]
    return changed if changed.strip() else b"{}"  # blank lines are no events, and not for parse_line


KINDS: dict[str, tuple[Callable[[random.Random, list[bytes]], bytes], Callable[[bytes], None]]] = {
    "segments": (segment, open_segment),
    "lines": (line, read_line),
}


def run(kind: str, seed: int, count: int) -> int:
    """Tries `count` mutations. A failure is kept in the corpus and raised with its name."""
    make, attempt = KINDS[kind]
    rng = random.Random(f"fuzz/{kind}/{seed}")
    seeds = corpus(kind)
    for _ in range(count):
        data = make(rng, seeds)
        try:
            attempt(data)
        except Exception as error:
            raise AssertionError(f"{keep(kind, data)}: {error!r}") from error
    return count
