"""The vector index: which vectors are nearest by cosine. Knows numbers, ids and filters; no models, no words."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from primecore import _digest, _jsontree, _stored, codec
from primecore._graph import Graph
from primecore._image import Draft, Image
from primecore._knn import Look, quick_hits
from primecore.codec import loads
from primecore.errors import InvalidArgument
from primecore.model import Hit, ParkedProjection
from primecore.projections.base import AtOnce
from primecore.projections.hnsw import SECTION, Follower, Saved

LOOK_AGAIN = 4  # how many times more rows are asked for, while a filter on JSON leaves too few


class Filters(NamedTuple):
    """What a hit must be. `properties` and `metadata` name members and the JSON values they must have."""

    type: str | None = None
    domain: str | None = None
    label: str | None = None
    prefix: str | None = None
    properties: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None

    @property
    def by_nodes(self) -> bool:
        """Whether it asks what nodes say of themselves, which may change while it is asked."""
        return self.label is not None or bool(self.properties)

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return self != NO_FILTERS


NO_FILTERS = Filters()


class VectorIndex(AtOnce):
    """Vectors by entity: exact where that is quick and wherever filters are given, else HNSW and its tail."""

    name = "vectors"
    version = 2

    def __init__(self, graph: Graph, exact_vectors: int) -> None:
        self._graph = graph
        self._vectors = graph.vectors
        self.follower = Follower(graph, max(exact_vectors, 1))

    @property
    def dimensions(self) -> int:
        """Of the space in force, 0 where none is defined."""
        return self._vectors.space_dimensions

    @property
    def definitions(self) -> int:
        """How often a space was defined: a change says that another one is in force."""
        return self._vectors.definitions

    @property
    def model(self) -> str | None:
        """The model that the space in force is of, None where that is not known."""
        space = self._vectors.current
        return None if space is None else space.model

    @property
    def position(self) -> int:
        """The position that it shows."""
        return self._graph.applied_position

    @property
    def awaiting(self) -> int:
        """Texts that wait for a vector, since a change of model was broken off."""
        return self._vectors.awaiting

    def vector(self, entity_id: str) -> Any:
        """The float32 numbers of an entity's vector, None where it has none."""
        found = _stored.vector_of(self._graph, codec.encode_text(entity_id, "id"))
        return None if found is None else memoryview(found).cast("f")

    def text(self, entity_id: str) -> tuple[str | None, dict[str, Any] | None] | None:
        """(text, metadata) that were stored with an entity's vector; None where it has none."""
        found = _stored.text_of(self._graph, codec.encode_text(entity_id, "id"))
        return None if found is None else (found[0], None if found[1] is None else loads(found[1]))

    def nearest(
        self, numbers: Any, k: int, min_score: float, filters: Filters, without: str | None = None
    ) -> list[Hit]:
        """The `k` nearest to a vector (float32, a buffer), best first, equal scores by id.

        Raises InvalidArgument for numbers that are no vector of the space.
        """
        if self._vectors.current is None or k == 0:
            return []
        look = self.look(numbers)
        try:
            return self._hits(look, numbers, k, min_score, filters, without)
        finally:
            look.close()
            self.follower.nudge()

    def quick(self, numbers: Any, k: int) -> list[Hit] | None:
        """As nearest() without filters, in fewer steps; None where that is needed, if only to say what is wrong.

        What is asked first after a while waits for every line of code and of tables that it needs.
        """
        follower = self.follower
        found = quick_hits(self._graph, numbers, k, follower.least, loads) if follower.asleep else None
        if found is None:
            return None
        if found[1]:
            follower.scanned(found[1])
            follower.nudge()
        return found[0]

    def look(self, numbers: Any) -> Look:
        """The vectors as they are now, asked for those near to `numbers`. Raises InvalidArgument for no vector."""
        try:
            return Look(self._graph, numbers)
        except ValueError as error:
            raise InvalidArgument(
                f"vector: expected {self.dimensions} numbers, finite as float32 and not all zero: {error}"
            ) from None

    def _hits(
        self, look: Look, numbers: Any, k: int, min_score: float, filters: Filters, without: str | None
    ) -> list[Hit]:
        own = None if without is None else codec.encode_text(without, "id")
        filtered = filters.any
        keep = _keeper(look, filters) if filtered else None
        if not filtered:
            found = self.follower.search(look, numbers, k + (own is not None))
            if found is not None:
                return look.hits([it for it in found if it[0] >= min_score], k, without, loads)
        if filtered or own is not None:
            prefixes = [codec.encode_text(it, "filter") for it in _prefixes(filters)]
            look.restrict(prefixes, None if filters.domain is None else filters.domain.encode(), own)
        wanted = k
        while True:
            rows = look.nearest(wanted, min_score)
            if not filtered:
                self.follower.scanned(look.read_bytes)
            kept = rows if keep is None else [it for it in rows if keep(it[1])]
            if len(kept) >= k or len(rows) < wanted:
                return look.hits(kept, k, None, loads)
            wanted = len(rows) * LOOK_AGAIN

    def parked(self) -> tuple[ParkedProjection, ...]:
        """The index of a large space, where it failed: searches scan instead."""
        error = self.follower.error
        return () if error is None else (ParkedProjection("vectors.hnsw", self.position, repr(error)),)

    def digest(self) -> bytes:
        """Of the space, and of every vector with its text and metadata."""
        return _digest.vectors(self._graph)

    def memory_bytes(self) -> dict[str, int]:
        """Numbers with their codes; texts. What usearch takes for a large space is its own."""
        space = self._vectors.current
        rows, texts = (0, 0) if space is None else space.memory_bytes
        return {"vectors": rows, "vector_texts": texts}

    def keep_index(self) -> None:
        """Let the next checkpoint hold the index of a large space as it is now.

        Nobody else gets far for as long as copying it takes.
        """
        self.follower.save()

    def dump_index(self, draft: Draft) -> None:
        """Add the index that was kept last to a checkpoint, or what the former one held."""
        saved = self.follower.saved
        if saved is not None and saved.note["definition"] == self.definitions:
            saved.add_to(draft)

    def load_index(self, image: Image) -> None:
        """Find the index that a checkpoint holds; it is read when one is needed."""
        if SECTION in image.notes:
            self.follower.offer(Saved(image.note(SECTION), image))

    def close(self) -> None:
        """Ends the thread that feeds the index."""
        self.follower.stop()


def float32(numbers: Any, field: str = "vector") -> Any:
    """A vector as a flat buffer of float32, whatever sequence of numbers it came as. Raises InvalidArgument."""
    try:
        view = memoryview(numbers)
        if view.ndim == 1 and view.format == "f" and view.c_contiguous:
            return view
    except TypeError:
        pass
    if isinstance(numbers, (str, bytes, bytearray, Mapping)):
        raise InvalidArgument(f"{field}: expected numbers, found {type(numbers).__name__}")
    try:
        return array("f", numbers)
    except (TypeError, OverflowError, ValueError) as error:
        raise InvalidArgument(f"{field}: expected numbers: {error}") from None


def _prefixes(filters: Filters) -> list[str]:
    found = [] if filters.prefix is None else [filters.prefix]
    return found if filters.type is None else [*found, f"node:{filters.type}:"]


def _keeper(look: Look, filters: Filters) -> Callable[[int], bool] | None:
    """Whether a row fits the filters on labels, properties and metadata; None where there are none of these."""
    if not (filters.by_nodes or filters.metadata):
        return None
    properties = _members(filters.properties, "properties")
    metadata = _members(filters.metadata, "metadata")

    def keep(row: int) -> bool:
        if metadata and not _has(look.about(row) or b"{}", metadata):
            return False
        if not filters.by_nodes:
            return True
        state = look.node_state(row)
        if state is None or (filters.label is not None and filters.label not in loads(state[1] or b"[]")):
            return False
        return not properties or _has(state[0], properties)

    return keep


def _members(wanted: Mapping[str, Any] | None, field: str) -> list[tuple[str, bytes]]:
    if not wanted:
        return []
    codec.encode_json(wanted, field)  # says what is wrong with it
    return [(name, codec.encode_json({"": value}, field)) for name, value in wanted.items()]


def _has(text: bytes, wanted: list[tuple[str, bytes]]) -> bool:
    held = loads(text)
    return all(
        name in held and _jsontree.equal(codec.encode_json({"": held[name]}, "properties"), value)
        for name, value in wanted
    )
