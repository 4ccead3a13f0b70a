"""Feeds lines of a file or stream to a write path: opening, unpacking, cutting into chunks, refused lines.

Knows lines; not whether this process takes them in or another one.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, get_args

from primecore._lines import Source
from primecore.errors import InvalidArgument, InvalidEvent, PrimeError, StorageFailure
from primecore.model import IngestReport

CHUNK_BYTES = 1 << 20  # stays in a core's cache from the read to the scan, and two threads find enough to do in it
# A line of the largest legal event, every byte of its ids escaped, with room to breathe.
MAX_LINE_BYTES = 24 << 20
BOM = b"\xef\xbb\xbf"

OnError = Literal["stop", "skip", "quarantine"]
Progress = Callable[[int, int | None, int], None]
# Takes in whole lines of a chunk from an offset on, until its end or a refused line, as _lines.ingest() does.
Take = Callable[[memoryview, int, Source], int]
# Makes everything that was taken in durable; the position that reads then show at least.
Settle = Callable[[], int]


class Readable(Protocol):
    """A binary stream."""

    def read(self, size: int, /) -> bytes: ...


class Writable(Protocol):
    """A binary stream to write to."""

    def write(self, data: bytes, /) -> object: ...


class Ingest:
    """One run over one source."""

    def __init__(
        self,
        take: Take,
        settle: Settle,
        *,
        on_error: str = "stop",
        quarantine: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
    ) -> None:
        if on_error not in get_args(OnError):
            raise InvalidArgument(f"on_error: expected one of {', '.join(get_args(OnError))}, found {on_error!r}")
        if (on_error == "quarantine") != (quarantine is not None):
            raise InvalidArgument("quarantine: expected a file exactly when on_error is 'quarantine'")
        self._take = take
        self._settle = settle
        self._on_error = on_error
        self._quarantine_path = quarantine
        self._quarantine: BinaryIO | None = None
        self._progress = progress
        self._begun = 0.0

    def run(self, source: str | os.PathLike[str] | Readable, name: str | None = None) -> IngestReport:
        """Takes in a path or a binary stream.

        Raises InvalidEvent or IdempotencyConflict with `.report` where a line stops it.
        """
        self._begun = time.perf_counter()
        with ExitStack() as stack:
            if isinstance(source, (str, os.PathLike)):
                path = Path(source)
                stream, measure = _open(stack, path)
                lines = Source(str(path), name if name is not None else _identity(path))
            else:
                stream, measure = source, None
                lines = Source(name or str(getattr(source, "name", "<stream>")), name)
            if self._quarantine_path is not None:
                self._quarantine = stack.enter_context(_open_quarantine(Path(self._quarantine_path)))
            try:
                self._feed(stream, lines, measure)
            except PrimeError as error:
                error.report = self._report(lines, self._settle())  # type: ignore[attr-defined]  # what was done
                raise
        return self._report(lines, self._settle())

    def _report(self, lines: Source, position: int) -> IngestReport:
        seconds = time.perf_counter() - self._begun
        rate = lines.appended / seconds if seconds > 0 else 0.0
        return IngestReport(lines.read, lines.appended, lines.duplicates, lines.refused, rate, position)

    def _feed(self, stream: Readable, lines: Source, measure: Measure | None) -> None:
        chunks = Chunks(stream, lines.name)
        first = True
        while (chunk := chunks.next()) is not None:
            offset = len(BOM) if first and chunk[:3] == BOM else 0
            first = False
            if chunks.oversized:
                lines.refuse_oversized(_too_long(lines))
                self._refuse(lines, bytes(chunk))
                continue
            while offset < len(chunk):
                offset = self._take(chunk, offset, lines)
                if lines.error is not None:
                    self._refuse(lines, bytes(chunk[lines.bad_start : lines.bad_end]))
            if self._progress is not None:
                done, total = measure() if measure is not None else (chunks.bytes_read, None)
                self._progress(done, total, lines.read)
        if chunks.error is not None:
            raise chunks.error

    def _refuse(self, lines: Source, line: bytes) -> None:
        lines.refused += 1
        if self._on_error == "stop" and lines.error is not None:
            raise lines.error
        if self._quarantine is not None:
            self._quarantine.write(line + b"\n")


Measure = Callable[[], tuple[int, int | None]]


class Chunks:
    """Cuts a stream into pieces of whole lines, in one buffer used again: a piece is good until the next is asked for.

    The last piece may lack its newline; an overlong line comes alone and cut.
    """

    def __init__(self, stream: Readable, name: str) -> None:
        self._stream = stream
        self._name = name
        self._readinto: Callable[[memoryview], int | None] | None = getattr(stream, "readinto", None)
        self._buffer = bytearray(2 * CHUNK_BYTES)
        self._start = 0  # the rest of the last read, up to _end
        self._end = 0
        self._ended = False
        self._skipping = False
        self.oversized = False
        self.bytes_read = 0
        self.error: PrimeError | None = None

    def next(self) -> memoryview | None:
        """The next piece, None at the end."""
        self.oversized = False
        self._keep(self._start)
        while not self._ended:
            if self._end == len(self._buffer):
                if self._end >= MAX_LINE_BYTES:
                    self._skipping = self.oversized = True
                    self._end = 0
                    return memoryview(self._buffer)[:MAX_LINE_BYTES]
                self._buffer = self._buffer + bytes(len(self._buffer))  # not in place: the last piece may be held
            read_from = self._end
            self._read()
            if self._skipping:
                newline = self._buffer.find(b"\n", 0, self._end)
                self._skipping = newline < 0
                self._keep(newline + 1 if newline >= 0 else self._end)
                read_from = 0
            cut = self._buffer.rfind(b"\n", read_from, self._end) + 1
            if cut:
                self._start = cut
                return memoryview(self._buffer)[:cut]
        self._start, size = self._end, self._end
        return memoryview(self._buffer)[:size] if size else None

    def _keep(self, start: int) -> None:
        # Moves what is behind `start` to the front.
        kept = self._end - start
        self._buffer[:kept] = self._buffer[start : self._end]
        self._start, self._end = 0, kept

    def _read(self) -> None:
        # What cannot be read ends the stream here; what came before it counts, then the error is told.
        count = 0
        try:
            count = self._read_some(min(CHUNK_BYTES, len(self._buffer) - self._end))
        except (EOFError, zlib.error) as error:
            self.error = _truncated(self._name, error)
        except OSError as error:
            self.error = StorageFailure(f"{self._name}: cannot read it: {error}")
        self._ended = count == 0
        self._end += count
        self.bytes_read += count

    def _read_some(self, size: int) -> int:
        if self._readinto is not None:
            with memoryview(self._buffer) as whole, whole[self._end : self._end + size] as room:
                count = self._readinto(room)
            if isinstance(count, int):
                return count
            raise InvalidArgument("source: expected a stream that waits for its bytes")
        data = self._stream.read(size)
        if not isinstance(data, bytes):
            raise InvalidArgument(f"source: expected a stream of bytes, found {type(data).__name__}")
        self._buffer[self._end : self._end + len(data)] = data
        return len(data)


def _truncated(name: str, error: Exception) -> InvalidEvent:
    return InvalidEvent(
        f"{name}: the compressed data (gzip or zstd) ends early or is damaged: {error}",
        source=name,
        hint="everything before it is kept; ingest the whole file again, and nothing doubles",
    )


def _too_long(lines: Source) -> InvalidEvent:
    return InvalidEvent(
        f"expected a line of at most {MAX_LINE_BYTES:,} bytes, found a longer one",
        source=lines.name,
        line=lines.line,
        column=1,
    )


def _identity(path: Path) -> str:
    """What ids of lines are derived from: the real path, without the suffix of a compressed file."""
    real = os.path.realpath(path)
    return real.removesuffix(".gz").removesuffix(".zst") if real.endswith((".gz", ".zst")) else real


def _open(stack: ExitStack, path: Path) -> tuple[Readable, Measure]:
    try:
        raw = stack.enter_context(path.open("rb", buffering=0))
        total = os.fstat(raw.fileno()).st_size or None
    except IsADirectoryError:
        raise InvalidArgument(f"{path} is a directory", hint="name the files in it") from None
    except FileNotFoundError:
        raise InvalidArgument(f"there is no file {path}") from None
    except OSError as error:
        raise StorageFailure(f"{path}: cannot open it: {error.strerror or error}") from None

    def measure() -> tuple[int, int | None]:
        return (raw.tell() if raw.seekable() else 0), total

    if path.suffix == ".gz":
        return _Gzip(raw), measure
    if path.suffix == ".zst":
        return stack.enter_context(_Zst(path)), lambda: (0, None)
    return raw, measure


def open_source(stack: ExitStack, path: Path) -> Readable:
    """A file to read lines from, unpacked where its name ends in .gz or .zst; `stack` closes it."""
    return _open(stack, path)[0]


class _Gzip:
    """Members of a .gz file, one behind the other. Gives all that can be unpacked before it says what is wrong."""

    def __init__(self, raw: Readable) -> None:
        self._raw = raw
        self._member = zlib.decompressobj(wbits=31)
        self._rest = b""
        self._started = False

    def read(self, size: int, /) -> bytes:
        while True:
            packed = self._member.unconsumed_tail or self._rest or self._raw.read(CHUNK_BYTES)
            self._rest = b""
            if not packed:
                if self._started:
                    raise EOFError("the gzip data ends in the middle")
                return b""
            self._started = True
            data = self._member.decompress(packed, size)
            if self._member.eof:
                # Another member may follow, or padding with zeros.
                self._rest = self._member.unused_data.lstrip(b"\0")
                self._member = zlib.decompressobj(wbits=31)
                self._started = False
            if data:
                return data


class _Zst:
    """A .zst file. pyarrow unpacks it: it is heavy to import, so only where one is read."""

    def __init__(self, path: Path) -> None:
        import pyarrow

        self._file = pyarrow.input_stream(str(path), compression="zstd")

    def __enter__(self) -> _Zst:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, size: int, /) -> bytes:
        try:
            return bytes(self._file.read(size))
        except OSError as error:
            raise EOFError(str(error)) from None


def _open_quarantine(path: Path) -> BinaryIO:
    try:
        return path.open("ab")
    except OSError as error:
        raise StorageFailure(f"{path}: cannot open it: {error.strerror or error}") from None
