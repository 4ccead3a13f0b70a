"""Graph contenders that speak Cypher: Kuzu, and Ladybug, which goes on where Kuzu ended."""

from __future__ import annotations

import importlib
import json
from typing import Any, ClassVar

from kinds import Graph

ENTRIES = (
    "match (a:Node {id: $id})-[e:Link]->(b:Node) return b.id, e.id, e.relation, 'out', e.weight "
    "union all match (a:Node {id: $id})<-[e:Link]-(b:Node) return b.id, e.id, e.relation, 'in', e.weight"
)
# Plain unions, no variable length: the paths there must not repeat an edge, so the way back would not count.
TWO_HOPS = (
    "match (a:Node {id: $id})-[:Link]-(b:Node) return b.id as id "
    "union match (a:Node {id: $id})-[:Link]-(b:Node) match (b)-[:Link]-(c:Node) return c.id as id"
)


class KuzuGraph(Graph):
    module: ClassVar[str] = "kuzu"

    def open(self) -> None:
        library = importlib.import_module(self.module)
        self.database = library.Database(str(self.folder / "graph.db"))
        self.connection = library.Connection(self.database, num_threads=1)
        self.connection.execute("create node table if not exists Node(id string primary key, properties string)")
        self.connection.execute(
            "create rel table if not exists Link(from Node to Node, id string, relation string, weight double)"
        )
        self.node_query = self.connection.prepare("match (a:Node {id: $id}) return a.properties")
        self.entries_query = self.connection.prepare(ENTRIES)
        self.hops_query = self.connection.prepare(TWO_HOPS)
        self.add_query = self.connection.prepare(
            "match (a:Node {id: $source}), (b:Node {id: $target}) "
            "create (a)-[:Link {id: $edge, relation: $relation, weight: $weight}]->(b)"
        )

    def load(self, people: list[Any], links: list[Any]) -> None:
        import pyarrow
        from pyarrow import parquet

        nodes = {"id": [one.id for one in people], "properties": [json.dumps(one.properties) for one in people]}
        edges, sources, targets, relations, weights = map(list, zip(*links, strict=True))
        rows = {"from": sources, "to": targets, "id": edges, "relation": relations, "weight": weights}
        for table, columns in (("Node", nodes), ("Link", rows)):
            path = self.folder / f"{table}.parquet"
            parquet.write_table(pyarrow.table(columns), path)
            self.connection.execute(f"copy {table} from '{path}'")

    def rows(self, query: Any, **parameters: Any) -> list[Any]:
        found = self.connection.execute(query, parameters)
        rows = []
        while found.has_next():
            rows.append(found.get_next())
        return rows

    def add(self, link: tuple[str, str, str, str, float]) -> None:
        edge, source, target, relation, weight = link
        self.rows(self.add_query, source=source, target=target, edge=edge, relation=relation, weight=weight)

    def node(self, key: str) -> dict[str, Any]:
        return dict(json.loads(self.rows(self.node_query, id=key)[0][0]))

    def neighbors(self, key: str) -> list[Any]:
        return self.rows(self.entries_query, id=key)

    def two_hops(self, key: str) -> int:
        return len(self.rows(self.hops_query, id=key))

    def close(self) -> None:
        for query in ("node_query", "entries_query", "hops_query", "add_query"):
            delattr(self, query)
        self.connection.close()
        self.database.close()


class LadybugGraph(KuzuGraph):
    module = "ladybug"
