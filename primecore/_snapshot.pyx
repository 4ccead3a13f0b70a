"""All tables of a graph at once: into a draft, and back from an image. Knows which parts there are, not what they hold.

Each part has one pair: dump(draft, name) and load(image, name). A part without them makes a dump fail.
"""

from primecore._graph cimport Graph
from primecore._graveyard cimport grave_t, heads_t
from primecore._history cimport times_t
from primecore._image cimport Draft, Image
from primecore._dedupe cimport dedupe_slot_t
from primecore._records cimport edge_t, entity_t, node_cold_t, node_t
from primecore._states cimport state_t
from primecore._vectors cimport vector_t


def layout() -> dict[str, int]:
    """Sizes in bytes of the structs that a dump of the tables is made of."""
    return {
        "node_t": sizeof(node_t), "node_cold_t": sizeof(node_cold_t), "edge_t": sizeof(edge_t),
        "entity_t": sizeof(entity_t), "state_t": sizeof(state_t), "vector_t": sizeof(vector_t),
        "grave_t": sizeof(grave_t), "heads_t": sizeof(heads_t), "times_t": sizeof(times_t),
        "dedupe_slot_t": sizeof(dedupe_slot_t),     # in order of fingerprints since it stands here
    }


cdef tuple tables_of(Graph graph):
    return (
        ("nodes", graph.nodes), ("edges", graph.edges), ("entities", graph.entities), ("relations", graph.relations),
        ("domains", graph.domains), ("adjacency", graph.adjacency), ("states", graph.states),
        ("history", graph.history), ("vectors", graph.vectors),
        ("graveyard", graph.graveyard),
        *((type(part).__name__, part) for part in graph.parts),
    )


def dump(Graph graph not None, Draft draft not None) -> None:
    """Add all tables to a draft. The caller holds the writer's lock until the draft is written."""
    for name, table in tables_of(graph):
        table.dump(draft, name)
    draft.region("cold", graph.cold_region)
    draft.notes["graph"] = {"position": graph.applied_position, "next_edge": graph.next_edge}


def load(Graph graph not None, Image image not None) -> None:
    """Take over what `dump` added, while nobody else has this graph. ValueError, MemoryError, OSError."""
    for name, table in tables_of(graph):
        table.load(image, name)
    image.region("cold", graph.cold_region)
    noted = image.note("graph")
    graph.next_edge = noted["next_edge"]
    graph.applied_position = noted["position"]
