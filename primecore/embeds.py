"""Vectors and texts: the verbs that store what things mean, and the question of what is alike.

Knows the engine and embedders. Embedding is always an append: replay needs no model.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from primecore import _batch, _embedding, _jsontree, _stored, codec, embedders
from primecore.alike import Source, alike, checked_id, checked_text, recorded
from primecore.codec import loads
from primecore.embedders import Embedder
from primecore.engine import Engine
from primecore.errors import (
    EdgeNotFound,
    InvalidArgument,
    ModelMismatch,
    NodeNotFound,
    VectorNotFound,
    VersionConflict,
)
from primecore.ingest import Progress
from primecore.model import Hit, Receipt, ReembedReport
from primecore.projections.vectors import Filters, VectorIndex, float32
from primecore.writes import Json, Writes

FOLLOWS = ("text_of", "node")  # in a vector's metadata: its text is what the node says of itself
TEXT_FIRST = ("name", "title", "text", "content", "description", "summary")
TEXT_NEVER = frozenset({"conversation_id", "domain"})
BATCH_BYTES = 8 << 20
TEXTS_AT_ONCE = 256
_NODE_WRITES = frozenset({b"prime.node.created", b"prime.node.updated"})
_SPACE = "space:default"


class Waiting(NamedTuple):
    """A text that is to get a vector of another model."""

    id: str
    text: str
    about: bytes | None
    version: int
    shown: bool


class Embeds(Writes):
    """What an open store can be told and asked about meaning."""

    _chosen: Embedder | None = None
    _choosing: threading.Lock
    _made_for_space: threading.Lock

    def _use(self, engine: Engine) -> None:
        super()._use(engine)
        self._vectors = engine.views.vectors
        self.__dict__.setdefault("_choosing", threading.Lock())
        # Between a look at the space in force and the append of what was made for it, no other may come into force.
        self.__dict__.setdefault("_made_for_space", threading.Lock())

    # Writes.

    def embed(
        self,
        id: str,
        vector: Any = None,
        text: str | None = None,
        metadata: Json | None = None,
        **envelope: Any,
    ) -> Receipt:
        """Stores the vector of an entity, with the text it stands for and metadata to filter by (both may be left out).

        `vector` is a sequence or array of numbers, as many as the first one had; they are kept as float32. Without one
        the text is embedded by the store's embedder. Without text as well, the text is what the node `id` says of
        itself: its strings, `name`, `title`, `text`, `content`, `description` and `summary` first; such a vector
        follows the node: writes that change that text append the new vector in the same batch. One vector an entity:
        storing another replaces it, text and metadata too. `metadata` is the vector's here, not the event's; the other
        keywords are those of every write. Raises NodeNotFound where `id` is a node's that is not live, ModelMismatch
        where text is to be embedded by another model than the vectors are of, InvalidEvent for NaN, infinities, all
        zeros and another number of numbers.

        >>> prime.embed("node:person:alice", text="Alice leads the login project").duplicate
        False
        >>> prime.similar("who leads the login?", k=1)[0].id
        'node:person:alice'
        """
        if vector is not None and not envelope:
            said = None if text is None else _json_text(text)
            more = None if metadata is None else _json_object(metadata)
            prepared = _embedding.vector_event(id, vector, said, more)
            if prepared is None:
                prepared = _embedding.vector_event(id, float32(vector), said, more)
            if prepared is not None:
                return self._write(prepared, None, False, True)
        name = f"vec:{checked_id(id)}"
        while True:
            about, follows = metadata, vector is None and text is None
            if follows:
                text, _ = self._own_text(id)
                about = {**(metadata or {}), FOLLOWS[0]: FOLLOWS[1]}
            definition = self._vectors.definitions
            numbers = float32(vector) if vector is not None else self._embedded([checked_text(text)])[0]
            head, expected_version, durable = _head(name, envelope)
            with self._made_for_space:
                if vector is None and definition != self._vectors.definitions:
                    text = None if follows else text
                    continue  # another space came into force while the model was at work
                stored = self._write(
                    (*head[:2], vector_payload(numbers, text, about), *head[3:]), expected_version, False, True
                )
            if durable or self._always:
                self._engine.wait_durable(stored.position)
            # A node that was changed meanwhile did not know yet that a vector follows it.
            if not follows or self._own_text(id)[0] == text:
                return stored
            text = None

    def delete_vector(self, id: str, **envelope: Any) -> Receipt:
        """Deletes an entity's vector, and with it its text. Raises VectorNotFound."""
        try:
            return self._typed("prime.vector.deleted", f"vec:{checked_id(id)}", {}, True, envelope)
        except EdgeNotFound:  # what can be no id names nothing
            raise VectorNotFound(f"there is no vector of {id}", hint="entity ids have at most 1,024 bytes") from None

    def _write_typed(
        self, prepared: codec.Prepared, expected_version: int | None, durable: bool, strict: bool
    ) -> Receipt:
        if prepared[0] in _NODE_WRITES and self._vectors.dimensions:
            found = self._vectors.text(prepared[1].decode())
            if found is not None and (found[1] or {}).get(FOLLOWS[0]) == FOLLOWS[1]:
                return self._write_followed(prepared, expected_version, durable, strict)
        return super()._write_typed(prepared, expected_version, durable, strict)

    def _write_followed(
        self, prepared: codec.Prepared, given: int | None, durable: bool, strict: bool
    ) -> Receipt:
        # Node and vector in one batch, at the version that the text was worked out from.
        entity_id, patch = prepared[1].decode(), loads(prepared[2]).get("properties") or {}
        while True:
            node, found = self._engine.views.nodes.node(entity_id), self._vectors.text(entity_id)
            known = prepared[4] is not None and _batch.knows_id(self._engine.pipeline, prepared[4])
            if node is None or found is None or known or given not in (None, node.version):
                return super()._write_typed(prepared, given, durable, strict)
            said = codec.encode_json(patch, "properties")
            if prepared[0] == b"prime.node.updated":
                said = _jsontree.merge_patch(codec.encode_json(node.properties, "properties"), said)
            text = own_text(loads(said))
            batch: list[codec.Prepared] = [prepared]
            versions: list[int | None] = [node.version]
            definition = self._vectors.definitions
            if text != (found[0] or ""):
                batch.append(self._followed(entity_id, text, found[1]))
                versions.append(None)
            try:
                self._engine.check()
                with self._made_for_space:
                    if definition != self._vectors.definitions:
                        continue
                    answers = _batch.append_many(
                        self._engine.pipeline, batch, versions, [strict] + [True] * (len(batch) - 1)
                    )
            except (VersionConflict, VectorNotFound):
                if given is not None:
                    raise
                continue
            if durable or self._always:
                self._engine.wait_durable(max(answer[0] for answer in answers))
            return answers[0]

    def _followed(self, entity_id: str, text: str, about: Json | None) -> codec.Prepared:
        if not text:
            return codec.prepare("prime.vector.deleted", f"vec:{entity_id}")
        head = codec.prepare("prime.vector.stored", f"vec:{entity_id}")
        return (*head[:2], vector_payload(self._embedded([text])[0], text, about), *head[3:])

    def _own_text(self, id: str) -> tuple[str, int]:
        node = self._engine.views.nodes.node(id)
        if node is None:
            raise NodeNotFound(f"there is no node {id}", hint="give a vector or a text, or add the node first")
        text = own_text(node.properties)
        if not text:
            raise InvalidArgument(f"text: {id} says nothing of itself that could be embedded", hint="give a text")
        return text, node.version

    # Reads.

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
        """What is most alike: at most `k` hits by cosine, the best first, equal scores by id.

        `query` is a vector, the id of an entity that has one (which is then left out of the answer), or a text for the
        store's embedder; `id`, `text` and `vector` say which it is where a string could be either. A hit fits every
        filter: `type`, `domain`, `label` and `properties` (members and their values) of the live node that it is of,
        the `prefix` of its id, members of the `metadata` that was stored with the vector. Filters come before `k`, so
        they hide nothing. It sees all that was appended before. Raises VectorNotFound, ModelMismatch, InvalidArgument,
        ReembedUnfinished.

        >>> prime.embed("note:1", [1.0, 0.0, 0.5])
        Receipt(...)
        >>> [hit.id for hit in prime.similar([1.0, 0.0, 0.0], k=3)]
        ['note:1']
        """
        self._engine.check()
        if (
            query is not None
            and query.__class__ is not str
            and k.__class__ is int
            and k > 0
            and (id is None and text is None and vector is None and min_score is None)
            and (type is None and domain is None and label is None and prefix is None)
            and (properties is None and metadata is None)
        ):
            found = self._vectors.quick(query, k)
            if found is not None:
                return found
        filters = Filters(type, domain, label, prefix, properties, metadata)
        source = Source(self._vectors, self._embedded, self._engine.one_look)
        return alike(source, (query, id, text, vector), k, min_score, filters)

    # Models.

    def _embedder(self) -> Embedder:
        with self._choosing:
            recorded = self._recorded()
            wanted = embedders.edition(self._engine.settings.embedder, recorded) or embedders.DEFAULT
            if self._chosen is None or (wanted == recorded and self._chosen.name != recorded):
                self._chosen = embedders.find(wanted)
            return self._chosen

    def _recorded(self) -> str | None:
        return recorded(self._vectors)

    def _embedded(self, texts: list[str]) -> list[Any]:
        embedder = self._embedder()
        self._check_same(embedder, self._vectors)
        if not self._vectors.dimensions:
            self._engine.pipeline.expect_model(orjson.dumps(embedder.name), embedder.dimensions)
        return embedders.vectors(embedder, texts)

    def _embedded_as(self, past: VectorIndex, texts: list[str]) -> list[Any]:
        """Vectors of texts by the model that an earlier space was of."""
        embedder, model = self._embedder(), recorded(past)
        if model is not None and model != embedder.name:
            embedder = embedders.find(model)
        self._check_same(embedder, past)
        return embedders.vectors(embedder, texts)

    def _check_same(self, embedder: Embedder, vectors: VectorIndex) -> None:
        model, dimensions = vectors.model, vectors.dimensions
        same = dimensions == embedder.dimensions and (
            model == embedder.name or (model is None and self._engine.settings.embedder is not None)
        )
        if dimensions and not same:
            raise ModelMismatch(
                f"the store's vectors are of {model or 'a model of their own'} ({dimensions} numbers each), the "
                f"embedder at hand is {embedder.name} ({embedder.dimensions})",
                hint=f"open the store with the embedder they are of, or `prime reembed --model {embedder.name}`",
            )

    def reembed(self, model: Any = None, *, drop: bool = False, progress: Progress | None = None) -> ReembedReport:
        """Gives every stored text a vector of another model: a name or a callable, as `embedder` of open().

        All are made first, then the new space and the vectors are appended, a batch of about 8 MiB at a time; what fits
        one batch changes in one step. Broken off between batches, searches raise ReembedUnfinished until it is called
        again, which goes on with what is missing. Vectors without a text cannot be made anew: they are an error, or
        gone with `drop`. `progress(done, all, done)` is called after each of some hundred texts. Raises
        InvalidArgument.
        """
        self._engine.check()
        embedder = self._embedder() if model is None else embedders.find(model)
        run = _Reembedding(self, embedder, drop, progress)
        return run.run()

    def _append_remade(
        self, batch: list[codec.Prepared], versions: list[int | None], strict: list[bool], of: Embedder
    ) -> None:
        # Texts are embedded by the new model from the moment on that its space is in force.
        with self._made_for_space:
            self._engine.check()
            _batch.append_many(self._engine.pipeline, batch, versions, strict)
            with self._choosing:
                self._chosen = of


class _Reembedding:
    """One change of model."""

    def __init__(self, prime: Embeds, embedder: Embedder, drop: bool, progress: Progress | None) -> None:
        self._prime = prime
        self._engine = prime._engine
        self._vectors = prime._vectors
        self._embedder = embedder
        self._drop = drop
        self._progress = progress
        self._made: dict[str, Any] = {}
        self._embedded = 0
        self._dropped = 0

    def run(self) -> ReembedReport:
        vectors, same = self._vectors, self._embedder.name == self._vectors.model
        same = same and self._embedder.dimensions == vectors.dimensions
        begun = same
        while not (begun and not vectors.awaiting):
            try:
                self._step(begun)
                begun = True
            except (VersionConflict, NodeNotFound):
                continue  # somebody wrote meanwhile: look again
        return ReembedReport(
            self._embedder.name, self._embedder.dimensions, self._embedded, self._dropped, vectors.position
        )

    def _step(self, begun: bool) -> None:
        graph, without = self._engine.views.graph, 0
        batch: list[codec.Prepared] = []
        versions: list[int | None] = []
        strict: list[bool] = []
        with_text: list[Waiting] = []
        version = self._engine.views.reader.latest(_SPACE)[0]
        for item in _stored.waiting_texts(graph) + ([] if begun else _stored.live_texts(graph)):
            if item[1] is None:
                without += 1
            else:
                with_text.append(Waiting(item[0], item[1], *item[2:]))
        if not begun:
            self._check_drop(without)
        self._make(with_text)
        if not begun:
            space = {"dimensions": self._embedder.dimensions, "model": self._embedder.name, "reembed": True}
            batch.append(codec.prepare("prime.space.defined", _SPACE, space))
            versions.append(version)
            strict.append(False)
        room = BATCH_BYTES
        for waiting in with_text:
            head = codec.prepare("prime.vector.stored", f"vec:{waiting.id}")
            payload = vector_payload(self._made[waiting.text], waiting.text, waiting.about)
            room -= len(payload) + 256
            if room < 0 and len(batch) > (0 if begun else 1):
                break
            batch.append((*head[:2], payload, *head[3:]))
            versions.append(waiting.version)
            strict.append(waiting.shown)
        if batch:
            self._prime._append_remade(batch, versions, strict, self._embedder)
        self._embedded += len(batch) - (0 if begun else 1)
        self._dropped += without if not begun else 0

    def _check_drop(self, without: int) -> None:
        if without and not self._drop:
            raise InvalidArgument(
                f"{without:,} vectors have no text that a new one could be made from",
                hint="--drop (drop=True) leaves them out; history keeps them",
            )

    def _make(self, waiting: list[Waiting]) -> None:
        texts = list(dict.fromkeys(it.text for it in waiting if it.text not in self._made))
        for first in range(0, len(texts), TEXTS_AT_ONCE):
            some = texts[first : first + TEXTS_AT_ONCE]
            self._made.update(zip(some, embedders.vectors(self._embedder, some), strict=True))
            if self._progress is not None:
                done = first + len(some)
                self._progress(done, len(texts), done)


def own_text(properties: Json) -> str:
    """What a node says of itself: its strings, one a line, the telling ones first, the rest by name.

    >>> own_text({"role": "lead", "name": "Alice", "age": 5, "domain": "engineering"})
    'Alice\\nlead'
    """
    names = [*TEXT_FIRST, *sorted(set(properties) - set(TEXT_FIRST) - TEXT_NEVER)]
    found = (properties.get(name) for name in names)
    return "\n".join(value for value in found if isinstance(value, str) and value.strip())


def _head(name: str, envelope: dict[str, Any]) -> tuple[codec.Prepared, int | None, bool]:
    # (an event without its payload, expected_version, durable)
    for field in envelope:
        if field not in ("event_id", "timestamp", "expected_version", "durable"):
            raise TypeError(f"unexpected keyword argument {field!r}")
    head = codec.prepare("prime.vector.stored", name, None, envelope.get("event_id"), envelope.get("timestamp"))
    return head, envelope.get("expected_version"), bool(envelope.get("durable", False))


def vector_payload(numbers: Any, text: str | None, about: Json | bytes | None) -> bytes:
    """The payload of a stored vector, as JSON."""
    return _embedding.vector_payload(
        numbers, None if text is None else _json_text(text), None if about is None else _json_object(about)
    )


def _json_text(text: str) -> bytes:
    return codec.encode_json({"": text}, "text")[4:-1]


def _json_object(about: Json | bytes) -> bytes:
    return about if isinstance(about, bytes) else codec.encode_json(about, "metadata")
