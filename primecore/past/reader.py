"""Nodes and edges as they were at one point: by the tables where they tell, else by the events of each entity.

By position an edge's life is in the tables. By a time that the log's order does not follow, an edge lives if its own
events up to then leave it live and no deletion of an end came behind its creation while that end was live.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from primecore import _past, codec
from primecore._facts import EventReader
from primecore._reads import Neighbors, Reader
from primecore._walks import direction_bits
from primecore.errors import InvalidArgument, PrimeError
from primecore.model import Edge, Event, Neighbor, Node
from primecore.past.entities import edge_events, edge_of, node_events, node_of, step_node
from primecore.past.point import Point

OUT, IN = 1, 2
Step = tuple[int, int, bool, float | None]  # peer, edge, outward, weight where the tables tell


class PastReader:
    """Answers at one point, over the tables of the present and the log."""

    def __init__(self, reader: Reader, events: EventReader, point: Point, valid_at: datetime | None) -> None:
        self._reader = reader
        self._graph = reader.graph
        self._read = events.read
        self._told = events.told
        self.point = point
        self.valid_at = valid_at
        self._valid_us = None if valid_at is None else codec.encode_time(valid_at)
        self._shows = None if point.is_plain else point.shows
        self._position = point.position
        self._simple = self._shows is None and valid_at is None
        self._deletions: dict[str, list[int]] = {}

    def _told_of(self, entity_id: str) -> Callable[[int], Event]:
        return lambda position: self._told(position, entity_id)

    # Nodes.

    def node(self, node_id: str) -> Node | None:
        """The node of this id, if it was live."""
        if self._shows is None:
            found = _past.present_node(self._reader, node_id, self.point.position)
            if not isinstance(found, list):
                return found
        else:
            found = _past.chain(self._reader, node_id, self.point.until)
        return node_of(node_events(self._told_of(node_id), found, self._shows))

    def own_events(self, entity_id: str) -> list[Event]:
        """The events of an entity up to the point, oldest first."""
        positions = reversed(_past.chain(self._reader, entity_id, self.point.until))
        return [event for event in map(self._read, positions) if self.point.shows(event)]

    def positions(self, entity_id: str) -> list[int]:
        """Where these stand."""
        if self._shows is None:
            return _past.chain(self._reader, entity_id, self.point.until)[::-1]
        return [event.position for event in self.own_events(entity_id)]

    # Edges.

    def edge(self, edge_id: str) -> Edge | None:
        """The edge of this id, if it was live (and valid)."""
        positions = _past.chain(self._reader, edge_id, self.point.until)
        events = edge_events(self._told_of(edge_id), positions, self._shows)
        edge = edge_of(events)
        if edge is None or not self.is_valid(edge):
            return None
        born = events[0].position
        if self._shows is None:
            lives = _past.lives(self._reader, edge_id, edge.source, born, self.point.position)
        else:
            lives = not self._is_cut(edge.source, edge.target, born)
        return edge if lives else None

    def edge_number(self, number: int) -> Edge:
        """The edge of a number that adjacent() gave."""
        if self._shows is None:
            found = _past.present_edge(self._reader, number, self.point.position)
            if found is not None:
                return found
            positions = _past.life_chain(self._reader, number, self.point.position)
        else:
            # What followed a deletion or another creation that the view does not show speaks of this life.
            positions = _past.later_chain(self._reader, number, self.point.until)
            positions.append(_past.edge_facts(self._reader, number)[4])
        found = edge_of(edge_events(self._told_of(self._graph.edge_id(number)), positions, self._shows))
        if found is None:
            raise PrimeError(f"edge number {number} has no creation in the log", hint="run prime replay --verify")
        return found

    def is_valid(self, edge: Edge) -> bool:
        """Whether an edge holds at the moment that the view asks for."""
        at = self.valid_at
        return at is None or (
            (edge.valid_from is None or edge.valid_from <= at) and (edge.valid_to is None or at < edge.valid_to)
        )

    def _number_is_valid(self, number: int) -> bool:
        if self._valid_us is None:
            return True
        span = _past.validity(self._reader, number, self.point.position) if self._shows is None else None
        if span is None:
            return self.is_valid(self.edge_number(number))
        return (span[0] is None or span[0] <= self._valid_us) and (span[1] is None or self._valid_us < span[1])

    def adjacent(self, number: int, direction: int) -> Sequence[Step]:
        """The edges of a node number: out first, then in, each in order of creation; self-loops in both."""
        if self._shows is None:
            found = _past.adjacent(self._reader, number, direction, self.point.position)
        else:
            found = [
                (peer, edge, outward, None)
                for peer, edge, outward, _ in _past.adjacent(self._reader, number, direction, self.point.until, True)
                if self._lives(edge)
            ]
        if self._valid_us is None:
            return found
        return [step for step in found if self._number_is_valid(step[1])]

    def _lives(self, number: int) -> bool:
        # Judged by the events up to the time; quickly where none of them is out of order.
        _, source, target, _, born, died, last = _past.edge_facts(self._reader, number)
        clean = self.point.position
        if died and died <= clean:
            return False
        cut = _past.was_deleted(self._reader, source) or _past.was_deleted(self._reader, target)
        if not cut and not died and born <= clean and last <= clean:
            return True
        if born > clean and not self.point.shows(self._read(born)):
            return False
        for position in _past.later_chain(self._reader, number, self.point.until):
            event = self._read(position)
            if event.event_type in ("prime.edge.created", "prime.edge.deleted") and self.point.shows(event):
                return False
        return not cut or not self._is_cut(self._graph.node_id(source), self._graph.node_id(target), born)

    def _is_cut(self, source: str, target: str, born: int) -> bool:
        # Whether a node took the edge along: a deletion counts if the node was live when it came.
        return any(position > born for end in (source, target) for position in self._deletions_of(end))

    def _deletions_of(self, node_id: str) -> list[int]:
        known = self._deletions.get(node_id)
        if known is None:
            known = []
            number = self._reader.node_number(node_id)
            if number is not None and _past.was_deleted(self._reader, number):
                node: Node | None = None
                for event in self.own_events(node_id):
                    if event.event_type == "prime.node.deleted" and node is not None:
                        known.append(event.position)
                    node = step_node(node, event)
            self._deletions[node_id] = known
        return known

    def cut_between(self, edge: Edge, born: int, before: int) -> Event | None:
        """The deletion of a node that took along an edge born at `born`, ahead of position `before`."""
        found = [
            position
            for end in (edge.source, edge.target)
            for position in self._deletions_of(end)
            if born < position < before
        ]
        return self._read(min(found)) if found else None

    def was_deleted(self, number: int) -> bool:
        """Whether any event ever said that a node number is deleted."""
        return _past.was_deleted(self._reader, number)

    def lives(self, edge: Edge, born: int) -> bool:
        """Whether the edge that was born at `born` lives at a plain position."""
        return _past.lives(self._reader, edge.id, edge.source, born, self.point.position)

    def weight(self, number: int) -> float:
        """The weight of an edge number."""
        return self.edge_number(number).weight

    def weight_of(self, step: Step) -> float:
        """The weight of an edge that adjacent() gave."""
        return self.weight(step[1]) if step[3] is None else step[3]

    def neighbors(self, node_id: str, relation: str | None, direction: str, limit: int | None) -> Neighbors:
        """Neighbours, one edge away."""
        if self._simple:
            return _past.neighbors(self._reader, node_id, self._position, relation, direction, limit, self.weight)
        bits = direction_bits(direction)
        number = self._reader.node_number(node_id)
        items: list[Neighbor] = []
        for step in self.adjacent(number, bits) if number is not None else ():
            if limit is not None and len(items) >= limit:
                break
            if bits == OUT | IN and not step[2] and step[0] == number:
                continue
            found = self.neighbor(step)
            if relation in (None, found.relation):
                items.append(found)
        return _past.listed(self._reader, items)

    def neighbor(self, step: Step) -> Neighbor:
        """An edge seen from one of its ends."""
        facts = _past.edge_facts(self._reader, step[1])
        direction = "out" if step[2] else "in"
        return Neighbor(self._graph.node_id(step[0]), facts[0], facts[3], direction, self.weight_of(step))

    def relation_of(self, number: int) -> str:
        """The relation of an edge number."""
        return _past.edge_facts(self._reader, number)[3]

    def edge_id(self, number: int) -> str:
        """The id of an edge number."""
        return self._graph.edge_id(number)

    def node_id(self, number: int) -> str:
        """The id of a node number."""
        return self._graph.node_id(number)

    def number(self, node_id: str) -> int | None:
        """The number of a node id that an event has named, perhaps only later."""
        return self._reader.node_number(node_id)

    def was_named(self, node_id: str) -> bool:
        """Whether any event that the view shows speaks of a node id or of an edge at it."""
        number = self._reader.node_number(node_id)
        if number is None:
            return False
        if node_id.startswith("node:") and self.positions(node_id):
            return True
        for step in _past.adjacent(self._reader, number, OUT | IN, self.point.until, True):
            born = _past.edge_facts(self._reader, step[1])[4]
            if self._shows is None or self.point.shows(self._read(born)):
                return True
        return False

    def edges_of(self, source: str | None, target: str | None, relation: str | None) -> list[Edge]:
        """The edges that leave `source` and reach `target` (None: any of them), oldest first."""
        asked = target if source is None else source
        own = None if asked is None else self._reader.node_number(asked)
        peer = None if source is None or target is None else self._reader.node_number(target)
        if own is None or (source is not None and target is not None and peer is None):
            return []
        found = []
        for step in self.adjacent(own, IN if source is None else OUT):
            if peer in (None, step[0]) and relation in (None, self.relation_of(step[1])):
                found.append(self.edge_number(step[1]))
        return found


def behind(edges: list[Edge], after: str | None) -> list[Edge]:
    """What follows the edge `after` in a list. Raises InvalidArgument where it is not in there."""
    if after is None:
        return edges
    for at, edge in enumerate(edges):
        if edge.id == after:
            return edges[at + 1 :]
    raise InvalidArgument(f"after: expected the id of an edge of this list, found {after!r}")
