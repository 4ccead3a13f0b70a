"""Writes: the verbs that append events. Requests become events here; the write path checks them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from primecore import _batch, _lines, codec
from primecore._append import append_ordinary
from primecore._pipeline import Pipeline
from primecore.engine import Engine
from primecore.errors import EdgeNotFound, InvalidArgument, InvalidEvent, NodeNotFound
from primecore.ingest import Ingest, Progress, Readable, Settle, Take
from primecore.model import Event, IngestReport, Receipt


class _Unset:
    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = _Unset()  # "not given", where None means "clear it"

Json = Mapping[str, Any]
EventId = str | uuid.UUID
Time = datetime | str


class Writes:
    """What every open store can be told.

    Every write takes these keywords: `expected_version` (int: how many events the entity must have; VersionConflict),
    `event_id` (UUID: the same event again is a no-op; IdempotencyConflict for another one), `timestamp` (aware datetime
    or RFC 3339 text), `metadata` (dict), `durable` (wait for stable storage). Writes raise InvalidEvent, LimitExceeded,
    DiskFull, StorePoisoned, OutcomeUnknown and StoreClosed.
    """

    def _use(self, engine: Engine) -> None:
        self._engine = engine
        self._append = engine.pipeline.append
        # Where writes go elsewhere, or something must follow them, they all go through _write().
        self._at_once = engine.pipeline if type(self)._write is Writes._write else None
        self._always = engine.settings.fsync == "always"

    def append(
        self,
        event_type: str,
        entity_id: str,
        payload: Json | None = None,
        *,
        expected_version: int | None = None,
        event_id: EventId | None = None,
        timestamp: Time | None = None,
        metadata: Json | None = None,
        durable: bool = False,
    ) -> Receipt:
        """Appends one event of any type: a fact, taken as it comes.

        >>> prime.append("order.placed", "order:17", {"total": 40}).version
        1
        """
        plain = event_id is None and timestamp is None and metadata is None and expected_version is None
        if plain and self._at_once is not None:
            self._engine.check()
            receipt = append_ordinary(self._at_once, event_type, entity_id, payload)
            if receipt is not None:
                if durable or self._always:
                    self._engine.wait_durable(receipt.position)
                return receipt
        prepared = codec.prepare(event_type, entity_id, payload, event_id, timestamp, metadata)
        return self._write(prepared, expected_version, durable, False)

    def _write(self, prepared: codec.Prepared, expected_version: int | None, durable: bool, strict: bool) -> Receipt:
        self._engine.check()
        if expected_version is not None:
            check_count(expected_version, "expected_version")
        receipt = self._append(prepared, expected_version, strict)
        if durable or self._always:
            self._engine.wait_durable(receipt.position)
        return receipt

    def _write_typed(
        self, prepared: codec.Prepared, expected_version: int | None, durable: bool, strict: bool
    ) -> Receipt:
        # What a verb with a name of its own writes: where something else must follow it, that goes into the same batch.
        return self._write(prepared, expected_version, durable, strict)

    def append_many(self, events: Iterable[Event | Json], *, durable: bool = False) -> list[Receipt]:
        """Appends a batch of envelopes (dicts, which may carry `expected_version`, or Events) whole or not at all.

        At most 32 MiB of log a batch (LimitExceeded). What is wrong with one event refuses them all.
        """
        batch = [codec.prepare_envelope(event) for event in events]
        for _, expected in batch:
            if expected is not None:
                check_count(expected, "expected_version")
        return self._write_many([prepared for prepared, _ in batch], [expected for _, expected in batch], durable)

    def _write_many(
        self, prepared: Sequence[codec.Prepared], expected_versions: Sequence[int | None], durable: bool
    ) -> list[Receipt]:
        self._engine.check()
        receipts = _batch.append_many(self._engine.pipeline, list(prepared), list(expected_versions))
        if receipts and (durable or self._always):
            self._engine.wait_durable(max(receipt.position for receipt in receipts))
        return receipts

    def _typed(self, event_type: str, entity_id: str, payload: Json, strict: bool, envelope: dict[str, Any]) -> Receipt:
        expected_version = envelope.pop("expected_version", None)
        durable = envelope.pop("durable", False)
        for name in envelope:
            if name not in ("event_id", "timestamp", "metadata"):
                raise TypeError(f"unexpected keyword argument {name!r}")
        prepared = codec.prepare(event_type, entity_id, payload, **envelope)
        try:
            return self._write_typed(prepared, expected_version, durable, strict)
        except InvalidEvent as error:
            if not strict or error.field not in ("entity_id", "payload.source", "payload.target"):
                raise
            # What can be no node's or edge's id names none.
            missing = entity_id if error.field == "entity_id" else payload[error.field.removeprefix("payload.")]
            if event_type.startswith("prime.node.") or error.field != "entity_id":
                raise NodeNotFound(f"there is no node {missing}", hint="node ids look like node:{type}:{id}") from None
            raise EdgeNotFound(f"there is no edge {missing}", hint="edge ids look like edge:{id}") from None

    def add_node(
        self,
        type: str,
        properties: Json | None = None,
        *,
        id: str | None = None,
        domain: str | None = None,
        labels: Sequence[str] | None = None,
        **envelope: Any,
    ) -> str:
        """Adds a node, or replaces what a live one says of itself; returns its id, `node:{type}:{id}`.

        Without `id`: that of `event_id`, else random.

        >>> prime.add_node("person", {"name": "Bob", "domain": "engineering"}, id="bob")
        'node:person:bob'
        """
        if not isinstance(type, str) or not type or ":" in type:
            raise InvalidArgument(f"type: expected a word without colons, found {type!r}")
        if id is not None and (not isinstance(id, str) or not id):
            raise InvalidArgument(f"id: expected text, found {id!r}")
        node_id = f"node:{type}:{_new_id(envelope) if id is None else id}"
        payload: dict[str, Any] = {"node_type": type, "properties": {} if properties is None else properties}
        if domain is not None:
            payload["domain"] = domain
        if labels is not None:
            payload["labels"] = checked_labels(labels)
        self._typed("prime.node.created", node_id, payload, False, envelope)
        return node_id

    def update_node(
        self,
        id: str,
        properties: Json | None = None,
        *,
        domain: str | _Unset | None = UNSET,
        labels: Sequence[str] | None = None,
        **envelope: Any,
    ) -> Receipt:
        """Merges `properties` into a live node's (RFC 7396: None removes); `domain=None` clears it.

        Raises NodeNotFound.
        """
        payload: dict[str, Any] = {"properties": {} if properties is None else properties}
        if not isinstance(domain, _Unset):
            payload["domain"] = domain
        if labels is not None:
            payload["labels"] = checked_labels(labels)
        return self._typed("prime.node.updated", id, payload, True, envelope)

    def delete_node(self, id: str, **envelope: Any) -> Receipt:
        """Deletes a live node, and with it its edges, vector and text. History keeps them. Raises NodeNotFound."""
        return self._typed("prime.node.deleted", id, {}, True, envelope)

    def add_edge(
        self,
        source: str,
        target: str,
        relation: str,
        *,
        weight: float | None = None,
        properties: Json | None = None,
        id: str | None = None,
        valid_from: Time | None = None,
        valid_to: Time | None = None,
        **envelope: Any,
    ) -> str:
        """Joins two live nodes; returns the edge's id, `edge:{id}`.

        The same id again replaces the edge. Raises NodeNotFound.

        >>> prime.add_edge("node:person:alice", "node:person:bob", "knows", weight=0.5, id="ab")
        'edge:ab'
        """
        if id is not None and (not isinstance(id, str) or not id):
            raise InvalidArgument(f"id: expected text, found {id!r}")
        edge_id = f"edge:{_new_id(envelope) if id is None else id}"
        payload: dict[str, Any] = {"source": source, "target": target, "relation": relation}
        if weight is not None:
            payload["weight"] = weight
        if properties is not None:
            payload["properties"] = properties
        if valid_from is not None:
            payload["valid_from"] = codec.format_time(valid_from, "valid_from")
        if valid_to is not None:
            payload["valid_to"] = codec.format_time(valid_to, "valid_to")
        self._typed("prime.edge.created", edge_id, payload, True, envelope)
        return edge_id

    def update_edge(
        self,
        id: str,
        *,
        weight: float | None = None,
        properties: Json | None = None,
        valid_from: Time | _Unset | None = UNSET,
        valid_to: Time | _Unset | None = UNSET,
        **envelope: Any,
    ) -> Receipt:
        """Changes a live edge; `properties` are merged (RFC 7396), `valid_from=None` clears it. Raises EdgeNotFound."""
        payload: dict[str, Any] = {}
        if weight is not None:
            payload["weight"] = weight
        if properties is not None:
            payload["properties"] = properties
        for name, value in (("valid_from", valid_from), ("valid_to", valid_to)):
            if not isinstance(value, _Unset):
                payload[name] = None if value is None else codec.format_time(value, name)
        return self._typed("prime.edge.updated", id, payload, True, envelope)

    def delete_edge(self, id: str, **envelope: Any) -> Receipt:
        """Deletes a live edge. Raises EdgeNotFound."""
        return self._typed("prime.edge.deleted", id, {}, True, envelope)

    def ingest(
        self,
        source: str | os.PathLike[str] | Readable,
        *,
        name: str | None = None,
        on_error: str = "stop",
        quarantine: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
    ) -> IngestReport:
        """Takes in JSON lines from a path (.gz and .zst too) or a binary stream.

        What was appended is durable when it returns. A line that is no event stops it with InvalidEvent
        (IdempotencyConflict for a taken id) whose `report` says what was done; `on_error="skip"` goes on, "quarantine"
        also appends the line to the file `quarantine`. Lines without an id get one from `name` (default for a path: the
        real path), line number and bytes, so that the same file again appends nothing; a stream without a `name` gets
        random ids. `progress(bytes_read, bytes_total or None, lines)` is called about every MiB.
        """
        take, settle = self._taking()
        run = Ingest(
            take,
            settle,
            on_error=on_error,
            quarantine=quarantine,
            progress=progress,
        )
        return run.run(source, name)

    def _taking(self) -> tuple[Take, Settle]:
        # Where the lines of one run go, and what makes them durable.
        self._engine.check()

        def settle() -> int:
            self._engine.wait_durable()
            return self._engine.position

        return partial(_lines.ingest, self._engine.pipeline), settle

    def _write_path(self) -> Pipeline:
        self._engine.check()
        return self._engine.pipeline


def check_count(value: int, name: str) -> int:
    """`value` if it is an integer from 0 up. Raises InvalidArgument."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidArgument(f"{name}: expected an integer from 0 up, found {value!r}")
    return value


def checked_labels(labels: Sequence[str]) -> list[str]:
    """`labels` if they are strings. Raises InvalidArgument."""
    found: Any = list(labels) if isinstance(labels, Iterable) and not isinstance(labels, str) else None
    if found is None or not all(isinstance(label, str) for label in found):
        raise InvalidArgument(f"labels: expected a list of strings, found {labels!r}")
    return list(found)


def _new_id(envelope: dict[str, Any]) -> uuid.UUID:
    # With an event id of the caller's, a retry must make the same entity.
    event_id = envelope.get("event_id")
    return uuid.uuid4() if event_id is None else uuid.UUID(bytes=codec.encode_event_id(event_id))
