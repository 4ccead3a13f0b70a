"""Provenance: which event set a field of a node or an edge. Knows one point's reader."""

from __future__ import annotations

from typing import Any, NamedTuple

from primecore.errors import EdgeNotFound, InvalidArgument, NodeNotFound
from primecore.model import Edge, Event, Node, Provenance
from primecore.past.entities import step_edge, step_node
from primecore.past.fields import Path, leaves, parse_field, pointer
from primecore.past.reader import PastReader


class _Said(NamedTuple):
    """Who said a value: the event, and for an object who said what is in it."""

    event: Event
    children: dict[str, _Said] | None


class _Sources:
    """Which event each field of one entity comes from, or which one took it away."""

    def __init__(self) -> None:
        self.said: dict[str, _Said] = {}
        self.taken: dict[Path, Event] = {}

    def set(self, name: str, value: Any, event: Event) -> None:
        self.said[name] = _said(value, event)

    def patch(self, properties: dict[str, Any], event: Event) -> None:
        before = self.said.get("properties") or _Said(event, {})
        self.said["properties"] = self._merged(before, properties, event, ("properties",))

    def _merged(self, before: _Said | None, patch: Any, event: Event, path: Path) -> _Said:
        if not isinstance(patch, dict):
            return _Said(event, None)
        kept = before is not None and before.children is not None
        children = dict(before.children) if before is not None and before.children is not None else {}
        for key, value in patch.items():
            if value is None:
                if children.pop(key, None) is not None:
                    self.taken[(*path, key)] = event
            else:
                children[key] = self._merged(children.get(key), value, event, (*path, key))
        return _Said(before.event if kept and before is not None else event, children)

    def replace(self, event: Event) -> None:
        """All is said anew: what was there is taken away, unless it is said again."""
        for path in self._paths():
            self.taken[path] = event
        self.said = {}

    def _paths(self) -> list[Path]:
        found: list[Path] = []
        stack: list[tuple[Path, _Said]] = [((name,), said) for name, said in self.said.items()]
        while stack:
            path, said = stack.pop()
            found.append(path)
            stack.extend(((*path, key), child) for key, child in (said.children or {}).items())
        return found

    def source(self, path: Path) -> Event | None:
        """The event that set what stands at a path."""
        said = self.said.get(path[0])
        for key in path[1:]:
            said = (said.children or {}).get(key) if said is not None else None
        return None if said is None else said.event

    def taker(self, path: Path) -> Event | None:
        """The event that took away what once stood at a path."""
        found = [self.taken[path[:size]] for size in range(1, len(path) + 1) if path[:size] in self.taken]
        said = self.said.get(path[0])
        for key in path[1:]:
            if said is None:
                break
            if said.children is None:
                found.append(said.event)
            said = (said.children or {}).get(key)
        return max(found, key=lambda event: event.position) if found else None


def _said(value: Any, event: Event) -> _Said:
    if isinstance(value, dict):
        return _Said(event, {key: _said(child, event) for key, child in value.items()})
    return _Said(event, None)


def why(past: PastReader, entity: str, field: str | None) -> list[Provenance]:
    """Which events set the fields of an entity (or one of them, with what is below it)."""
    if not isinstance(entity, str) or not entity.startswith(("node:", "edge:")):
        raise InvalidArgument(
            f"entity: expected the id of a node or an edge, found {entity!r}", hint="history() tells of the others"
        )
    is_edge = entity.startswith("edge:")
    wanted = None if field is None else parse_field(field, is_edge)
    found: Node | Edge | None = past.edge(entity) if is_edge else past.node(entity)
    sources, ended = _read_edge(past, entity) if is_edge else _read_node(past, entity)
    if found is None:
        if ended is None:
            raise (EdgeNotFound if is_edge else NodeNotFound)(
                f"there is no {'edge' if is_edge else 'node'} {entity}", hint="history() tells what was said of it"
            )
        return [Provenance(entity, "", None, False, ended)]
    names = ("source", "target", "relation", "weight", "valid_from", "valid_to") if is_edge else (
        "type", "domain", "labels", "created_at", "updated_at"
    )  # fmt: skip
    plain: dict[Path, Any] = {(name,): getattr(found, name) for name in names}
    if wanted is None:
        told: list[tuple[Path, Any]] = [(path, value) for path, value in plain.items() if value not in (None, ())]
        told += leaves(found.properties, ("properties",)) if found.properties else []
        return [_set(entity, path, value, sources) for path, value in told]
    if wanted[0] != "properties":
        if plain[wanted] not in (None, ()):
            return [_set(entity, wanted, plain[wanted], sources)]
    else:
        value, there = _at(found.properties, wanted[1:])
        if there:
            return [_set(entity, path, leaf, sources) for path, leaf in leaves(value, wanted)]
    taker = sources.taker(wanted)
    return [] if taker is None else [Provenance(entity, pointer(wanted), None, False, taker)]


def _set(entity: str, path: Path, value: Any, sources: _Sources) -> Provenance:
    event = sources.source(path)
    assert event is not None, f"nobody said {pointer(path)} of {entity}"
    return Provenance(entity, pointer(path), list(value) if isinstance(value, tuple) else value, True, event)


def _at(value: Any, path: Path) -> tuple[Any, bool]:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return None, False
        value = value[key]
    return value, True


def _read_node(past: PastReader, entity: str) -> tuple[_Sources, Event | None]:
    node: Node | None = None
    sources, ended = _Sources(), None
    for event in past.own_events(entity):
        before, node = node, step_node(node, event)
        payload = event.payload
        if before is not None and node is None:
            sources, ended = _Sources(), event
        if event.event_type == "prime.node.created":
            if before is None:
                sources = _Sources()
            born = sources.source(("created_at",)) or event
            sources.replace(event)
            sources.set("properties", payload["properties"], event)
            for name in ("domain", "labels"):
                sources.set(name, None, event)
            for name in ("type", "created_at"):
                sources.set(name, None, born)
            sources.set("updated_at", None, event)
        elif event.event_type == "prime.node.updated" and node is not None:
            properties = payload.get("properties") or {}
            sources.patch(properties, event)
            if "domain" in payload or "domain" in properties:
                sources.set("domain", None, event)
                sources.taken[("domain",)] = event
            if payload.get("labels") is not None:
                sources.set("labels", None, event)
                sources.taken[("labels",)] = event
            sources.set("updated_at", None, event)
    return sources, ended


def _read_edge(past: PastReader, entity: str) -> tuple[_Sources, Event | None]:
    edge: Edge | None = None
    sources, ended, born = _Sources(), None, 0
    for event in past.own_events(entity):
        before, edge = edge, step_edge(edge, event)
        payload = event.payload
        if before is not None and edge is None:
            ended = past.cut_between(before, born, event.position) or event
        if event.event_type == "prime.edge.created":
            sources, born = _Sources(), event.position
            for name in ("source", "target", "relation", "weight", "valid_from", "valid_to"):
                sources.set(name, None, event)
            sources.set("properties", payload.get("properties") or {}, event)
        elif event.event_type == "prime.edge.updated" and edge is not None:
            if past.cut_between(edge, born, event.position) is not None:
                continue
            sources.patch(payload.get("properties") or {}, event)
            if payload.get("weight") is not None:
                sources.set("weight", None, event)
            for name in ("valid_from", "valid_to"):
                if name in payload:
                    sources.set(name, None, event)
                    sources.taken[(name,)] = event
    if edge is not None:
        ended = past.cut_between(edge, born, past.point.until + 1)
    return sources, ended
