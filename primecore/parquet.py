"""History files: sealed segments of the log as Parquet. Writing, proving and reading them by position; pyarrow is lazy.

docs/format.md ("History") has the columns. A file says the same as the segments it replaces, to the byte of each
payload: the log's hash chain, computed again from its rows, must come to what the manifest noted when the segments
were sealed.
"""

from __future__ import annotations

import bisect
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeGuard

from primecore import manifest
from primecore._crc32c import crc32c
from primecore._rows import Gathered, Rows
from primecore.errors import CorruptLog
from primecore.manifest import HistoryFile
from primecore.refusals import failure
from primecore.storage import Storage

FORMAT = 1
FOLDER = "history"
CODECS = ("zstd", "snappy")
ZSTD_LEVEL = 6
ROW_GROUP_EVENTS = 512  # what reading one event of the past decodes; larger ones take some percent less room
ROW_GROUP_BYTES = 32 << 20  # of payload: a few large events fill a row group too
CACHE_BYTES = 64 << 20
FIXED = {"position": 8, "timestamp": 8, "version": 4, "flags": 1, "event_id": 16, "nonce": 16}
TEXTS = ("event_type", "entity_id", "payload", "metadata")
COLUMNS = (*FIXED, *TEXTS)
CORE = ("position", "timestamp", "version", "flags", "event_type", "payload")  # what tells an entity's state
PLAIN = ("position", "version", "event_type", "flags")  # packed small already: unpacking them twice takes longer


def path_of(directory: str, name: str) -> str:
    """The path of a history file."""
    return os.path.join(directory, FOLDER, name)


def file_name(base_position: int, last_position: int) -> str:
    """The name of the history file of these positions."""
    return f"{base_position:020d}-{last_position:020d}.parquet"


# --- writing


def schema() -> Any:
    """The Arrow schema of a history file."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("position", pa.int64(), nullable=False),
            pa.field("version", pa.uint32(), nullable=False),
            pa.field("event_type", pa.string(), nullable=False),
            pa.field("entity_id", pa.string(), nullable=False),
            pa.field("timestamp", pa.timestamp("us", tz="UTC"), nullable=False),
            pa.field("payload", pa.string(), nullable=False),
            pa.field("metadata", pa.string(), nullable=False),
            pa.field("event_id", pa.binary(16), nullable=False),
            pa.field("nonce", pa.binary(16), nullable=False),
            pa.field("flags", pa.uint8(), nullable=False),
        ]
    )


def encode(groups: Iterator[Gathered], codec: str, facts: dict[str, Any]) -> memoryview:
    """A Parquet file with one row group for each of `groups`; `facts` go into its metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    form = schema().with_metadata({"prime": json.dumps(facts | {"format": FORMAT}, sort_keys=True)})
    out = pa.BufferOutputStream()
    packed = [name for name in form.names if name not in PLAIN]
    writer = pq.ParquetWriter(
        out,
        form,
        compression=dict.fromkeys(form.names, "none") | dict.fromkeys(packed, codec),
        compression_level=dict.fromkeys(packed, ZSTD_LEVEL) if codec == "zstd" else None,
        use_dictionary=["event_type"],
        column_encoding=dict.fromkeys(("position", "timestamp", "version", "flags"), "DELTA_BINARY_PACKED")
        | dict.fromkeys(("payload", "metadata"), "DELTA_LENGTH_BYTE_ARRAY") | {"entity_id": "DELTA_BYTE_ARRAY"},
        write_statistics=["position", "timestamp"],
        data_page_version="2.0",
        data_page_size=1 << 20,
        write_page_checksum=True,
    )  # fmt: skip
    with writer:
        for gathered in groups:
            writer.write_table(pa.Table.from_arrays(_arrays(gathered, form), schema=form), row_group_size=1 << 30)
    return memoryview(out.getvalue()).cast("B")


def _arrays(gathered: Gathered, form: Any) -> list[Any]:
    import pyarrow as pa

    arrays = []
    for field in form:
        buffers = gathered.columns[field.name]
        parts = [buffers] if isinstance(buffers, bytes) else list(buffers)
        arrays.append(
            pa.Array.from_buffers(field.type, gathered.count, [None, *(pa.py_buffer(part) for part in parts)])
        )
    return arrays


# --- reading


class _Open(NamedTuple):
    file: HistoryFile
    reader: Any
    starts: list[int]  # first position of each row group, rising; then one behind the last


class History:
    """The history files of one store, read by position. `known()` gives those that the manifest lists, oldest first.

    Safe to use from many threads. Decoded row groups are kept, up to CACHE_BYTES: whole, or their CORE columns alone.
    """

    def __init__(self, storage: Storage, directory: str, known: Callable[[], tuple[HistoryFile, ...]]) -> None:
        self._storage = storage
        self._directory = directory
        self._known = known
        self._open: dict[str, _Open] = {}
        self._cache: OrderedDict[tuple[str, int, bool], Rows] = OrderedDict()
        self._cached_bytes = 0
        self._lock = threading.Lock()
        self._latest: Rows | None = None
        self._anew: tuple[HistoryFile, ...] = ()  # as the manifest lists them since a file was found to be replaced

    def rows(self, position: int, core: bool = False) -> Rows:
        """The decoded row group that holds a position. Raises CorruptLog, naming the file, and StorageFailure.

        With `core` only the CORE columns need be there; of the others all is empty or zero.
        """
        latest = self._latest
        if latest is not None and latest.first <= position <= latest.last:
            return latest
        with self._lock:
            file = self._file_of(position, self._anew or self._known())
            if file is None:
                raise CorruptLog(
                    f"no file of {self._directory} holds the event at position {position}",
                    path=self._directory,
                    position=position,
                    hint="look with `prime verify`; copy what holds with `prime repair --salvage NEWDIR`",
                )
            try:
                try:
                    found = self._rows_of(file, position, core)
                except FileNotFoundError:
                    # Beside a reader the owner writes the last file anew, with more in it.
                    known = manifest.load(self._storage, self._directory)
                    anew = self._file_of(position, known.history if known is not None else ())
                    if known is None or anew is None or anew == file:
                        raise
                    self._anew = known.history
                    file = anew
                    found = self._rows_of(file, position, core)
            except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
                path = path_of(self._directory, file.name)
                if is_refused(error):
                    raise failure(error, path) from error
                raise damaged(path, file.base_position, str(error)) from error
            if not core:
                self._latest = found
            return found

    @staticmethod
    def _file_of(position: int, files: tuple[HistoryFile, ...]) -> HistoryFile | None:
        return next((it for it in files if it.base_position <= position <= it.last_position), None)

    def _rows_of(self, file: HistoryFile, position: int, core: bool) -> Rows:
        opened = self._open.get(file.name)
        if opened is None:
            opened = self._open[file.name] = open_file(self._storage, self._directory, file)
        number = bisect.bisect_right(opened.starts, position) - 1
        key = (file.name, number, False)
        if core and key not in self._cache:
            key = (file.name, number, True)
        rows = self._cache.get(key)
        if rows is None:
            rows = self._cache[key] = read_group(opened, number, CORE if core else COLUMNS)
            self._cached_bytes += rows.nbytes
            while self._cached_bytes > CACHE_BYTES and len(self._cache) > 1:
                _, dropped = self._cache.popitem(last=False)
                self._cached_bytes -= dropped.nbytes
        self._cache.move_to_end(key)
        return rows

    def forget(self) -> None:
        """Close files that the manifest does not list any more."""
        with self._lock:
            self._anew = ()
            names = {file.name for file in self._known()}
            self._open = {name: opened for name, opened in self._open.items() if name in names}

    def groups(self, file: HistoryFile) -> Iterator[Rows]:
        """All row groups of a file, oldest first, not kept. Raises OSError, ValueError."""
        return groups(self._storage, self._directory, file)


def open_file(storage: Storage, directory: str, file: HistoryFile) -> _Open:
    """Open a history file and find its row groups. Raises OSError, ValueError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    mapping = storage.map(path_of(directory, file.name), writable=False, fresh=True)
    if len(mapping) != file.nbytes:
        raise ValueError(f"it has {len(mapping)} bytes instead of {file.nbytes}")
    reader = pq.ParquetFile(pa.BufferReader(pa.py_buffer(mapping)), page_checksum_verification=True, memory_map=False)
    told = json.loads((reader.schema_arrow.metadata or {}).get(b"prime", b"{}"))
    if (told.get("base_position"), told.get("last_position")) != (file.base_position, file.last_position):
        raise ValueError("it does not hold the positions that its name says")
    starts = [file.base_position]
    for number in range(reader.metadata.num_row_groups):
        starts.append(starts[-1] + reader.metadata.row_group(number).num_rows)
    if starts[-1] != file.last_position + 1:
        raise ValueError(f"its rows end at position {starts[-1] - 1} instead of {file.last_position}")
    return _Open(file, reader, starts)


def read_group(opened: _Open, number: int, names: tuple[str, ...] = COLUMNS) -> Rows:
    """One row group, decoded; columns that are not among `names` are empty, or zeros. Raises OSError, ValueError."""
    table = opened.reader.read_row_group(number, columns=list(names), use_threads=False)
    columns: dict[str, tuple[int, int, Any]] = {}
    if len(names) < len(COLUMNS):
        import pyarrow as pa

        nothing = pa.py_buffer(bytes(16 * (table.num_rows + 1)))
        at = (nothing.address, nothing.size, nothing)
        columns |= {name: at for name in FIXED}
        columns |= {f"{name}.{part}": at for name in TEXTS for part in ("offsets", "data")}
    for name in table.column_names:
        chunked = table.column(name)
        array = chunked.chunk(0) if chunked.num_chunks == 1 else chunked.combine_chunks()
        if array.null_count or array.offset:
            raise ValueError(f"column {name} is not laid out as expected")
        if name == "event_type" and hasattr(array, "dictionary_decode"):
            array = array.dictionary_decode()
        buffers = array.buffers()
        if name in FIXED:
            columns[name] = (buffers[1].address, buffers[1].size, buffers[1])
        else:
            data = buffers[2]
            columns[name + ".offsets"] = (buffers[1].address, buffers[1].size, buffers[1])
            columns[name + ".data"] = (data.address, data.size, data) if data is not None else (0, 0, b"")
    return Rows(columns, opened.starts[number], opened.starts[number + 1] - opened.starts[number])


# --- proving


def is_refused(error: Exception) -> TypeGuard[OSError]:
    """Whether it is the system that did not give what it has: pyarrow, too, raises OSError, for what does not hold."""
    return isinstance(error, OSError) and error.errno is not None and not isinstance(error, FileNotFoundError)


def verify(storage: Storage, directory: str, file: HistoryFile) -> str:
    """As `prove`, with a file that cannot be read as one more reason. Never raises."""
    try:
        return prove(storage, directory, file)
    except OSError as error:
        return str(error)


def prove(storage: Storage, directory: str, file: HistoryFile) -> str:
    """Prove that a history file says what the segments said: recompute the log's chain from its rows.

    Gives "" where it does, else the reason. Raises OSError where the system does not let it be read.
    """
    try:
        with memoryview(storage.map(path_of(directory, file.name), writable=False)) as whole:
            if len(whole) != file.nbytes or crc32c(whole) != file.crc32c:
                return "its bytes are not those that were written"
        chain = bytes.fromhex(file.previous_chain)
        opened = open_file(storage, directory, file)
        for number in range(len(opened.starts) - 1):
            chain = read_group(opened, number).chain(chain)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        if is_refused(error):
            raise
        return str(error)
    return "" if chain.hex() == file.chain else "its events are not those that the log held: the chain does not fit"


def told(storage: Storage, directory: str, store_uuid: str) -> tuple[HistoryFile, ...]:
    """The history files of a store whose manifest is lost, as they tell of themselves; `verify` proves them.

    Of files that overlap, the one that reaches further. Files that cannot be read are left out. Raises OSError.
    """
    folder = os.path.join(directory, FOLDER)
    found = []
    for name in storage.names(folder) if storage.is_directory(folder) else ():
        try:
            file = _told(storage, directory, name, store_uuid) if name.endswith(".parquet") else None
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if file is not None:
            found.append(file)
    files: list[HistoryFile] = []
    for file in sorted(found, key=lambda it: (it.base_position, -it.last_position)):
        if not files or file.base_position > files[-1].last_position:
            files.append(file)
    return tuple(files)


def _told(storage: Storage, directory: str, name: str, store_uuid: str) -> HistoryFile | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = storage.read(path_of(directory, name))
    facts = json.loads(pq.read_schema(pa.BufferReader(data)).metadata[b"prime"])
    if store_uuid and facts["store_uuid"] != store_uuid:
        return None
    segments = facts["segments"]
    return HistoryFile(
        name, int(facts["base_position"]), int(facts["last_position"]), int(segments[-1]["segment_id"]), len(data),
        crc32c(data), 0, facts["previous_chain"], facts["chain"],
    )  # fmt: skip


def chain_at(storage: Storage, directory: str, file: HistoryFile, position: int) -> str:
    """The log's chain hash behind the event at a position that the file holds. Raises OSError, ValueError."""
    chain = bytes.fromhex(file.previous_chain)
    for rows in groups(storage, directory, file):
        if rows.first > position:
            break
        chain = rows.chain(chain, position)
    return chain.hex()


def groups(storage: Storage, directory: str, file: HistoryFile) -> Iterator[Rows]:
    """All row groups of a file, oldest first. Raises OSError, ValueError."""
    opened = open_file(storage, directory, file)
    for number in range(len(opened.starts) - 1):
        yield read_group(opened, number)


def damaged(path: str, position: int, reason: str) -> CorruptLog:
    """The error for a history file that is missing or damaged."""
    return CorruptLog(
        f"{path}, from position {position} on: {reason}; everything in other files is safe, nothing was changed",
        path=path,
        position=position,
        hint="look with `prime verify`, read what holds with read_only=True, copy it with "
        "`prime repair --salvage NEWDIR`",
    )
