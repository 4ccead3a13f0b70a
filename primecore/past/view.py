"""A read view of one point of the past: the reads of `Prime`, answered as they would have been then.

Single nodes, neighbours, edges at a node, walks and paths are looked up. What speaks of everything (all nodes, all
edges, domains, counts) comes from a fold of the log up to the point, made when first asked for and kept with the view.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from primecore import codec
from primecore._facts import moment
from primecore._reads import Neighbors
from primecore.alike import Source, alike
from primecore.briefing import brief
from primecore.engine import Engine
from primecore.errors import InvalidArgument
from primecore.model import (
    Context,
    CrossDomain,
    DistantNeighbor,
    Domain,
    Edge,
    Event,
    Hit,
    Node,
    Path,
    Provenance,
    Stats,
    Subgraph,
)
from primecore.past import walks, why
from primecore.past.point import Point, When, point_at
from primecore.past.reader import PastReader, behind
from primecore.projections.runner import Views
from primecore.projections.vectors import Filters, VectorIndex
from primecore.recalls import FLOOR, Question, recalled
from primecore.searches import prepared
from primecore.writes import check_count

MAX_SUBGRAPH_NODES = 100_000
Time = datetime | str


class View:
    """What a store held at one point. Made by `Prime.at()`; it never changes, whatever is appended later.

    `position` is that of the last event it shows. With `valid_at` it has no edge that does not hold at that moment.
    """

    def __init__(
        self,
        engine: Engine,
        now: Callable[[], Stats],
        embedded: Callable[[VectorIndex, list[str]], list[Any]],
        when: When | None,
        valid_at: Time | None,
    ) -> None:
        engine.check()
        self._engine = engine
        self._embedded = embedded
        self._now = now
        valid = None if valid_at is None else moment(codec.encode_time(valid_at, "valid_at"))
        point = point_at(when, engine.position, engine.views.graph.history, engine.events.read)
        self._past = PastReader(engine.views.reader, engine.events, point, valid)
        self._lock = threading.Lock()
        self._folded: Views | None = None

    def __repr__(self) -> str:
        point, valid = self.point, self.valid_at
        when = f"position={point.until}" if point.time is None else repr(point.time.isoformat())
        return f"<View {when}{'' if valid is None else f' valid_at={valid.isoformat()!r}'}>"

    @property
    def point(self) -> Point:
        """Which events it shows."""
        return self._past.point

    @property
    def position(self) -> int:
        """The position of the last event that it shows."""
        return self.point.until

    @property
    def valid_at(self) -> datetime | None:
        """The moment at which the edges it shows hold, or None for all edges."""
        return self._past.valid_at

    @property
    def reader(self) -> PastReader:
        """The lookups behind it."""
        self._engine.check()
        return self._past

    def _fold(self) -> Views:
        self._engine.check()
        with self._lock:
            if self._folded is None:
                point = self.point
                self._folded = self._engine.fold(point.until, None if point.is_plain else point.time_us)
            return self._folded

    def node(self, id: str) -> Node | None:
        """The node of this id if it was live, or None."""
        return self.reader.node(id)

    def nodes(
        self,
        *,
        type: str | None = None,
        domain: str | None = None,
        label: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Node]:
        """The nodes that were live, as `Prime.nodes`. Folds the log up to the point at the first call."""
        limit = _check_limit(limit)
        views = self._fold()
        if domain is not None:
            return views.domains.nodes(domain, type, after, label, limit)
        return views.types.nodes(type, after, label, limit)

    def edge(self, id: str) -> Edge | None:
        """The edge of this id if it was live, or None."""
        return self.reader.edge(id)

    def edges(
        self,
        *,
        relation: str | None = None,
        source: str | None = None,
        target: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Edge]:
        """The edges that were live, as `Prime.edges`. Without an end it folds the log up to the point at first."""
        limit = _check_limit(limit)
        if source is not None or target is not None:
            return behind(self.reader.edges_of(source, target, relation), after)[:limit]
        adjacency = self._fold().adjacency
        if self.valid_at is None:
            return adjacency.edges(relation, None, None, after, limit)
        return [edge for edge in adjacency.edges(relation, None, None, after) if self._past.is_valid(edge)][:limit]

    def neighbors(
        self, id: str, *, relation: str | None = None, direction: str = "both", depth: int = 1, limit: int | None = None
    ) -> Neighbors | list[DistantNeighbor]:
        """Who was joined to a node, as `Prime.neighbors`."""
        if limit is not None:
            check_count(limit, "limit")
        if depth == 1 and depth is not True:
            return self._past.neighbors(id, relation, direction, limit)
        if check_count(depth, "depth") < 1:
            raise InvalidArgument(f"depth: expected an integer from 1 up, found {depth!r}")
        return walks.distant(self.reader, id, relation, direction, depth, limit)

    def neighbors_many(
        self, ids: Iterable[str], *, relation: str | None = None, direction: str = "both"
    ) -> list[Neighbors]:
        """Neighbours of many ids, a row each. (The arrays of `Prime.neighbors_many` are for the present.)"""
        if isinstance(ids, str):
            raise InvalidArgument(f"ids: expected an iterable of ids, found the string {ids!r}")
        return [self.reader.neighbors(id, relation, direction, None) for id in ids]

    def subgraph(self, ids: str | Iterable[str], *, depth: int = 1, limit: int = 1000) -> Subgraph:
        """The nodes that were live within `depth` edges of the starts, and the edges among them."""
        if check_count(limit, "limit") > MAX_SUBGRAPH_NODES:
            raise InvalidArgument(f"limit: expected at most {MAX_SUBGRAPH_NODES:,}, found {limit:,}")
        check_count(depth, "depth")
        return walks.subgraph(self.reader, [ids] if isinstance(ids, str) else list(ids), depth, limit)

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
        """The path that `Prime.shortest_path` would have given."""
        if max_depth is not None:
            if weighted:
                raise InvalidArgument("max_depth: a weighted path has no bound on its edges")
            check_count(max_depth, "max_depth")
        return walks.shortest_path(self.reader, source, target, weighted, direction, relation, max_depth)

    def similar(
        self,
        query: Any = None,
        k: int = 10,
        *,
        id: str | None = None,
        text: str | None = None,
        vector: Any = None,
        type: str | None = None,
        domain: str | None = None,
        label: str | None = None,
        prefix: str | None = None,
        properties: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        min_score: float | None = None,
    ) -> list[Hit]:
        """What was most alike among the vectors of then, as `Prime.similar`. Folds the log up to the point at first.

        A text is embedded by the model of then, where that can be found by its name.
        """
        vectors = self._fold().vectors
        filters = Filters(type, domain, label, prefix, properties, metadata)
        source = Source(vectors, lambda texts: self._embedded(vectors, texts), lambda look: look())
        return alike(source, (query, id, text, vector), k, min_score, filters)

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        type: str | None = None,
        domain: str | None = None,
        label: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        created_since: Time | None = None,
        created_until: Time | None = None,
        stem: bool = False,
        explain: bool = False,
    ) -> list[Hit]:
        """The nodes and texts of then that fit some words best, as `Prime.search`.

        Folds the log up to the point at first, and builds an index of its words.
        """
        asked, filters = prepared(query, k, type, domain, label, since, until, created_since, created_until, stem)
        words = self._fold().words
        return self._engine.untorn_look(lambda: words.search(asked, k, filters, explain))

    def recall(
        self,
        query: str | None = None,
        *,
        vector: Any = None,
        k: int = 10,
        depth: int = 1,
        type: str | None = None,
        domain: str | None = None,
        label: str | None = None,
        conversation: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        valid_at: Time | None = None,
        weights: Mapping[str, float] | None = None,
        floor: float = FLOOR,
        min_score: float = 0.0,
        diversity: float | None = None,
        half_life_days: float | None = None,
        importance: str | None = None,
    ) -> list[Hit]:
        """What `Prime.recall` would have answered. Folds the log up to the point at first, and indexes its words.

        `valid_at` is that of the view where none is given.
        """
        views = self._fold()
        question = Question(
            query, vector, k, depth, type, domain, label, conversation, since, until,
            self.valid_at if valid_at is None else valid_at, weights, floor, min_score, diversity, half_life_days,
            importance,
        )  # fmt: skip
        source = Source(views.vectors, lambda texts: self._embedded(views.vectors, texts), self._engine.untorn_look)
        return recalled(question, source, views.recall, self._engine.settings.embedder is None)

    def context(
        self, query: str, max_tokens: int = 1000, *, tokens: Callable[[str], int] | None = None, **how: Any
    ) -> Context:
        """What `Prime.context` would have packed. Folds the log up to the point at first, and indexes its words."""
        return brief(self, lambda read: read(), lambda: self.position, query, max_tokens, tokens, how)

    def history(self, id: str, *, limit: int | None = None, after: int | None = None) -> Iterator[Event]:
        """The events of an entity that the view shows, oldest first, behind position `after`."""
        positions = [position for position in self.reader.positions(id) if position > (after or 0)]
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
        """The events that the view shows, oldest first, as `Prime.events`."""
        last = self.position if until is None else min(check_count(until, "until"), self.position)
        found: Iterator[Event]
        if entity_id is None:
            found = filter(self.point.shows, self._engine.read_events(check_count(after, "after"), last))
        else:
            found = (event for event in self.history(entity_id, after=after) if event.position <= last)
        if event_type is not None:
            found = (event for event in found if event.event_type == event_type)
        return islice(found, _check_limit(limit))

    def why(self, entity: str, field: str | None = None) -> list[Provenance]:
        """Which events set what the entity was then, as `Prime.why`."""
        return why.why(self.reader, entity, field)

    def domains(self) -> list[Domain]:
        """Every domain that had live nodes, as `Prime.domains`. Folds the log up to the point at the first call."""
        return self._fold().domains.domains()

    def cross_domain(self, source: str | None = None, target: str | None = None) -> list[CrossDomain]:
        """Edges between domains, as `Prime.cross_domain`. Folds the log up to the point at the first call."""
        views = self._fold()
        pairs = views.cross_domain.pairs(source, target)
        if self.valid_at is None:
            return pairs
        found = []
        for pair in pairs:
            edges = [edge for edge in map(views.adjacency.edge, pair.edge_ids) if edge and self._past.is_valid(edge)]
            relations: dict[str, int] = {}
            for edge in edges:
                relations[edge.relation] = relations.get(edge.relation, 0) + 1
            if edges:
                ids = tuple(edge.id for edge in edges)
                found.append(pair._replace(edges=len(edges), relations=dict(sorted(relations.items())), edge_ids=ids))
        return found

    def stats(self) -> Stats:
        """Counts of what was there. Sizes, memory and durability are those of now. Folds the log at the first call."""
        views = self._fold()
        now = self._now()
        counters = views.stats.counters
        edges, dangling, relations = counters.edges, counters.dangling_edges, views.stats.relations()
        cross = views.cross_domain.total
        if self.valid_at is not None:
            valid = self.edges()
            edges, relations = len(valid), {}
            for edge in valid:
                relations[edge.relation] = relations.get(edge.relation, 0) + 1
            dangling = sum(
                views.nodes.node(edge.source) is None or views.nodes.node(edge.target) is None for edge in valid
            )
            cross = sum(pair.edges for pair in self.cross_domain())
        return now._replace(
            events=views.graph.history.count,
            position=self.position,
            durable_position=min(now.durable_position, self.position),
            nodes=counters.nodes,
            edges=edges,
            dangling_edges=dangling,
            ignored_events=counters.ignored_events,
            vectors=counters.vectors,
            nodes_by_type=views.types.counts(),
            edges_by_relation=relations,
            domains=views.domains.counts(),
            cross_domain_edges=cross,
            projections={view.name: self.position for view in views.all()},
            parked=(),
        )


def _check_limit(limit: int | None) -> int | None:
    return None if limit is None else check_count(limit, "limit")
