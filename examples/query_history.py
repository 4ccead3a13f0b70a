"""Asks the Parquet files of a compacted store with DuckDB and with pandas, beside Prime or long after it.

    pip install duckdb pandas
    python examples/query_history.py ~/.prime/memory

Every row is one event; docs/format.md ("History") lists the columns. What is still in the log is not in these files.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def with_duckdb(store: Path) -> list[tuple[str, int]]:
    """How many events of each type there are."""
    import duckdb

    files = str(store / "history" / "*.parquet")
    question = "select event_type, count(*) from read_parquet(?) group by event_type order by 2 desc, 1"
    return duckdb.execute(question, [files]).fetchall()


def with_pandas(store: Path) -> dict[str, int]:
    """How many nodes of each type were created on the busiest day."""
    import pandas as pd

    events = pd.concat(pd.read_parquet(file) for file in sorted((store / "history").glob("*.parquet")))
    created = events[events["event_type"] == "prime.node.created"]
    busiest = created["timestamp"].dt.date.mode()[0]
    day = created[created["timestamp"].dt.date == busiest]
    names = day["payload"].map(lambda text: json.loads(text).get("node_type") or "(not said)")
    return {str(name): int(count) for name, count in names.value_counts().sort_index().items()}


if __name__ == "__main__":
    folder = Path(sys.argv[1]).expanduser()
    for event_type, count in with_duckdb(folder):
        print(f"{count:>9,}  {event_type}")
    print(with_pandas(folder))
