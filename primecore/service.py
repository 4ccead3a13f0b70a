"""The service: what can be asked of a store, a plain request in, a plain result out. Limits and defaults live here, answers in the views."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import Any, Final, Self, overload

from primecore import _batch, codec, config
from primecore._facts import event_id_text
from primecore._many import ManyNeighbors
from primecore._reads import Neighbors
from primecore.engine import Engine
from primecore.errors import EdgeNotFound, InvalidArgument, InvalidEvent, NodeNotFound
from primecore.ingest import Ingest, Progress, Readable
from primecore.model import (
    CrossDomain,
    DistantNeighbor,
    Domain,
    Edge,
    Event,
    IngestReport,
    Node,
    Path,
    Receipt,
    ReplayReport,
    Stats,
    Subgraph,
)
from primecore.projections.base import Projection

MAX_SUBGRAPH_NODES = 100_000


class _Unset:
    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = _Unset()  # "not given", where None means "clear it"

Json = Mapping[str, Any]
EventId = str | uuid.UUID
Time = datetime | str


def open(
    path: str | os.PathLike[str] | None = None,
    *,
    read_only: bool = False,
    create: bool = True,
    fsync: str = "interval",
    fsync_interval_ms: int = config.FSYNC_INTERVAL_MS,
) -> Prime:
    """Opens a store, making it where there is none: a directory, or ":memory:".

    Without a path: the environment's PRIME_DATA_DIR, else ~/.prime/memory. One process at a time may write; `read_only` takes no lock
    and never changes a byte. `fsync` says when appends reach stable storage: "interval" (every `fsync_interval_ms`), "always" (before
    an append returns) or "never" (when the operating system likes).

    Raises StoreLocked, StoreNotFound, CorruptLog, DiskFull, StorageFailure, InvalidArgument.

    >>> with primecore.open(":memory:") as prime:
    ...     prime.add_node("person", {"name": "Alice"}, id="alice")
    'node:person:alice'
    """
    return Prime(
        config.settings(
            path, read_only=read_only, create=create, fsync=fsync, fsync_interval_ms=fsync_interval_ms
        )
    )


class Prime:
    """An open store. Safe to use from many threads. Close it, or use it in a `with` block.

    Every write takes these keywords: `expected_version` (int: how many events the entity must have; VersionConflict), `event_id`
    (UUID: the same event again is a no-op; IdempotencyConflict for another one), `timestamp` (aware datetime or RFC 3339 text),
    `metadata` (dict), `durable` (wait for stable storage). Writes raise InvalidEvent, LimitExceeded, DiskFull, StorePoisoned,
    OutcomeUnknown and StoreClosed.
    """

    def __init__(self, settings: config.Settings, progress: Callable[[int], None] | None = None) -> None:
        self._engine = Engine(settings, progress)
        self._views = self._engine.views
        self._append = self._engine.pipeline.append
        self._always = settings.fsync == "always"
        # Straight to the compiled method: a Python frame would cost a fifth of the answer.
        self.neighbors = self._views.adjacency.neighbors  # type: ignore[method-assign]

    # Life.

    def __enter__(self) -> Self:
        self._engine.check()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Makes everything durable and lets the store go. Closing twice is fine; any other use of a closed store raises StoreClosed."""
        self._engine.close()

    @property
    def path(self) -> str:
        """The store's directory, or ":memory:"."""
        return config.MEMORY if self._engine.settings.path is None else str(self._engine.settings.path)

    @property
    def position(self) -> int:
        """The applied position: the number of events that reads show."""
        return self._engine.position

    @property
    def durable_position(self) -> int:
        """Every event up to it survives power loss."""
        return int(self._engine.log.wal.durable_position)

    @property
    def recovery(self) -> Any:
        """What opening found to mend, or None."""
        return self._engine.log.recovery

    def flush(self, timeout: float | None = None) -> int:
        """Waits until everything appended so far is on stable storage; returns the durable position. Raises OutcomeUnknown, TimeoutError."""
        return self._engine.wait_durable(None, timeout)

    def digest(self) -> str:
        """A hash over the position and the content of all projections kept at once: equal for equal content, however it came about."""
        return self._engine.digest()[1]

    # Writes.

    def append(
        self,
        event_type: str,
        entity_id: str,
        payload: Json | None = None,
        *,
        expected_version: int | None = None,
        event_id: EventId | None = None,
        timestamp: Time | None = None,
        metadata: Json | None = None,
        durable: bool = False,
    ) -> Receipt:
        """Appends one event of any type: a fact, taken as it comes.

        >>> prime.append("order.placed", "order:17", {"total": 40}).version
        1
        """
        prepared = codec.prepare(event_type, entity_id, payload, event_id, timestamp, metadata)
        return self._write(prepared, expected_version, durable, False)

    def _write(self, prepared: codec.Prepared, expected_version: int | None, durable: bool, strict: bool) -> Receipt:
        self._engine.check()
        if expected_version is not None:
            _check_count(expected_version, "expected_version")
        position, version, event_id, duplicate = self._append(prepared, expected_version, strict)
        if durable or self._always:
            self._engine.wait_durable(position)
        return Receipt(position, version, event_id_text(event_id), duplicate)

    def append_many(self, events: Iterable[Event | Json], *, durable: bool = False) -> list[Receipt]:
        """Appends a batch of envelopes (dicts, which may carry `expected_version`, or Events) whole or not at all.

        At most 32 MiB of log a batch (LimitExceeded). What is wrong with one event refuses them all.
        """
        self._engine.check()
        batch = [codec.prepare_envelope(event) for event in events]
        for _, expected in batch:
            if expected is not None:
                _check_count(expected, "expected_version")
        answers = _batch.append_many(self._engine.pipeline, [prepared for prepared, _ in batch], [expected for _, expected in batch])
        if answers and (durable or self._always):
            self._engine.wait_durable(max(answer[0] for answer in answers))
        return [Receipt(position, version, event_id_text(id), duplicate) for position, version, id, duplicate in answers]

    def _typed(
        self, event_type: str, entity_id: str, payload: Json, strict: bool, envelope: dict[str, Any]
    ) -> Receipt:
        expected_version = envelope.pop("expected_version", None)
        durable = envelope.pop("durable", False)
        for name in envelope:
            if name not in ("event_id", "timestamp", "metadata"):
                raise TypeError(f"unexpected keyword argument {name!r}")
        prepared = codec.prepare(event_type, entity_id, payload, **envelope)
        try:
            return self._write(prepared, expected_version, durable, strict)
        except InvalidEvent as error:
            if not strict or error.field not in ("entity_id", "payload.source", "payload.target"):
                raise
            # What can be no node's or edge's id names none.
            missing = entity_id if error.field == "entity_id" else payload[error.field.removeprefix("payload.")]
            if event_type.startswith("prime.node.") or error.field != "entity_id":
                raise NodeNotFound(f"there is no node {missing}", hint="node ids look like node:{type}:{id}") from None
            raise EdgeNotFound(f"there is no edge {missing}", hint="edge ids look like edge:{id}") from None

    def add_node(
        self,
        type: str,
        properties: Json | None = None,
        *,
        id: str | None = None,
        domain: str | None = None,
        labels: Sequence[str] | None = None,
        **envelope: Any,
    ) -> str:
        """Adds a node, or replaces what a live one says of itself; returns its id, `node:{type}:{id}`. Without `id`: that of `event_id`, else random.

        >>> prime.add_node("person", {"name": "Bob", "domain": "engineering"}, id="bob")
        'node:person:bob'
        """
        if not isinstance(type, str) or not type or ":" in type:
            raise InvalidArgument(f"type: expected a word without colons, found {type!r}")
        if id is not None and (not isinstance(id, str) or not id):
            raise InvalidArgument(f"id: expected text, found {id!r}")
        node_id = f"node:{type}:{_new_id(envelope) if id is None else id}"
        payload: dict[str, Any] = {"node_type": type, "properties": {} if properties is None else properties}
        if domain is not None:
            payload["domain"] = domain
        if labels is not None:
            payload["labels"] = _labels(labels)
        self._typed("prime.node.created", node_id, payload, False, envelope)
        return node_id

    def update_node(
        self,
        id: str,
        properties: Json | None = None,
        *,
        domain: str | _Unset | None = UNSET,
        labels: Sequence[str] | None = None,
        **envelope: Any,
    ) -> Receipt:
        """Merges `properties` into a live node's (RFC 7396: None removes); `domain=None` clears it. Raises NodeNotFound."""
        payload: dict[str, Any] = {"properties": {} if properties is None else properties}
        if not isinstance(domain, _Unset):
            payload["domain"] = domain
        if labels is not None:
            payload["labels"] = _labels(labels)
        return self._typed("prime.node.updated", id, payload, True, envelope)

    def delete_node(self, id: str, **envelope: Any) -> Receipt:
        """Deletes a live node, and with it its edges, vector and text. History keeps them. Raises NodeNotFound."""
        return self._typed("prime.node.deleted", id, {}, True, envelope)

    def add_edge(
        self,
        source: str,
        target: str,
        relation: str,
        *,
        weight: float | None = None,
        properties: Json | None = None,
        id: str | None = None,
        valid_from: Time | None = None,
        valid_to: Time | None = None,
        **envelope: Any,
    ) -> str:
        """Joins two live nodes; returns the edge's id, `edge:{id}`. The same id again replaces the edge. Raises NodeNotFound.

        >>> prime.add_edge("node:person:alice", "node:person:bob", "knows", weight=0.5, id="ab")
        'edge:ab'
        """
        if id is not None and (not isinstance(id, str) or not id):
            raise InvalidArgument(f"id: expected text, found {id!r}")
        edge_id = f"edge:{_new_id(envelope) if id is None else id}"
        payload: dict[str, Any] = {"source": source, "target": target, "relation": relation}
        if weight is not None:
            payload["weight"] = weight
        if properties is not None:
            payload["properties"] = properties
        if valid_from is not None:
            payload["valid_from"] = codec.format_time(valid_from, "valid_from")
        if valid_to is not None:
            payload["valid_to"] = codec.format_time(valid_to, "valid_to")
        self._typed("prime.edge.created", edge_id, payload, True, envelope)
        return edge_id

    def update_edge(
        self,
        id: str,
        *,
        weight: float | None = None,
        properties: Json | None = None,
        valid_from: Time | _Unset | None = UNSET,
        valid_to: Time | _Unset | None = UNSET,
        **envelope: Any,
    ) -> Receipt:
        """Changes a live edge; `properties` are merged (RFC 7396), `valid_from=None` clears it. Raises EdgeNotFound."""
        payload: dict[str, Any] = {}
        if weight is not None:
            payload["weight"] = weight
        if properties is not None:
            payload["properties"] = properties
        for name, value in (("valid_from", valid_from), ("valid_to", valid_to)):
            if not isinstance(value, _Unset):
                payload[name] = None if value is None else codec.format_time(value, name)
        return self._typed("prime.edge.updated", id, payload, True, envelope)

    def delete_edge(self, id: str, **envelope: Any) -> Receipt:
        """Deletes a live edge. Raises EdgeNotFound."""
        return self._typed("prime.edge.deleted", id, {}, True, envelope)

    def ingest(
        self,
        source: str | os.PathLike[str] | Readable,
        *,
        name: str | None = None,
        on_error: str = "stop",
        quarantine: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
    ) -> IngestReport:
        """Takes in JSON lines from a path (.gz and .zst too) or a binary stream; what was appended is durable when it returns.

        A line that is no event stops it with InvalidEvent (IdempotencyConflict for a taken id) whose `report` says what was done;
        `on_error="skip"` goes on, "quarantine" also appends the line to the file `quarantine`. Lines without an id get one from `name`
        (default for a path: the real path), line number and bytes, so that the same file again appends nothing; a stream without a
        `name` gets random ids. `progress(bytes_read, bytes_total or None, lines)` is called about every MiB.
        """
        self._engine.check()
        run = Ingest(
            self._engine.pipeline, self._engine.wait_durable, on_error=on_error, quarantine=quarantine, progress=progress
        )
        return run.run(source, name)

    # Reads.

    def node(self, id: str) -> Node | None:
        """The live node of this id, or None."""
        return self._views.nodes.node(id)

    def nodes(
        self,
        *,
        type: str | None = None,
        domain: str | None = None,
        label: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Node]:
        """Live nodes in order of creation; `after` (the id of a live node) continues a page. Raises InvalidArgument."""
        limit = _check_limit(limit)
        if domain is not None:
            return self._views.domains.nodes(domain, type, after, label, limit)
        return self._views.types.nodes(type, after, label, limit)

    def edge(self, id: str) -> Edge | None:
        """The live edge of this id, or None."""
        return self._views.adjacency.edge(id)

    def edges(
        self,
        *,
        relation: str | None = None,
        source: str | None = None,
        target: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Edge]:
        """Live edges in order of creation; `after` (an edge's id) continues a page. Raises InvalidArgument."""
        return self._views.adjacency.edges(relation, source, target, after, _check_limit(limit))

    @overload
    def neighbors(
        self, id: str, *, relation: str | None = None, direction: str = "both", limit: int | None = None
    ) -> Neighbors: ...
    @overload
    def neighbors(
        self, id: str, *, relation: str | None = None, direction: str = "both", depth: int, limit: int | None = None
    ) -> Neighbors | list[DistantNeighbor]: ...
    def neighbors(
        self, id: str, *, relation: str | None = None, direction: str = "both", depth: int = 1, limit: int | None = None
    ) -> Neighbors | list[DistantNeighbor]:
        """Who is joined to a node, as of now: a sequence of Neighbor, out first, then in, each in order of the edges' creation.

        It costs what is looked at: its length little, its items when first read; it never changes. `relation` keeps one relation,
        `direction` is "out", "in" or "both" (a self-loop then shows once, as "out"), `limit` keeps the first ones. Edges whose other
        end is not live show too; an id that nothing names has no neighbours. With `depth` over 1, breadth first: a list of
        DistantNeighbor, each peer once. Raises InvalidArgument.

        >>> prime.neighbors("node:person:alice", relation="works_on").peers()
        ['node:project:auth']
        """
        return self._views.adjacency.neighbors(id, relation=relation, direction=direction, depth=depth, limit=limit)

    def neighbors_many(
        self, ids: Iterable[str], *, relation: str | None = None, direction: str = "both"
    ) -> ManyNeighbors:
        """Neighbours of many ids at one position, as rows of numbers in arrays; without the GIL while it looks them up.

        >>> rows = prime.neighbors_many(["node:person:alice", "node:person:nobody"])
        >>> [len(row) for row in rows]
        [1, 0]
        """
        self._engine.check()
        if isinstance(ids, str):
            raise InvalidArgument(f"ids: expected an iterable of ids, found the string {ids!r}")
        return self._views.adjacency.neighbors_many(ids, relation, direction)

    def subgraph(self, ids: str | Iterable[str], *, depth: int = 1, limit: int = 1000) -> Subgraph:
        """The live nodes within `depth` edges of the starts (at most `limit`, nearest first) and the live edges among them."""
        self._engine.check()
        if _check_count(limit, "limit") > MAX_SUBGRAPH_NODES:
            raise InvalidArgument(f"limit: expected at most {MAX_SUBGRAPH_NODES:,}, found {limit:,}")
        return self._views.adjacency.subgraph([ids] if isinstance(ids, str) else ids, _check_count(depth, "depth"), limit)

    def shortest_path(
        self,
        source: str,
        target: str,
        *,
        weighted: bool = False,
        direction: str = "both",
        relation: str | None = None,
        max_depth: int | None = None,
    ) -> Path | None:
        """A path with the fewest edges, or with `weighted` one with the least sum of weights (Dijkstra; weights of 0 or more); or None.

        `direction` is how edges may be walked: "out" along them, "in" against them, "both". `max_depth` bounds the edges of an
        unweighted path. Raises InvalidArgument for a negative weight met on the way.
        """
        self._engine.check()
        if max_depth is not None:
            if weighted:
                raise InvalidArgument("max_depth: a weighted path has no bound on its edges")
            _check_count(max_depth, "max_depth")
        return self._views.adjacency.shortest_path(source, target, weighted, direction, relation, max_depth)

    def history(self, id: str, *, limit: int | None = None, after: int | None = None) -> Iterator[Event]:
        """The events of an entity, oldest first, behind position `after`."""
        self._engine.check()
        positions = [position for position in self._views.history.positions(id) if position > (after or 0)]
        return map(self._engine.events.read, islice(positions, _check_limit(limit)))

    def events(
        self,
        *,
        after: int = 0,
        until: int | None = None,
        event_type: str | None = None,
        entity_id: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Event]:
        """The log's events behind position `after` up to `until` (default: up to now), of one type or entity if asked."""
        self._engine.check()
        _check_count(after, "after")
        if until is not None:
            _check_count(until, "until")
        found: Iterator[Event]
        if entity_id is not None:
            found = (
                event
                for event in self.history(entity_id, after=after)
                if (until is None or event.position <= until) and event_type in (None, event.event_type)
            )
        elif event_type is not None:
            found = self._of_type(event_type, after, self.position if until is None else min(until, self.position))
        else:
            found = self._engine.read_events(after, until)
        return islice(found, _check_limit(limit))

    def _of_type(self, event_type: str, after: int, until: int) -> Iterator[Event]:
        reader = self._engine.events
        return (
            reader.read(position) for position in range(after + 1, until + 1) if reader.matches(position, event_type)
        )

    def domains(self) -> list[Domain]:
        """Every domain that has live nodes, the largest first, then by name."""
        return self._engine.one_look(self._views.domains.domains)

    def cross_domain(self, source: str | None = None, target: str | None = None) -> list[CrossDomain]:
        """Pairs of domains that live edges lead between, by name, with relations and edge ids."""
        return self._engine.one_look(lambda: self._views.cross_domain.pairs(source, target))

    def stats(self) -> Stats:
        """Counts of everything, each equal to a recount, and the state of the log."""
        return self._engine.one_look(self._stats)

    def _stats(self) -> Stats:
        views, log = self._views, self._engine.log.stats()
        counters = views.stats.counters
        memory: dict[str, int] = {"dedupe": self._engine.pipeline.dedupe.used_bytes}
        for view in views.all():
            memory.update(view.memory_bytes())
        return Stats(
            events=self.position,
            position=self.position,
            durable_position=log.durable_position,
            nodes=counters.nodes,
            edges=counters.edges,
            dangling_edges=counters.dangling_edges,
            ignored_events=counters.ignored_events,
            vectors=counters.vectors,
            nodes_by_type=views.types.counts(),
            edges_by_relation=views.stats.relations(),
            domains=views.domains.counts(),
            cross_domain_edges=views.cross_domain.total,
            wal_bytes=log.wal_bytes,
            wal_segments=log.segments,
            memory_bytes=dict(sorted(memory.items())),
            oldest_unsynced_ms=log.oldest_unsynced_ms,
            worst_unsynced_ms=log.worst_unsynced_ms,
            fsync=self._engine.settings.fsync,
            projections={view.name: self.position for view in views.all()} | self._engine.runner.positions(),
            parked=self._engine.runner.parked(),
        )

    # Projections.

    def register(self, projection: Projection) -> None:
        """Feeds a projection of your own from the first event on, in the background. Raises InvalidArgument."""
        self._engine.check()
        self._engine.runner.register(projection)

    def projection(self, name: str, *, timeout: float | None = None) -> Projection:
        """A registered projection, once it has seen all that was appended before. Raises TimeoutError; PrimeError when it is parked."""
        self._engine.check()
        return self._engine.runner.get(name, timeout)

    def replay(
        self,
        *,
        verify: bool = False,
        into: str | os.PathLike[str] | None = None,
        to: int | None = None,
        progress: Progress | None = None,
    ) -> ReplayReport:
        """Rebuilds all projections from the log, beside the live ones, up to position `to`; `verify` compares the digests.

        `progress(events, events_in_all, events)` is called now and then.
        With `into`, the events up to `to` are also copied to a new store there, which must not exist. Raises InvalidArgument, CorruptLog.
        """
        last = self.position if to is None else to
        report = self._engine.replay(
            to, verify, None if progress is None else lambda position: progress(position, last, position)
        )
        if into is not None:
            self._copy(into, report.position)
        return report

    def _copy(self, into: str | os.PathLike[str], until: int) -> None:
        settings = config.settings(into)
        if settings.path is not None and settings.path.exists():
            raise InvalidArgument(f"into: {settings.path} exists already", hint="name a directory that does not")
        with Prime(settings) as copy:
            for batch in self._engine.events.batches(until):
                _batch.append_many(copy._engine.pipeline, batch, [None] * len(batch))


def _check_count(value: int, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidArgument(f"{name}: expected an integer from 0 up, found {value!r}")
    return value


def _check_limit(limit: int | None) -> int | None:
    return None if limit is None else _check_count(limit, "limit")


def _new_id(envelope: dict[str, Any]) -> uuid.UUID:
    # With an event id of the caller's, a retry must make the same entity.
    event_id = envelope.get("event_id")
    return uuid.uuid4() if event_id is None else uuid.UUID(bytes=codec.encode_event_id(event_id))


def _labels(labels: Sequence[str]) -> list[str]:
    if isinstance(labels, str) or not all(isinstance(label, str) for label in labels):
        raise InvalidArgument(f"labels: expected a list of strings, found {labels!r}")
    return list(labels)
