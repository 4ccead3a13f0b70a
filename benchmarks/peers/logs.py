"""Event-log contenders: Prime, SQLite as a table of events, the Python library eventsourcing."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from kinds import Log

from primecore.bench.tables import EVENTS, INSERT

Event = tuple[str, str, dict[str, Any]]


class PrimeLog(Log):
    def __init__(self, folder: Path) -> None:
        import primecore

        super().__init__(folder)
        self.prime = primecore.open(folder / "prime")

    def append(self, event: Event) -> None:
        self.prime.append(*event)

    def append_many(self, events: list[Event]) -> None:
        self.prime.append_many({"event_type": t, "entity_id": e, "payload": p} for t, e, p in events)

    def payloads(self) -> Iterator[dict[str, Any]]:
        return (event.payload for event in self.prime.events())

    def close(self) -> None:
        self.prime.close()


class SqliteLog(Log):
    synchronous: ClassVar[str] = "NORMAL"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.connection = sqlite3.connect(folder / "events.db", isolation_level=None)
        self.connection.execute("pragma journal_mode = wal")
        self.connection.execute(f"pragma synchronous = {self.synchronous}")
        self.connection.executescript(EVENTS)

    @staticmethod
    def row(event: Event) -> tuple[Any, ...]:
        event_type, entity_id, payload = event
        return str(uuid.uuid4()), event_type, entity_id, None, json.dumps(payload)

    def append(self, event: Event) -> None:
        self.connection.execute(INSERT, self.row(event))

    def append_many(self, events: list[Event]) -> None:
        self.connection.execute("begin")
        self.connection.executemany(INSERT, map(self.row, events))
        self.connection.execute("commit")

    def payloads(self) -> Iterator[dict[str, Any]]:
        rows = self.connection.execute("select event_type, entity_id, payload from events order by position")
        return (json.loads(payload) for _, _, payload in rows)

    def close(self) -> None:
        self.connection.close()


class SqliteFullLog(SqliteLog):
    synchronous = "FULL"


class EventsourcingLog(Log):
    """Its recorder, without the domain objects above it, which would cost more."""

    def __init__(self, folder: Path) -> None:
        from eventsourcing.persistence import StoredEvent
        from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

        super().__init__(folder)
        self.recorder = SQLiteApplicationRecorder(SQLiteDatastore(str(folder / "events.db")))
        self.recorder.create_table()
        self.stored, self.versions = StoredEvent, dict[uuid.UUID, int]()

    def envelope(self, event: Event) -> Any:
        event_type, entity_id, payload = event
        origin = uuid.uuid5(uuid.NAMESPACE_URL, entity_id)
        version = self.versions[origin] = self.versions.get(origin, 0) + 1
        return self.stored(
            originator_id=origin, originator_version=version, topic=event_type, state=json.dumps(payload).encode()
        )

    def append(self, event: Event) -> None:
        self.recorder.insert_events([self.envelope(event)])

    def append_many(self, events: list[Event]) -> None:
        self.recorder.insert_events([self.envelope(event) for event in events])

    def payloads(self) -> Iterator[dict[str, Any]]:
        start = 1
        while batch := self.recorder.select_notifications(start=start, limit=1000):
            yield from (json.loads(it.state) for it in batch)
            start = batch[-1].id + 1
