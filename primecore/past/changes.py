"""What changed: the net difference between two points, and what each event between two points did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from primecore.model import Diff, Edge, EdgeChange, Event, Node, NodeChange, TimelineEntry
from primecore.past.entities import step_edge, step_node
from primecore.past.fields import changes
from primecore.past.reader import IN, OUT, PastReader


def diff(first: PastReader, second: PastReader, between: Iterable[Event]) -> Diff:
    """The net effect of the events `between` that one of the two shows and the other does not."""
    nodes: dict[str, None] = {}
    edges: dict[str, None] = {}
    for event in between:
        if first.point.shows(event) == second.point.shows(event):
            continue
        if event.event_type.startswith("prime.node."):
            nodes[event.entity_id] = None
        elif event.event_type.startswith("prime.edge."):
            edges[event.entity_id] = None
    for node_id in nodes:
        number = first.number(node_id)
        if number is None or not first.was_deleted(number):
            continue
        for past in (first, second):
            for step in past.adjacent(number, OUT | IN):
                edges[past.edge_id(step[1])] = None
    node_pairs = [(first.node(id), second.node(id)) for id in nodes]
    edge_pairs = [(first.edge(id), second.edge(id)) for id in edges]
    return Diff(
        first.point.until,
        second.point.until,
        tuple(b for a, b in node_pairs if a is None and b is not None),
        tuple(NodeChange(b.id, changes(a, b)) for a, b in node_pairs if a and b and changes(a, b)),
        tuple(a for a, b in node_pairs if a is not None and b is None),
        tuple(b for a, b in edge_pairs if a is None and b is not None),
        tuple(EdgeChange(b.id, changes(a, b)) for a, b in edge_pairs if a and b and changes(a, b)),
        tuple(a for a, b in edge_pairs if a is not None and b is None),
    )


class _Known(NamedTuple):
    version: int
    born: int
    it: Node | Edge | None


class Timeline:
    """Tells of events, in order of position, what each did. Keeps the state of each entity that it met."""

    def __init__(self, reader_at: Callable[[int], PastReader]) -> None:
        self._reader_at = reader_at
        self._known: dict[str, _Known] = {}

    def tell(self, events: Iterable[Event]) -> Iterator[TimelineEntry]:
        """An entry for each event."""
        for event in events:
            if event.event_type in _NODE_TYPES:
                yield self._node(event)
            elif event.event_type in _EDGE_TYPES:
                yield self._edge(event)
            else:
                yield TimelineEntry(event, "recorded", (), ())

    def _node(self, event: Event) -> TimelineEntry:
        past = self._reader_at(event.position - 1)
        known = self._known.get(event.entity_id)
        if known is not None and known.version == event.version - 1 and not isinstance(known.it, Edge):
            before = known.it
        else:
            before = past.node(event.entity_id)
        after = step_node(before, event)
        self._known[event.entity_id] = _Known(event.version, 0, after)
        removed: tuple[str, ...] = ()
        if before is not None and after is None:
            number = past.number(event.entity_id)
            steps = () if number is None else past.adjacent(number, OUT | IN)
            removed = tuple(dict.fromkeys(past.edge_id(step[1]) for step in steps))
        return TimelineEntry(event, _effect(event, before, after), changes(before, after), removed)

    def _edge(self, event: Event) -> TimelineEntry:
        past = self._reader_at(event.position - 1)
        known = self._known.get(event.entity_id)
        born = 0
        before: Edge | None
        if known is not None and known.version == event.version - 1 and not isinstance(known.it, Node):
            before, born = known.it, known.born
            if before is not None and born and not past.lives(before, born):
                before = None
        else:
            before = past.edge(event.entity_id)
        after = step_edge(before, event)
        if event.event_type == "prime.edge.created":
            born = event.position
        if born or after is None:
            self._known[event.entity_id] = _Known(event.version, born, after)
        return TimelineEntry(event, _effect(event, before, after), changes(before, after), ())


_NODE_TYPES = ("prime.node.created", "prime.node.updated", "prime.node.deleted")
_EDGE_TYPES = ("prime.edge.created", "prime.edge.updated", "prime.edge.deleted")


def _effect(event: Event, before: Node | Edge | None, after: Node | Edge | None) -> str:
    if event.event_type.endswith(".created"):
        return "created" if before is None else "replaced"
    if before is None:
        return "ignored"
    return "deleted" if after is None else "updated"
