"""Graph contenders that live in Python's memory: dicts, networkx, and Prime itself."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from kinds import Graph


class PrimeGraph(Graph):
    def open(self) -> None:
        import primecore

        self.prime = primecore.open(self.folder / "prime")

    def load(self, people: list[Any], links: list[Any]) -> None:
        import json

        path = self.folder / "load.jsonl"
        with open(path, "w", encoding="utf-8") as out:
            for lines in (map(self.person, people), map(self.link, links)):
                out.writelines(json.dumps(line) + "\n" for line in lines)
        self.prime.ingest(path)
        self.prime.flush()
        path.unlink()

    @staticmethod
    def person(one: Any) -> dict[str, Any]:
        return {
            "event_type": "prime.node.created",
            "entity_id": one.id,
            "payload": {"properties": one.properties},
        }

    @staticmethod
    def link(one: tuple[str, str, str, str, float]) -> dict[str, Any]:
        edge, source, target, relation, weight = one
        payload = {"source": source, "target": target, "relation": relation, "weight": weight}
        return {"event_type": "prime.edge.created", "entity_id": edge, "payload": payload}

    def add(self, link: tuple[str, str, str, str, float]) -> None:
        edge, source, target, relation, weight = link
        payload = {"source": source, "target": target, "relation": relation, "weight": weight}
        self.prime.append("prime.edge.created", edge, payload)

    def node(self, key: str) -> dict[str, Any]:
        found = self.prime.node(key)
        assert found is not None
        return found.properties

    def neighbors(self, key: str) -> list[Any]:
        return list(self.prime.neighbors(key))

    def close(self) -> None:
        self.prime.close()


class DictGraph(Graph):
    """Its opening is what a program without a store does: everything is built again."""

    def open(self) -> None:
        self.properties: dict[str, dict[str, Any]] = {}
        self.near: dict[str, list[Any]] = {}
        for people, links in getattr(self, "kept", ()):
            self.load(people, links)

    def load(self, people: list[Any], links: list[Any]) -> None:
        for one in people:
            self.properties[one.id] = dict(one.properties)
            self.near[one.id] = []
        for link in links:
            self.add(link)
        self.kept = ((people, links),)

    def add(self, link: tuple[str, str, str, str, float]) -> None:
        edge, source, target, relation, weight = link
        self.near[source].append((target, edge, relation, "out", weight))
        self.near[target].append((source, edge, relation, "in", weight))

    def node(self, key: str) -> dict[str, Any]:
        return self.properties[key]

    def neighbors(self, key: str) -> list[Any]:
        return self.near[key]


class LockedGraph(DictGraph):
    """What threads need: a lock, and lists of the caller's own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.lock = threading.RLock()

    def add(self, link: tuple[str, str, str, str, float]) -> None:
        with self.lock:
            super().add(link)

    def node(self, key: str) -> dict[str, Any]:
        with self.lock:
            return dict(self.properties[key])

    def neighbors(self, key: str) -> list[Any]:
        with self.lock:
            return list(self.near[key])


class NetworkxGraph(Graph):
    def open(self) -> None:
        import networkx

        self.graph = networkx.MultiDiGraph()
        for people, links in getattr(self, "kept", ()):
            self.load(people, links)

    def load(self, people: list[Any], links: list[Any]) -> None:
        self.graph.add_nodes_from((one.id, one.properties) for one in people)
        self.graph.add_edges_from((s, t, e, {"relation": r, "weight": w}) for e, s, t, r, w in links)
        self.kept = ((people, links),)

    def add(self, link: tuple[str, str, str, str, float]) -> None:
        edge, source, target, relation, weight = link
        self.graph.add_edge(source, target, edge, relation=relation, weight=weight)

    def node(self, key: str) -> dict[str, Any]:
        return dict(self.graph.nodes[key])

    def neighbors(self, key: str) -> list[Any]:
        out = self.graph.out_edges(key, keys=True, data=True)
        into = self.graph.in_edges(key, keys=True, data=True)
        found = [(target, edge, it["relation"], "out", it["weight"]) for _, target, edge, it in out]
        return found + [(source, edge, it["relation"], "in", it["weight"]) for source, _, edge, it in into]


class RustworkxGraph(Graph):
    """Its nodes are numbers; a dict finds them by id."""

    def open(self) -> None:
        import rustworkx

        self.graph: Any = rustworkx.PyDiGraph(multigraph=True)
        self.numbers: dict[str, int] = {}
        for people, links in getattr(self, "kept", ()):
            self.load(people, links)

    def load(self, people: list[Any], links: list[Any]) -> None:
        ids = [one.id for one in people]
        numbers = self.graph.add_nodes_from([(one.id, one.properties) for one in people])
        self.numbers |= zip(ids, numbers, strict=True)
        self.graph.add_edges_from([(self.numbers[s], self.numbers[t], (s, t, e, r, w)) for e, s, t, r, w in links])
        self.kept = ((people, links),)

    def add(self, link: tuple[str, str, str, str, float]) -> None:
        edge, source, target, relation, weight = link
        self.graph.add_edge(self.numbers[source], self.numbers[target], (source, target, edge, relation, weight))

    def node(self, key: str) -> dict[str, Any]:
        return dict(self.graph[self.numbers[key]][1])

    def neighbors(self, key: str) -> list[Any]:
        number = self.numbers[key]
        found = [(t, e, r, "out", w) for _, _, (_, t, e, r, w) in self.graph.out_edges(number)]
        return found + [(s, e, r, "in", w) for _, _, (s, _, e, r, w) in self.graph.in_edges(number)]
