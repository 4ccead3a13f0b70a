"""The service: what can be asked of a store, a plain request in, a plain result out.

Limits and defaults live here, answers in the views.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import Any, Self, overload

from primecore import _batch, config
from primecore._many import ManyNeighbors
from primecore._reads import Neighbors
from primecore.engine import Engine
from primecore.errors import InvalidArgument
from primecore.follower import Follower
from primecore.ingest import Progress
from primecore.memories import Memories
from primecore.model import (
    BackupReport,
    CheckpointReport,
    CompactionReport,
    CrossDomain,
    Diagnosis,
    DistantNeighbor,
    Domain,
    Edge,
    Event,
    Node,
    OpeningReport,
    Path,
    ReplayReport,
    Stats,
    Subgraph,
    VerifyReport,
)
from primecore.owner import Listener
from primecore.past.verbs import PastVerbs
from primecore.projections.base import Projection
from primecore.searches import Searches
from primecore.segments import SegmentSizes
from primecore.storage import Storage
from primecore.writes import check_count

MAX_SUBGRAPH_NODES = 100_000
MAX_JSON_NEIGHBORS = 1_000_000


class Prime(Memories, PastVerbs, Searches):
    """An open store. Safe to use from many threads. Close it, or use it in a `with` block."""

    def __init__(
        self,
        settings: config.Settings,
        progress: Callable[[int], None] | None = None,
        storage: Storage | None = None,
        sizes: SegmentSizes | None = None,
    ) -> None:
        self._pid = os.getpid()
        self._changing = threading.RLock()
        self._closed = False
        self._follower: Follower | None = None
        self._listener: Listener | None = None
        self._use(Engine(settings, progress, storage, sizes))
        if settings.read_only:
            self._follower = Follower(self._engine, self._read_anew)
        elif settings.path is not None and storage is None:
            self._listener = Listener(str(settings.path), self)

    def _use(self, engine: Engine) -> None:
        # Everything that belongs to one engine: a follower may come to another.
        super()._use(engine)
        self._views = engine.views
        # Straight to the compiled method: a Python frame would cost a fifth of the answer.
        self.neighbors = self._views.adjacency.neighbors  # type: ignore[method-assign]

    def _replace(self, new: Engine, old: Engine, same_log: bool) -> None:
        new.succeed(old, same_log)
        self._use(new)

    def _read_anew(self, new: Engine, old: Engine) -> None:
        # The follower's thread has read another log than before.
        with self._changing:
            if self._closed or self._engine is not old:
                new.close()
            else:
                self._replace(new, old, new.continues(old))

    # Life.

    def __enter__(self) -> Self:
        self._engine.check()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Makes everything durable and lets the store go.

        Closing twice is fine; any other use of a closed store raises StoreClosed.
        """
        if os.getpid() != self._pid:
            return  # the parent's, and its locks may be held for ever here
        with self._changing:
            self._closed = True
            if self._follower is not None:
                self._follower.stop()
                self._follower = None  # it knows this store, and cycles live on
            if self._listener is not None:
                self._listener.stop()
                self._listener = None
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
        return self._engine.durable_position

    @property
    def recovery(self) -> Any:
        """What opening found to mend, or None."""
        return self._engine.log.recovery

    @property
    def opening(self) -> OpeningReport:
        """How the store came up: from a checkpoint, by replaying the log, or from both."""
        return self._engine.opening

    def checkpoint(self) -> CheckpointReport:
        """Writes all tables to a file, so that the next opening maps them back instead of replaying the log.

        Writers wait for some milliseconds, readers do not. Happens by itself, too (see `open`). Raises
        InvalidArgument for a store that is in memory, read-only or empty; DiskFull, StorageFailure: then all is as
        before.

        >>> with primecore.open(path) as prime:
        ...     prime.add_node("person", {"name": "Alice"}, id="alice")
        ...     prime.checkpoint().position
        'node:person:alice'
        1
        """
        return self._engine.checkpoint()

    def compact(self, *, codec: str = "zstd", gently: bool = False) -> CompactionReport:
        """Turns the closed segments of the log into Parquet files in `history/`, in about a fifth of the room.

        `codec` is "zstd" or "snappy"; `gently` rests for as long as it works. Nothing else changes: history, events
        and replay read on from there. Crashes at any point lose nothing. The segment that takes appends stays. Raises
        InvalidArgument, CorruptLog, DiskFull, StorageFailure.

        >>> with primecore.open(path) as prime:
        ...     prime.add_node("person", {"name": "Alice"}, id="alice")
        ...     prime.compact().segments
        'node:person:alice'
        0
        """
        return self._engine.compact(codec, gently)

    def flush(self, timeout: float | None = None) -> int:
        """Waits until all that was appended is on stable storage, at most `timeout` seconds.

        Gives the durable position. Raises OutcomeUnknown, StorePoisoned.
        """
        return self._engine.wait_durable(None, timeout)

    def digest(self) -> str:
        """A hash over the position and the content of all projections kept at once.

        Equal for equal content, however it came about.
        """
        return self._engine.digest()[1]

    # Reads.

    def node(self, id: str) -> Node | None:
        """The live node of this id, or None."""
        return self._views.nodes.node(id)

    def properties_json(self, ids: Iterable[str]) -> list[bytes | None]:
        """For each id the live node's properties as the JSON text they are kept as, None where no such node lives.

        >>> prime.properties_json(["node:person:alice", "node:person:nobody"])
        [b'{"name":"Alice","domain":"engineering"}', None]
        """
        return self._views.nodes.properties_json(list(ids))

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
        """Who is joined to a node, as of now: a sequence of Neighbor.

        Out first, then in, each in order of the edges' creation. It costs what is looked at: its length little, its
        items when first read; it never changes. `relation` keeps one relation, `direction` is "out", "in" or "both" (a
        self-loop then shows once, as "out"), `limit` keeps the first ones. Edges whose other end is not live show too;
        an id that nothing names has no neighbours. With `depth` over 1, breadth first: a list of DistantNeighbor, each
        peer once. Raises InvalidArgument.

        >>> prime.neighbors("node:person:alice", relation="works_on").peers()
        ['node:project:auth']
        """
        return self._views.adjacency.neighbors(id, relation=relation, direction=direction, depth=depth, limit=limit)

    def neighbors_json(
        self, id: str, *, relation: str | None = None, direction: str = "both", limit: int = 1000
    ) -> bytes:
        """What `neighbors` gives, with the position and the live peers among them, as the JSON text the faces answer.

        Made in one look, without a Python object for each edge. Raises InvalidArgument.

        >>> prime.neighbors_json("node:person:nobody")
        b'{"id":"node:person:nobody","position":...,"neighbors":[],"nodes":[],"truncated":false}'
        """
        if check_count(limit, "limit") > MAX_JSON_NEIGHBORS:
            raise InvalidArgument(f"limit: expected at most {MAX_JSON_NEIGHBORS:,}, found {limit:,}")
        return self._views.adjacency.neighbors_json(id, relation, direction, limit)

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
        """The live nodes within `depth` edges of the starts, and the live edges among them.

        At most `limit` nodes, the nearest first.
        """
        self._engine.check()
        if check_count(limit, "limit") > MAX_SUBGRAPH_NODES:
            raise InvalidArgument(f"limit: expected at most {MAX_SUBGRAPH_NODES:,}, found {limit:,}")
        check_count(depth, "depth")
        return self._views.adjacency.subgraph([ids] if isinstance(ids, str) else ids, depth, limit)

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
        """A path with the fewest edges, or with `weighted` one with the least sum of weights; or None.

        `direction` is how edges may be walked: "out" along them, "in" against them, "both". `max_depth` bounds the
        edges of an unweighted path. A weighted one is Dijkstra's. Raises InvalidArgument for a negative weight met on
        the way.
        """
        self._engine.check()
        if max_depth is not None:
            if weighted:
                raise InvalidArgument("max_depth: a weighted path has no bound on its edges")
            check_count(max_depth, "max_depth")
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
        """The log's events behind position `after` up to `until` (default: now), of one type or entity if asked."""
        self._engine.check()
        check_count(after, "after")
        if until is not None:
            check_count(until, "until")
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
        views, runner, log = self._views, self._engine.runner, self._engine.log.stats()
        counters, position = views.stats.counters, self.position
        memory: dict[str, int] = {"dedupe": self._engine.pipeline.dedupe.used_bytes}
        applied: dict[str, int] = {}
        for view in views.all():
            memory.update(view.memory_bytes())
            applied[view.name] = position
        applied[views.words.name] = views.words.position
        return Stats(
            events=position,
            position=position,
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
            history_bytes=log.history_bytes,
            history_files=log.history_files,
            checkpoint_position=self._engine.keeper.position,
            memory_bytes=memory,
            oldest_unsynced_ms=log.oldest_unsynced_ms,
            worst_unsynced_ms=log.worst_unsynced_ms,
            fsync=self._engine.settings.fsync,
            projections=applied | runner.positions(),
            parked=runner.parked() + views.vectors.parked(),
        )

    # Projections.

    def register(self, projection: Projection) -> None:
        """Feeds a projection of your own from the first event on, in the background. Raises InvalidArgument."""
        self._engine.check()
        self._engine.runner.register(projection)

    def projection(self, name: str, *, timeout: float | None = None) -> Projection:
        """A registered projection, once it has seen all that was appended before.

        Raises TimeoutError; PrimeError when it is parked.
        """
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
        """Rebuilds all projections from the log, beside the live ones, up to position `to`.

        `verify` compares the digests. `progress(events, events_in_all, events)` is called now and then.
        With `into`, the events up to `to` are also copied to a new store there, which must not exist. Raises
        InvalidArgument, CorruptLog.
        """
        last = self.position if to is None else to
        report = self._engine.replay(
            to, verify, None if progress is None else lambda position: progress(position, last, position)
        )
        if into is not None:
            self._copy(into, report.position)
        return report

    # Care.

    def verify(self, *, log_only: bool = False, progress: Progress | None = None) -> VerifyReport:
        """Checks every byte of the files, and the live projections against a fresh fold; see `primecore.verify`."""
        from primecore import care

        self._engine.check()
        report = care.verify(self._engine.settings.path or config.MEMORY, log_only=True, progress=progress)
        if log_only or not report.ok:
            return report
        live, replayed = care.digests(self._engine)
        return report._replace(ok=live == replayed, digest=live, replayed_digest=replayed)

    def doctor(self) -> Diagnosis:
        """Says what is wrong with the store or around it, and what to do; see `primecore.doctor`."""
        from primecore import care

        self._engine.check()
        return care.doctor_of(self._engine)

    def backup(self, target: str | os.PathLike[str], *, progress: Progress | None = None) -> BackupReport:
        """Lets the backup in `target` hold everything appended so far, copying what is new; see `primecore.backup`.

        Raises CorruptLog, InvalidArgument, StoreLocked, DataError, OutcomeUnknown, StorePoisoned, DiskFull,
        StorageFailure.
        """
        from primecore import care

        self._engine.check()
        return care.backup_of(self._engine, target, progress)

    def _copy(self, into: str | os.PathLike[str], until: int) -> None:
        settings = config.settings(into)
        if settings.path is not None and settings.path.exists():
            raise InvalidArgument(f"into: {settings.path} exists already", hint="name a directory that does not")
        with Prime(settings) as copy:
            for batch in self._engine.events.batches(until):
                _batch.append_many(copy._engine.pipeline, batch, [None] * len(batch))


def _check_limit(limit: int | None) -> int | None:
    return None if limit is None else check_count(limit, "limit")
