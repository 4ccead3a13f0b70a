"""The verbs of an open store that speak of the past, of what comes, and of moving house. Knows what answers them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from primecore.errors import InvalidArgument
from primecore.ingest import Progress, Readable, Writable
from primecore.model import Diff, Event, ExportReport, IngestReport, Provenance, Stats, TimelineEntry
from primecore.past.changes import Timeline, diff
from primecore.past.point import Point, When, point_at
from primecore.past.reader import PastReader
from primecore.past.subscription import Subscription
from primecore.past.view import View
from primecore.projections.vectors import VectorIndex
from primecore.writes import Time, Writes, check_count


class PastVerbs(Writes):
    """What every open store can be asked about its past, and how to hear of what comes."""

    if TYPE_CHECKING:  # what the whole store offers beside these

        def stats(self) -> Stats: ...
        def _embedded_as(self, past: VectorIndex, texts: list[str]) -> list[Any]: ...

    def at(self, when: When | None = None, *, position: int | None = None, valid_at: Time | None = None) -> View:
        """The store as it was: a view with the same reads.

        `when` is a position, an aware datetime or an RFC 3339 string; `position` says the same of a position. By
        position the view shows exactly what the store held after that event. By time it shows the fold of all events
        whose timestamp is not later, in order of position, also where imports brought times out of order. `valid_at`
        leaves out edges that do not hold at that moment (`valid_from` <= moment < `valid_to`), of the present too.
        Nothing appended later changes a view. Raises InvalidArgument.

        >>> before = prime.position
        >>> prime.update_node("node:person:alice", {"title": "CTO"}).version
        2
        >>> prime.at(position=before).node("node:person:alice").properties.get("title") is None
        True
        """
        if position is not None:
            if when is not None:
                raise InvalidArgument("at: expected a point or a position, found both")
            when = check_count(position, "position")
        return View(self._engine, self.stats, self._embedded_as, when, valid_at)

    def diff(self, first: When, second: When | None = None) -> Diff:
        """The net effect between two points (positions or times); the second is now where none is given.

        What was added and taken away again in between does not show. Costs the events in between. Raises
        InvalidArgument.

        >>> before = prime.position
        >>> prime.update_node("node:person:alice", {"title": "CTO"}).version
        2
        >>> prime.diff(before).nodes_changed[0].fields[0]
        FieldChange(field='/properties/title', kind='added', before=None, after='CTO')
        """
        begin, end = self.at(first), self.at(second)
        points = begin.point, end.point
        after, until = min(point.position for point in points), max(point.until for point in points)
        return diff(begin.reader, end.reader, self._engine.read_events(after, until))

    def timeline(
        self,
        entity: str | None = None,
        *,
        since: When | None = None,
        until: When | None = None,
        limit: int | None = None,
    ) -> Iterator[TimelineEntry]:
        """What happened behind `since` up to `until` (positions or times), to one entity or to all.

        Beside each event stands what it did: the fields that changed, with what was there before, the edges that a
        deleted node took along, or that it changed nothing. In order of position. Raises InvalidArgument.

        >>> [(entry.effect, entry.event.entity_id) for entry in prime.timeline("node:person:alice")]
        [('created', 'node:person:alice')]
        """
        self._engine.check()
        if limit is not None:
            check_count(limit, "limit")
        begin = Point(0, 0, None) if since is None else self._point(since)
        end = self._point(until)
        events: Iterator[Event]
        if entity is None:
            events = self._engine.read_events(begin.position, end.until)
        else:
            last = Point(end.until, end.until, None)
            events = iter(self._reader(last).own_events(entity))
        wanted = (event for event in events if end.shows(event) and not begin.shows(event))
        return islice(Timeline(self._reader_at).tell(wanted), limit)

    def why(self, entity: str, field: str | None = None) -> list[Provenance]:
        """Which event set each field of a node or an edge, when, and with which metadata.

        `field` is domain, labels, weight, valid_from ... or a path below `properties`: "properties.address.city",
        "/properties/address/city" (a JSON pointer, for keys with dots), or "address.city" for short. A field that was
        taken away tells who did so; one that never was gives nothing. For an entity that is no longer live: the event
        that ended it. Raises NodeNotFound and EdgeNotFound for what never was, InvalidArgument.

        >>> [found] = prime.why("node:person:alice", "name")
        >>> found.value, found.event.position
        ('Alice', 1)
        """
        return self.at().why(entity, field)

    def subscribe(
        self,
        *,
        after: int | None = None,
        event_type: str | None = None,
        type_prefix: str | None = None,
        entity_id: str | None = None,
        entity_prefix: str | None = None,
        durable: bool = True,
    ) -> Subscription:
        """Events as they come: first those behind position `after` (default: none of the past), then live ones.

        All filters given must hold. Only events on stable storage are told, unless `durable=False`. Events are read
        from the log as they are asked for: a slow subscriber holds nobody up and keeps nothing in memory. Iterate over
        it, or call `next(timeout)`; `position` is where to go on from after a restart. Raises InvalidArgument.

        >>> with prime.subscribe(after=0, entity_prefix="node:", durable=False) as events:
        ...     events.next(timeout=1).entity_id
        'node:person:alice'
        """
        self._engine.check()
        start = self._engine.position if after is None else check_count(after, "after")
        return Subscription(lambda: self._engine, start, event_type, type_prefix, entity_id, entity_prefix, durable)

    def export(self, target: str | os.PathLike[str] | Writable, *, progress: Progress | None = None) -> ExportReport:
        """Writes the whole log as JSON lines to a path (.gz too) or a binary stream: events, as `ingest` takes them.

        Nothing is lost: updates, deletions, vectors, metadata, ids and times go along, payloads byte by byte. Imported
        into an empty store it gives the same digest. A file appears under its name only when it is whole and on stable
        storage. `progress(events, events_in_all, events)` is called now and then. Raises StorageFailure.

        >>> import io
        >>> prime.export(io.BytesIO()).events
        4
        """
        from primecore import transfer

        self._engine.check()
        return transfer.export(self._engine, target, progress)

    def import_from(
        self,
        source: str | os.PathLike[str] | Readable,
        *,
        format: str | None = None,
        name: str | None = None,
        on_error: str = "stop",
        progress: Progress | None = None,
    ) -> IngestReport:
        """Takes in what another store or another memory wrote: a path (.gz and .zst too) or a binary stream.

        `format` is "prime" (JSON lines of events: what `export` writes), "mcp-memory" (the file of the MCP reference
        memory server) or "allsource" (the export of AllSource Prime); without it the first line tells. Taken in twice
        it appends nothing the second time. `name`, `on_error` ("stop" or "skip") and `progress` are those of `ingest`.
        Raises InvalidEvent with `.report`, InvalidArgument.

        >>> import io
        >>> lines = b'{"type":"entity","name":"Zoe","entityType":"person","observations":["likes tea"]}'
        >>> prime.import_from(io.BytesIO(lines)).appended, prime.node("node:person:Zoe").properties["observations"]
        (1, ['likes tea'])
        """
        from primecore import transfer

        self._engine.check()
        return transfer.Import(self, self._engine, on_error, progress).run(source, format, name)

    def _point(self, when: When | None) -> Point:
        return point_at(when, self._engine.position, self._engine.views.graph.history, self._engine.events.read)

    def _reader(self, point: Point) -> PastReader:
        return PastReader(self._engine.views.reader, self._engine.events, point, None)

    def _reader_at(self, position: int) -> PastReader:
        return self._reader(Point(position, position, None))
