"""Where the real event logs lie, and what is known of them. Knows nothing of the engine."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# (events, nodes at the end, edges at the end, dangling, ignored), as published with the logs.
KNOWN = {
    "redb-history.jsonl.gz": (14_986, 1_861, 7_463, 0, 0),
    "lxml-history.jsonl.gz": (47_407, 7_619, 22_885, 2, 2),
}


def real_log(name: str) -> Path:
    """The path of a real log; skips the test where the logs are absent."""
    root = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("PRIME_TEST_DATA") or root / ".." / "shared" / "data")
    path = folder / name
    if not path.exists():
        pytest.skip(f"{path} is absent: set PRIME_TEST_DATA to the folder that holds it")
    return path


def real_events(name: str) -> Iterator[dict[str, Any]]:
    """The events of a real log, parsed."""
    with gzip.open(real_log(name), "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
