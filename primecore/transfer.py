"""Export and import: the log as JSON lines that lose nothing, and what other memories write as lines, as events.

Knows the service's writes and the formats of other tools; nothing of how events are kept.
"""

from __future__ import annotations

import gzip
import io
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, get_args

import orjson

from primecore import exactjson
from primecore._facts import event_id_text
from primecore._times import time_to_text
from primecore.config import ImportFormat
from primecore.engine import Engine
from primecore.errors import InvalidArgument, InvalidEvent, StorageFailure
from primecore.ingest import Progress, Readable, Writable, open_source
from primecore.model import Edge, ExportReport, IngestReport, Node
from primecore.writes import Writes

FORMATS = get_args(ImportFormat)
HEAD_BYTES = 24 << 20  # a first line may be as long as an event
RELATIONS = uuid.UUID("6f1b1f0e-3f0b-5d3c-9a52-7a6d1c1f8e21")  # names the edges made of relations, for ever


def export(
    engine: Engine, target: str | os.PathLike[str] | Writable, progress: Callable[[int, int | None, int], None] | None
) -> ExportReport:
    """Writes every event up to now as a line that ingest takes back; a file is replaced only once it is whole."""
    until = engine.position
    begun = time.perf_counter()
    if isinstance(target, (str, os.PathLike)):
        nbytes = _export_file(engine, Path(target), until, progress)
    else:
        nbytes = _export_to(engine, target, until, progress)
    return ExportReport(until, until, nbytes, time.perf_counter() - begun)


def _export_file(engine: Engine, path: Path, until: int, progress: Any) -> int:
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as raw:
            if path.suffix == ".gz":
                # Without a name or time in its header, equal logs give equal files.
                with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
                    nbytes = _export_to(engine, packed, until, progress)
            else:
                nbytes = _export_to(engine, raw, until, progress)
            raw.flush()
            os.fsync(raw.fileno())
        partial.replace(path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise StorageFailure(f"{path}: cannot write it: {error.strerror or error}") from None
        raise
    return nbytes


def _export_to(engine: Engine, stream: Writable, until: int, progress: Any) -> int:
    position = nbytes = 0
    for batch in engine.events.batches(until):
        lines = []
        for event_type, entity_id, payload, metadata, event_id, time_us in batch:
            position += 1
            lines.append(_line(position, event_type, entity_id, payload, metadata, event_id, time_us))
        text = b"".join(lines)
        stream.write(text)
        nbytes += len(text)
        if progress is not None:
            progress(position, until, position)
    return nbytes


def _line(
    position: int,
    event_type: bytes,
    entity_id: bytes,
    payload: bytes,
    metadata: bytes | None,
    event_id: bytes | None,
    time_us: int | None,
) -> bytes:
    # Payload and metadata go out as they stand in the log: no number is read and written again.
    line = b'{"position":%d,"event_id":"%s","event_type":%s,"entity_id":%s,"timestamp":"%s","payload":%s' % (
        position,
        event_id_text(event_id or b"").encode(),
        orjson.dumps(event_type.decode()),
        orjson.dumps(entity_id.decode()),
        time_to_text(time_us or 0).encode(),
        payload,
    )
    line += b"}" if metadata is None else b',"metadata":' + metadata + b"}"
    # A line break can only stand between JSON tokens, where a space says the same.
    return line.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"


# --- import ----------------------------------------------------------------------------------------------------------


class Import:
    """One run over one source in any format that is known."""

    def __init__(self, writes: Writes, engine: Engine, on_error: str, progress: Progress | None) -> None:
        if on_error not in ("stop", "skip"):
            raise InvalidArgument(f"on_error: expected 'stop' or 'skip', found {on_error!r}")
        self._writes = writes
        self._engine = engine
        self._on_error = on_error
        self._progress = progress

    def run(self, source: str | os.PathLike[str] | Readable, format: str | None, name: str | None) -> IngestReport:
        """Takes in a path or a binary stream."""
        if format is not None and format not in FORMATS:
            raise InvalidArgument(f"format: expected one of {', '.join(FORMATS)}, found {format!r}")
        with ExitStack() as stack:
            if isinstance(source, (str, os.PathLike)):
                stream: Readable = open_source(stack, Path(source))
                label, name = str(source), name or os.path.realpath(source)
            else:
                stream, label = source, name or str(getattr(source, "name", "<stream>"))
            stream = _Peeked(stream)
            found = format or _format_of(stream.first_line(), label)
            if found == "prime":
                return self._ingest(stream, name)
            lines = _lines_of(stream)
            if found == "allsource":
                text = b"".join(_from_allsource(lines))
                return self._ingest(io.BytesIO(text), name)
            return _Memory(self._writes, self._engine, self._on_error, label).take(lines)

    def _ingest(self, stream: Readable, name: str | None) -> IngestReport:
        return self._writes.ingest(stream, name=name, on_error=self._on_error, progress=self._progress)


class _Peeked:
    """A stream whose first line was looked at."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._head = b""

    def first_line(self) -> bytes:
        while True:
            line, newline, _ = self._head.lstrip(b"\xef\xbb\xbf \t\r\n").partition(b"\n")
            if (line and newline) or len(self._head) > HEAD_BYTES:
                return line
            more = self._stream.read(1 << 16)
            if not more:
                return line
            self._head += more

    def read(self, size: int, /) -> bytes:
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        return self._stream.read(size)


def _format_of(line: bytes, label: str) -> str:
    try:
        first = orjson.loads(line) if line.strip() else {"event_type": ""}
    except orjson.JSONDecodeError:
        return "prime"  # it may be an event all the same, with a number beyond that parser; ingest says what is wrong
    if isinstance(first, dict):
        if first.get("type") in ("entity", "relation"):
            return "mcp-memory"
        if first.get("type") in ("node", "edge", "vector") and "data" in first:
            return "allsource"
        if "event_type" in first:
            return "prime"
    raise InvalidArgument(
        f"{label}: its first line is in none of the formats {', '.join(FORMATS)}", hint="name one with format="
    )


def _lines_of(stream: Readable) -> list[bytes]:
    chunks = []
    while chunk := stream.read(1 << 20):
        chunks.append(chunk)
    return b"".join(chunks).removeprefix(b"\xef\xbb\xbf").split(b"\n")


def _from_allsource(lines: list[bytes]) -> Iterator[bytes]:
    """Lines of AllSource Prime's export, `{"type", "entity_id", "data"}`, as events, line by line.

    Its edges may name their ends by the last part of the node's id; where one node of the file has it, that one is
    meant. What is no such line goes on as it is, to be refused with its number.
    """
    parsed = [_object(line) for line in lines]
    nodes: dict[str, set[str]] = {}
    for it in parsed:
        if it is not None and it.get("type") == "node" and isinstance(it.get("entity_id"), str):
            nodes.setdefault(it["entity_id"].split(":", 2)[-1], set()).add(it["entity_id"])
    kinds = {"node": "prime.node.created", "edge": "prime.edge.created", "vector": "prime.vector.stored"}
    for line, it in zip(lines, parsed, strict=True):
        if it is None or it.get("type") not in kinds or it.keys() != {"type", "entity_id", "data"}:
            yield line + b"\n"
            continue
        data = it["data"]
        if it["type"] == "edge" and isinstance(data, dict):
            data = dict(data)
            for end in ("source", "target"):
                named = data.get(end)
                known = nodes.get(named, set()) if isinstance(named, str) else set()
                if len(known) == 1:
                    [data[end]] = known
        event = {"event_type": kinds[it["type"]], "entity_id": it["entity_id"], "payload": data}
        yield exactjson.dumps(event).encode() + b"\n"


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = exactjson.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


class _Memory:
    """Lines of the MCP reference memory server, brought into the store: what is there already is left as it is.

    An entity becomes `node:{entityType}:{name}` with the properties `name` and `observations`, a relation an edge whose
    id follows from its ends and its name. The file says what is so now and not what happened, so it is compared with
    the store: a second import appends what has changed in between, and removes nothing.
    """

    def __init__(self, writes: Writes, engine: Engine, on_error: str, label: str) -> None:
        self._writes = writes
        self._node, self._edge = engine.views.nodes.node, engine.views.adjacency.edge
        self._engine = engine
        self._skip = on_error == "skip"
        self._label = label
        self._ids: dict[str, str] = {}
        self._read = self._appended = self._duplicates = self._refused = 0

    def take(self, lines: list[bytes]) -> IngestReport:
        begun = time.perf_counter()
        numbered = [(at, line) for at, line in enumerate(lines, 1) if line.strip()]
        try:
            for relations in (False, True):  # entities first, whatever their order in the file
                for at, line in numbered:
                    self._take_line(at, line, relations)
        except InvalidEvent as error:
            error.report = self._report(begun)  # type: ignore[attr-defined]  # what was done until then
            raise
        finally:
            self._engine.wait_durable()
        return self._report(begun)

    def _report(self, begun: float) -> IngestReport:
        seconds = time.perf_counter() - begun
        rate = self._appended / seconds if seconds > 0 else 0.0
        return IngestReport(self._read, self._appended, self._duplicates, self._refused, rate, self._engine.position)

    def _take_line(self, at: int, line: bytes, relations: bool) -> None:
        it = _object(line)
        is_relation = it is not None and it.get("type") == "relation"
        if is_relation != relations:
            return
        self._read += 1
        try:
            if it is None or it.get("type") not in ("entity", "relation"):
                raise self._refusal(at, "type", "expected an object of type entity or relation")
            event = self._relation(at, it) if relations else self._entity(at, it)
            if event is None:
                self._duplicates += 1
                return
            try:
                self._writes.append(event["event_type"], event["entity_id"], event["payload"])
            except InvalidEvent as error:
                raise self._refusal(at, error.field, error.message) from None
            self._appended += 1
        except InvalidEvent:
            self._refused += 1
            if not self._skip:
                raise

    def _refusal(self, at: int, field: str, message: str) -> InvalidEvent:
        return InvalidEvent(f"{self._label}:{at}: {message}", field=field, source=self._label, line=at, column=1)

    def _text(self, at: int, it: dict[str, Any], field: str) -> str:
        value = it.get(field)
        if not isinstance(value, str) or not value:
            raise self._refusal(at, field, f"{field}: expected a string, found {value!r}")
        return value

    def _entity(self, at: int, it: dict[str, Any]) -> dict[str, Any] | None:
        name, kind = self._text(at, it, "name"), self._text(at, it, "entityType")
        observations = it.get("observations", [])
        if not isinstance(observations, list) or not all(isinstance(one, str) for one in observations):
            raise self._refusal(at, "observations", "observations: expected a list of strings")
        node_type = kind.replace(":", "_")
        node_id = f"node:{node_type}:{name}"
        self._ids.setdefault(name, node_id)
        properties: dict[str, Any] = {"name": name, "observations": observations}
        if node_type != kind:
            properties["entityType"] = kind
        node: Node | None = self._node(node_id)
        if node is None:
            payload = {"node_type": node_type, "properties": properties}
            return {"event_type": "prime.node.created", "entity_id": node_id, "payload": payload}
        if all(node.properties.get(key) == value for key, value in properties.items()):
            return None
        return {"event_type": "prime.node.updated", "entity_id": node_id, "payload": {"properties": properties}}

    def _relation(self, at: int, it: dict[str, Any]) -> dict[str, Any] | None:
        ends = []
        for field in ("from", "to"):
            name = self._text(at, it, field)
            if name not in self._ids:
                raise self._refusal(at, field, f"{field}: the file has no entity {name!r}")
            ends.append(self._ids[name])
        relation = self._text(at, it, "relationType")
        edge_id = f"edge:{uuid.uuid5(RELATIONS, exactjson.dumps([ends[0], relation, ends[1]]))}"
        edge: Edge | None = self._edge(edge_id)
        if edge is not None and (edge.source, edge.target, edge.relation) == (*ends, relation):
            return None
        payload = {"source": ends[0], "target": ends[1], "relation": relation}
        return {"event_type": "prime.edge.created", "entity_id": edge_id, "payload": payload}
