"""Types of the compiled `_listing`: lists of nodes and edges, each of one look."""

from primecore._index import DomainIndex, TypeIndex
from primecore._reads import Reader
from primecore.model import Edge, Node, Subgraph

def nodes_of_type(
    reader: Reader, index: TypeIndex, name: str | None, after: str | None, label: str | None, limit: int | None
) -> list[Node]: ...
def nodes_of_domain(
    reader: Reader,
    index: DomainIndex,
    domain: str,
    type_name: str | None,
    after: str | None,
    label: str | None,
    limit: int | None,
) -> list[Node]: ...
def edges(reader: Reader, relation: str | None, after: str | None, limit: int | None) -> list[Edge]: ...
def edges_of_node(
    reader: Reader,
    source: str | None,
    target: str | None,
    relation: str | None,
    after: str | None,
    limit: int | None,
) -> list[Edge]: ...
def subgraph(reader: Reader, ids: list[str], depth: int, limit: int) -> Subgraph: ...
