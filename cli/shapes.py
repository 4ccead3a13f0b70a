"""The shapes of the command line: results of the service as plain dicts, and as rows. Stable, see docs/cli.md."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from primecore.cli.jsontext import rfc3339
from primecore.cli.render import Column
from primecore.model import (
    BackupReport,
    CheckpointReport,
    CompactionReport,
    Context,
    CrossDomain,
    Diagnosis,
    Diff,
    DistantNeighbor,
    Domain,
    Edge,
    EdgeChange,
    Event,
    ExportReport,
    FieldChange,
    Hit,
    IngestReport,
    Neighbor,
    Node,
    NodeChange,
    Path,
    Provenance,
    ReembedReport,
    ReplayReport,
    RestoreReport,
    SalvageReport,
    Stats,
    Subgraph,
    TimelineEntry,
    VerifyReport,
)

Shape = dict[str, Any]

EVENT_COLUMNS = [
    Column("position", "number"),
    Column("version", "number"),
    Column("timestamp"),
    Column("event_type"),
    Column("entity_id", "id"),
    Column("payload", "text"),
]


def event(it: Event) -> Shape:
    """An event as an envelope: `prime ingest` takes it back."""
    return {
        "position": it.position,
        "version": it.version,
        "event_id": it.event_id,
        "event_type": it.event_type,
        "entity_id": it.entity_id,
        "timestamp": rfc3339(it.timestamp),
        "payload": it.payload,
        "metadata": it.metadata,
    }


def event_row(it: Event) -> tuple[Any, ...]:
    """An event as a row under `EVENT_COLUMNS`."""
    return it.position, it.version, rfc3339(it.timestamp), it.event_type, it.entity_id, it.payload


def node(it: Node) -> Shape:
    """A node; `position` is that of its latest event."""
    return {
        "entity_id": it.id,
        "type": it.type,
        "properties": it.properties,
        "domain": it.domain,
        "labels": list(it.labels),
        "created_at": rfc3339(it.created_at),
        "updated_at": rfc3339(it.updated_at),
        "version": it.version,
        "position": it.position,
    }


def edge(it: Edge) -> Shape:
    """An edge."""
    return {
        "entity_id": it.id,
        "source": it.source,
        "target": it.target,
        "relation": it.relation,
        "weight": it.weight,
        "properties": it.properties,
        "valid_from": rfc3339(it.valid_from),
        "valid_to": rfc3339(it.valid_to),
    }


def neighbors(entity_id: str, position: int, found: Iterable[Neighbor | DistantNeighbor]) -> Shape:
    """What an entity is connected to, as of `position`. Neighbours have a `depth` where more than one was asked for."""
    return {"entity_id": entity_id, "position": position, "neighbors": [it._asdict() for it in found]}


def path(source: str, target: str, position: int, found: Path | None) -> Shape:
    """A path, or that there is none."""
    return {
        "source": source,
        "target": target,
        "position": position,
        "found": found is not None,
        "nodes": list(found.nodes) if found else [],
        "edges": list(found.edges) if found else [],
        "cost": found.cost if found else None,
    }


def subgraph(position: int, found: Subgraph) -> Shape:
    """Nodes and the edges among them."""
    return {
        "position": position,
        "nodes": [node(it) for it in found.nodes],
        "edges": [edge(it) for it in found.edges],
        "truncated": found.truncated,
    }


def search(query: str, position: int, hits: Iterable[Hit]) -> Shape:
    """What a search found, the best first."""
    return {"query": query, "position": position, "hits": [it._asdict() for it in hits]}


def recall(query: str, position: int, hits: Iterable[Hit]) -> Shape:
    """What a recall found, the best first."""
    found = [{**it._asdict(), "edges": [edge._asdict() for edge in it.edges]} for it in hits]
    return {"query": query, "position": position, "hits": found}


def context(query: str, it: Context) -> Shape:
    """A block for a prompt."""
    return {"query": query, **it._asdict(), "ids": list(it.ids)}


def similar(position: int, found: Iterable[Hit]) -> Shape:
    """Hits, the best first."""
    return {"position": position, "hits": [it._asdict() for it in found]}


def reembed(it: ReembedReport) -> Shape:
    """What a change of model did."""
    return it._asdict()


def domains(position: int, found: Iterable[Domain]) -> Shape:
    """Domains and their sizes."""
    return {"position": position, "domains": [it._asdict() for it in found]}


def cross_domain(position: int, found: Iterable[CrossDomain]) -> Shape:
    """Edges between domains."""
    return {
        "position": position,
        "cross_domain": [{**it._asdict(), "edge_ids": list(it.edge_ids)} for it in found],
    }


def stats(it: Stats) -> Shape:
    """Every field of `Stats`, under its own name."""
    return {**it._asdict(), "parked": [parked._asdict() for parked in it.parked]}


def ingest(files: list[tuple[str, IngestReport]], seconds: float) -> Shape:
    """Sums over all files, then each file by itself."""
    reports = [report for _, report in files]
    total: Shape = {
        name: sum(getattr(it, name) for it in reports) for name in ("read", "appended", "duplicates", "refused")
    }
    if len(reports) == 1:
        total["events_per_second"] = reports[0].events_per_second
    else:
        total["events_per_second"] = total["appended"] / seconds if seconds > 0 else 0.0
    total["position"] = reports[-1].position if reports else 0
    total["files"] = [{"file": name, **report._asdict()} for name, report in files]
    return total


def checkpoint(it: CheckpointReport) -> Shape:
    """A checkpoint that was written."""
    return it._asdict()


def compact(it: CompactionReport) -> Shape:
    """What one compaction did."""
    return it._asdict()


def replay(it: ReplayReport) -> Shape:
    """What a replay did. `live_digest` and `equal` are null where nothing was compared."""
    return {
        "events": it.events,
        "seconds": it.seconds,
        "events_per_second": it.events_per_second,
        "position": it.position,
        "digest": it.digest,
        "live_digest": it.live_digest,
        "equal": it.equal,
    }


FINDING_COLUMNS = [
    Column("severity"),
    Column("file", "id"),
    Column("offset", "number"),
    Column("position", "number"),
    Column("what", "text"),
    Column("safe", "text"),
    Column("next", "text"),
]
LOST_COLUMNS = [
    Column("first_position", "number"),
    Column("last_position", "number"),
    Column("file", "id"),
    Column("offset", "number"),
    Column("reason", "text"),
    Column("intact", "count"),
]
SYMPTOM_COLUMNS = [Column("status"), Column("name"), Column("message", "text"), Column("next", "text")]


def verify(it: VerifyReport) -> Shape:
    """Every field of the report, findings as objects."""
    findings = [finding._asdict() for finding in it.findings]
    return {**it._asdict(), "findings": findings, "quarantine": list(it.quarantine)}


def finding_rows(it: VerifyReport) -> list[tuple[Any, ...]]:
    """The findings as rows under `FINDING_COLUMNS`."""
    return [tuple(getattr(finding, column.name) for column in FINDING_COLUMNS) for finding in it.findings]


def salvage(it: SalvageReport) -> Shape:
    """Every field of the report, lost ranges as objects."""
    lost_ranges = [lost._asdict() for lost in it.lost_ranges]
    return {**it._asdict(), "lost_ranges": lost_ranges, "left_out": list(it.left_out)}


def doctor(it: Diagnosis) -> Shape:
    """The verdict, and every symptom as an object."""
    return {**it._asdict(), "symptoms": [symptom._asdict() for symptom in it.symptoms]}


def backup(it: BackupReport) -> Shape:
    """Every field of the report, under its own name."""
    return it._asdict()


def restore(it: RestoreReport) -> Shape:
    """Every field of the report, under its own name."""
    return it._asdict()
def value(it: Any) -> Any:
    """A field's value: times as text."""
    return rfc3339(it) if isinstance(it, datetime) else it


def field_change(it: FieldChange) -> Shape:
    """A field before and after."""
    return {"field": it.field, "kind": it.kind, "before": value(it.before), "after": value(it.after)}


def _change(it: NodeChange | EdgeChange) -> Shape:
    return {"entity_id": it.id, "fields": [field_change(field) for field in it.fields]}


def diff(it: Diff) -> Shape:
    """The net effect between two points."""
    return {
        "from_position": it.from_position,
        "to_position": it.to_position,
        "nodes_added": [node(found) for found in it.nodes_added],
        "nodes_changed": [_change(found) for found in it.nodes_changed],
        "nodes_removed": [node(found) for found in it.nodes_removed],
        "edges_added": [edge(found) for found in it.edges_added],
        "edges_changed": [_change(found) for found in it.edges_changed],
        "edges_removed": [edge(found) for found in it.edges_removed],
    }


TIMELINE_COLUMNS = [
    Column("position", "number"),
    Column("timestamp"),
    Column("entity_id", "id"),
    Column("effect"),
    Column("fields", "text"),
    Column("edges_removed", "text"),
]


def timeline_entry(it: TimelineEntry) -> Shape:
    """An event and what it did."""
    return {
        "position": it.event.position,
        "timestamp": rfc3339(it.event.timestamp),
        "event_id": it.event.event_id,
        "event_type": it.event.event_type,
        "entity_id": it.event.entity_id,
        "effect": it.effect,
        "fields": [field_change(field) for field in it.fields],
        "edges_removed": list(it.edges_removed),
    }


def timeline_row(it: TimelineEntry) -> tuple[Any, ...]:
    """The same as a row under `TIMELINE_COLUMNS`: fields as an object of their new values."""
    fields = {field.field: value(field.after) for field in it.fields}
    event = it.event
    return event.position, rfc3339(event.timestamp), event.entity_id, it.effect, fields, list(it.edges_removed)


def why(entity_id: str, position: int, found: Iterable[Provenance]) -> Shape:
    """Which events set an entity's fields, as of `position`."""
    return {
        "entity_id": entity_id,
        "position": position,
        "fields": [
            {"field": it.field, "value": value(it.value), "present": it.present, "event": event(it.event)}
            for it in found
        ],
    }


def export(file: str, it: ExportReport) -> Shape:
    """What an export wrote."""
    return {"file": file, **it._asdict()}


def imported(file: str, it: IngestReport) -> Shape:
    """What an import did."""
    return {"file": file, **it._asdict()}
