"""What Prime hands out: small, frozen, typed. Knows the standard library only."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple


class Event(NamedTuple):
    """One fact, as the log holds it. `timestamp` is an aware datetime in UTC."""

    position: int
    version: int
    event_id: str
    event_type: str
    entity_id: str
    timestamp: datetime
    payload: dict[str, Any]
    metadata: dict[str, Any] | None


class Node(NamedTuple):
    """A live node. `version` and `position` are those of the latest event of its `entity_id`."""

    id: str
    type: str
    properties: dict[str, Any]
    domain: str | None
    labels: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    version: int
    position: int


class Edge(NamedTuple):
    """A live edge. `valid_from` and `valid_to` bound the time it speaks of, None where unbounded."""

    id: str
    source: str
    target: str
    relation: str
    weight: float
    properties: dict[str, Any]
    valid_from: datetime | None
    valid_to: datetime | None


class Neighbor(NamedTuple):
    """One edge seen from one of its ends. `direction` is "out" or "in"."""

    peer: str
    edge_id: str
    relation: str
    direction: str
    weight: float


class DistantNeighbor(NamedTuple):
    """A peer reached by breadth-first search: the edge that reached it first, and how many edges away it is."""

    peer: str
    edge_id: str
    relation: str
    direction: str
    weight: float
    depth: int


class Path(NamedTuple):
    """A walk from `nodes[0]` to `nodes[-1]`; `edges` has one fewer.

    `cost` is the number of edges, or the sum of their weights.
    """

    nodes: tuple[str, ...]
    edges: tuple[str, ...]
    cost: float


class Subgraph(NamedTuple):
    """The nodes within `depth` of a start, and the edges among them. `truncated` says that a limit cut it short."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    truncated: bool


class Domain(NamedTuple):
    """A domain and the number of its live nodes."""

    name: str
    nodes: int


class CrossDomain(NamedTuple):
    """The live edges that lead from one domain into another."""

    source_domain: str
    target_domain: str
    edges: int
    relations: dict[str, int]
    edge_ids: tuple[str, ...]


class Link(NamedTuple):
    """An edge that brought a hit, as it runs: `source` `relation` `target`."""

    source: str
    relation: str
    target: str
    edge_id: str


class Hit(NamedTuple):
    """What was found: whose it is (`id` without `vec:`), its score, and what was stored with its vector.

    `text` is the vector's, else the node's own `text` or name; `metadata` the vector's. `parts` says where the score
    comes from: of `search` each word of the query with what it adds, of `similar` the cosine as `vector`, of
    `recall` what vector, words, graph and recency add. `snippet` is cut from where the words stand, if that was asked
    for. `edges` are those along which `recall` came to it.
    """

    id: str
    score: float
    text: str | None
    metadata: dict[str, Any] | None
    parts: dict[str, float]
    snippet: str | None = None
    edges: tuple[Link, ...] = ()


class ReembedReport(NamedTuple):
    """What a change of model did: texts that got a new vector, vectors without a text that were dropped."""

    model: str
    dimensions: int
    embedded: int
    dropped: int
    position: int


class Remembered(NamedTuple):
    """What became of a fact: `id` is the node that holds it, `created` whether that is new.

    `similarity` is how alike it is to one that was there (1.0: the same words; where it was created, the last of
    `edges` leads to that one), None otherwise. `rejected`: it was turned away before, and nothing was appended. `edges`
    are those that were added, `position` what shows it all.
    """

    id: str
    created: bool
    similarity: float | None
    rejected: bool
    edges: tuple[str, ...]
    position: int


class Context(NamedTuple):
    """A Markdown block for a prompt: its size in tokens, the ids it cites, and how many facts found no room."""

    markdown: str
    tokens: int
    ids: tuple[str, ...]
    left_out: int
    position: int

    def __str__(self) -> str:
        return self.markdown


class Receipt(NamedTuple):
    """What an append returns. `duplicate` is true when the same event was there already."""

    position: int
    version: int
    event_id: str
    duplicate: bool


class IngestReport(NamedTuple):
    """What an ingest did. `read` = `appended` + `duplicates` + `refused`; blank lines count nowhere."""

    read: int
    appended: int
    duplicates: int
    refused: int
    events_per_second: float
    position: int


class ParkedProjection(NamedTuple):
    """A projection that raised, and where."""

    name: str
    position: int
    error: str


class Stats(NamedTuple):
    """The state of a store. `oldest_unsynced_ms` is the age of the oldest event not yet on stable storage."""

    events: int
    position: int
    durable_position: int
    nodes: int
    edges: int
    dangling_edges: int
    ignored_events: int
    vectors: int
    nodes_by_type: dict[str, int]
    edges_by_relation: dict[str, int]
    domains: dict[str, int]
    cross_domain_edges: int
    wal_bytes: int
    wal_segments: int
    history_bytes: int
    history_files: int
    checkpoint_position: int
    memory_bytes: dict[str, int]
    oldest_unsynced_ms: float
    worst_unsynced_ms: float
    fsync: str
    projections: dict[str, int]
    parked: tuple[ParkedProjection, ...]


class OpeningReport(NamedTuple):
    """How a store came up: `replayed` events from the log, behind those of the checkpoint (position 0: there was none).

    `note` says in one line why a checkpoint that was there was not used; else it is empty.
    """

    position: int
    checkpoint_position: int
    replayed: int
    seconds: float
    note: str


class CheckpointReport(NamedTuple):
    """A checkpoint of the events up to `position`. Writers stood still for `paused_ms`, readers never."""

    position: int
    file: str
    bytes: int
    seconds: float
    paused_ms: float


class CompactionReport(NamedTuple):
    """What one compaction did: `segments` of the log became `files` of Parquet.

    `bytes_before` counts the records of those segments, `bytes_after` what the files take; 1 - after/before was saved.
    `vector_bytes`, a part of the bytes before, are payloads that hold vectors: numbers hardly compress.
    """

    files: int
    segments: int
    events: int
    bytes_before: int
    bytes_after: int
    vector_bytes: int
    seconds: float


class ReplayReport(NamedTuple):
    """What a replay did. `live_digest` and `equal` are None where nothing was compared."""

    events: int
    seconds: float
    events_per_second: float
    position: int
    digest: str
    live_digest: str | None
    equal: bool | None


class Finding(NamedTuple):
    """What does not hold in a store's files. `severity` is "damage", or "note" for what the next opening mends itself.

    `offset` is in bytes of `file`; `position` is the first event it concerns, 0 where it concerns none. `safe` says
    what it does not touch, `next` what to do.
    """

    code: str
    severity: str
    file: str
    offset: int
    position: int
    what: str
    safe: str
    next: str


class VerifyReport(NamedTuple):
    """What `verify` found. `ok` is false if any finding is damage or the digests differ.

    `position` is the last event found, `durable_position` how far promises on disk reach. `digest` and
    `replayed_digest` are None where projections were not compared.
    """

    ok: bool
    path: str
    events: int
    position: int
    durable_position: int
    segments: int
    bytes: int
    seconds: float
    bytes_per_second: float
    findings: tuple[Finding, ...]
    quarantine: tuple[str, ...]
    digest: str | None
    replayed_digest: str | None


class LostRange(NamedTuple):
    """Positions whose events could not be copied, and where they should have stood.

    `intact` counts those among them that are whole but belong to a batch that is not.
    """

    first_position: int
    last_position: int
    file: str
    offset: int
    reason: str
    intact: int


class SalvageReport(NamedTuple):
    """What `salvage` copied. Positions did not move: each lost one holds an event that says so.

    `renumbered` counts events whose version changed because an earlier one of their entity is lost.
    """

    path: str
    source: str
    store_uuid: str
    source_uuid: str
    position: int
    events: int
    lost: int
    lost_ranges: tuple[LostRange, ...]
    torn_bytes: int
    renumbered: int
    left_out: tuple[str, ...]
    report: str


class BackupReport(NamedTuple):
    """What `backup` did: the backup at `path` now holds every event up to `position`."""

    path: str
    store_uuid: str
    position: int
    segments: int
    bytes: int
    copied_segments: int
    copied_bytes: int
    seconds: float


class RestoreReport(NamedTuple):
    """What `restore` made: the store at `path`, with an identity of its own, holds every event up to `position`."""

    path: str
    source: str
    store_uuid: str
    source_uuid: str
    position: int
    segments: int
    bytes: int
    seconds: float


class Symptom(NamedTuple):
    """One thing `doctor` looked at. `status` is "fine", "note" or "wrong"; `next` is empty where nothing is to do."""

    name: str
    status: str
    message: str
    next: str


class Diagnosis(NamedTuple):
    """What `doctor` says of a store. `ok` is false if any symptom is "wrong"."""

    ok: bool
    path: str
    symptoms: tuple[Symptom, ...]


class FieldChange(NamedTuple):
    """One field before and after. `field` is a JSON pointer such as /properties/name; `kind` is what became of it.

    `kind` is "added", "removed" or "changed"; what was not there is None.
    """

    field: str
    kind: str
    before: Any
    after: Any


class NodeChange(NamedTuple):
    """A node that was live before and after, and the fields that differ."""

    id: str
    fields: tuple[FieldChange, ...]


class EdgeChange(NamedTuple):
    """An edge that was live before and after, and the fields that differ."""

    id: str
    fields: tuple[FieldChange, ...]


class Diff(NamedTuple):
    """The net effect between two points: what is there at the second that was not at the first, and so on.

    The positions are those of the last event that each point shows.
    """

    from_position: int
    to_position: int
    nodes_added: tuple[Node, ...]
    nodes_changed: tuple[NodeChange, ...]
    nodes_removed: tuple[Node, ...]
    edges_added: tuple[Edge, ...]
    edges_changed: tuple[EdgeChange, ...]
    edges_removed: tuple[Edge, ...]


class TimelineEntry(NamedTuple):
    """An event and what it did: `effect` is "created", "replaced", "updated", "deleted", "ignored" or "recorded".

    `fields` changed on the entity itself; `edges_removed` are the ids of edges that a deleted node took along.
    """

    event: Event
    effect: str
    fields: tuple[FieldChange, ...]
    edges_removed: tuple[str, ...]


class Provenance(NamedTuple):
    """The event that set a field last, or took it away (`present` is then false and `value` None).

    `field` is a JSON pointer such as /properties/name; "" is the entity itself, where it is not live.
    """

    entity_id: str
    field: str
    value: Any
    present: bool
    event: Event


class ExportReport(NamedTuple):
    """What an export wrote: events up to `position`, as `bytes` of JSON lines (before packing)."""

    events: int
    position: int
    bytes: int
    seconds: float
