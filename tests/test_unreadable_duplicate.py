"""An event whose id may be that of one that cannot be read any more is refused: a fact is never stored twice."""

from __future__ import annotations

import io
import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

import primecore

ID = str(uuid.uuid5(uuid.NAMESPACE_URL, "prime"))
SAID = {"event_type": "note.taken", "entity_id": "note:1", "event_id": ID, "payload": {"text": "a rare sentence"}}
WAYS: dict[str, Callable[[primecore.Prime], object]] = {
    "append": lambda prime: prime.append("note.taken", "note:1", {"text": "a rare sentence"}, event_id=ID),
    "append_many": lambda prime: prime.append_many([SAID]),
    "ingest": lambda prime: prime.ingest(io.BytesIO(json.dumps(SAID).encode())),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_may_be_a_duplicate_is_refused(tmp_path: Path, way: str) -> None:
    prime = primecore.open(tmp_path)
    WAYS[way](prime)
    WAYS[way](prime)
    assert prime.position == 1
    [file] = [path for path in (tmp_path / "wal").glob("*.wal") if b"a rare sentence" in path.read_bytes()]
    place = file.read_bytes().index(b"a rare sentence")
    with open(file, "r+b") as out:
        os.pwrite(out.fileno(), b"A", place)
    with pytest.raises(primecore.CorruptLog) as caught:
        WAYS[way](prime)
    assert caught.value.position == 1 and prime.position == 1
    with open(file, "r+b") as out:
        os.pwrite(out.fileno(), b"a", place)
    WAYS[way](prime)
    assert prime.position == 1
    prime.close()
