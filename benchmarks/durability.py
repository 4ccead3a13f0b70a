"""The tables of docs/durability.md, out of results: what the ladder tried, what durability costs. Measures nothing."""

from __future__ import annotations

from typing import Any

Result = dict[str, Any]


def torture_part(result: Result | None) -> str:
    """What the last long run of the ladder tried; empty without its result."""
    if result is None:
        return ""
    figures, machine = result["figures"], result["machine"]
    lines = ["| rung | tried | of | seconds | failures |", "|---|---|---|---|---|"]
    for name, rung in figures["rungs"].items():
        said = (rung.get("not_allowed") and "not allowed there") or f"{rung['tried']:,}"
        lines.append(f"| {name} | {said} | {rung['unit']} | {rung['seconds']:,.0f} | {rung['failures']} |")
    where = f"{machine['cpu']}, {machine['cpus']} CPUs, {machine['system'].partition('-')[0]}"
    python = machine["versions"]["python"]
    what = f"Python {python}, commit {machine['commit'] or 'unknown'}, first seed {result['first_seed']}"
    return "\n".join([*lines, "", f"{result['seconds']:,.0f} seconds on {where}, {what}.", ""])


def figures_part(results: dict[str, Result], origin: str) -> str:
    """What durable appends, syncs beside appends, recovery and following cost; empty without results."""
    rows: list[tuple[str, str]] = []
    for name, told in (("durable", waiting), ("append_tail", beside), ("verify", recovering), ("follow", following)):
        if name in results:
            rows += told(results[name]["figures"])
    if not rows:
        return ""
    lines = ["| figure | measured |", "|---|---|", *(f"| {what} | {said} |" for what, said in rows)]
    return "\n".join([*lines, "", f"Medians. {origin}.", ""])


def waiting(one: dict[str, float]) -> list[tuple[str, str]]:
    """durable.py: who waits for the disk."""
    raw = f"{one['raw_us_p50']:.0f} us"
    ring = f"{one['turns_of_64_threads_per_second']:,.0f}"
    return [
        (
            f"one append at a time, `fsync=\"always\"`, median ({one['record_bytes']:.0f} bytes)",
            f"{one['prime_us_p50']:.0f} us, {one['prime_times_raw']:.2f} times `pwrite` and `fdatasync` ({raw})",
        ),
        (
            '`durable=True` under `fsync="interval"`, median',
            f"{one['prime_durable_us_p50']:.0f} us, {one['prime_durable_times_raw']:.2f} times",
        ),
        ("SQLite, WAL, `synchronous=FULL`, median", f"{one['sqlite_us_p50']:.0f} us"),
        (
            "durable appends a second, one thread and 64",
            f"{one['prime_1_writer_per_second']:,.0f} and {one['prime_64_writers_per_second']:,.0f}, "
            f"{one['prime_64_times_1']:.1f} times as many",
        ),
        (
            "the same with SQLite",
            f"{one['sqlite_1_writer_per_second']:,.0f} and {one['sqlite_64_writers_per_second']:,.0f}",
        ),
        ("64 threads that each sync a file of their own", f"{one['raw_64_writers_per_second']:,.0f} a second"),
        ("64 threads that do nothing but wake each other", f"{ring} a second"),
    ]


def beside(one: dict[str, float]) -> list[tuple[str, str]]:
    """append_tail.py: appends that wait for nothing, beside syncs and without."""
    pace = f"of a paced stream, {one['interval_events_per_second']:,.0f} events a second in all"
    found = []
    for what, name in (("one append", "append"), ("25 in bulk", "chunk")):
        said = [
            f"{one[f'{mode}_{name}_p999_ns'] / 1000:,.1f} us and {one[f'{mode}_{name}_max_us']:,.0f} us"
            for mode in ("interval", "never")
        ]
        found.append((f"{what} {pace}, 99.9th percentile and longest", f"{said[0]}; without syncs {said[1]}"))
    found.append(("the oldest event that was not synced yet, at worst", f"{one['interval_worst_unsynced_ms']:,.0f} ms"))
    return found


def recovering(one: dict[str, float]) -> list[tuple[str, str]]:
    """verify.py: seconds for each GiB of log."""

    def each(name: str) -> str:
        return f"{one[f'{name}_s_per_gib']:.2f} s"

    return [
        (
            "recovery after a crash, for each GiB of log",
            f"{each('recover_log')} for the log alone, {each('recover')} with all projections",
        ),
        (
            "`verify`, for each GiB of log",
            f"{each('verify_log')} for the log alone, {each('verify')} with a replay; reading the bytes {each('read')}",
        ),
        ("a first backup, for each GiB of log", each("backup")),
    ]


def following(one: dict[str, float]) -> list[tuple[str, str]]:
    """follow.py: other processes."""
    seen = [f"{one[f'visible_ns_{name}'] / 1000:,.0f} us" for name in ("p50", "p99", "max")]
    return [
        (
            "from the call of `append` to its sight in another process",
            f"median {seen[0]}, 99th percentile {seen[1]}, longest {seen[2]}",
        ),
        (
            "appends a second through the owner, from one process that waits for each",
            f"{one['forwarded_appends_per_second']:,.0f}, in batches of 100 "
            f"{one['forwarded_append_many_100_events_per_second']:,.0f}",
        ),
    ]
