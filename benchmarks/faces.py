"""What http_face.py and mcp_face.py measured, as tables of docs/http.md and docs/mcp.md. Knows results, no files."""

from __future__ import annotations

from typing import Any

Result = dict[str, Any]

HTTP_ROWS = (
    ("bare", "an application that answers `{}`, in the same server program"),
    ("route", "`GET /health`: an empty route, which takes the way of all requests"),
    ("neighbors", "`GET neighbors`, ten edges and ten nodes"),
    ("stats", "`GET stats`"),
    ("events_1", "`POST events`, one event"),
    ("events_1000", "`POST events`, 1,000 lines a request, durable"),
)
MCP_ROWS = (
    ("nothing", "a tool of the same SDK that does nothing"),
    ("prime_neighbors", "`prime_neighbors`, ten edges and ten nodes"),
    ("prime_recall", "`prime_recall`"),
    ("prime_add_node", "`prime_add_node`"),
    ("reference_open_nodes", "`open_nodes` of MCP's reference memory server, one of 1,000 nodes"),
)


def http_part(result: Result | None, origin: str) -> str:
    """What http_face.py measured; empty without its result."""
    if result is None:
        return ""
    figures = result["figures"]
    lines = ["| | median | 99th percentile | requests a second | median beside `/health` |", "|---|---|---|---|---|"]
    for name, words in HTTP_ROWS:
        one = figures[name]
        ratio = f"{one['p50_us'] / figures['route']['p50_us']:.2f}" if name != "route" else ""
        told = f"{one['p50_us']:,.0f} us | {one['p99_us']:,.0f} us | {one['requests_per_second']:,.0f}"
        lines.append(f"| {words} | {told} | {ratio} |")
    rate = figures["events_per_second_1000_a_request"]
    many = "; ".join(
        f"`{name}` {figures[name + '_32_connections']['requests_per_second']:,.0f}"
        for name in ("route", "neighbors", "stats")
    )
    lines += [
        "",
        f"A graph of {figures['nodes']:,} nodes; {rate:,.0f} events a second by 1,000 a request. Requests a second "
        f"over 32 connections: {many}. {origin}.",
    ]
    return "\n".join(lines) + "\n"


def mcp_part(result: Result | None, origin: str) -> str:
    """What mcp_face.py measured; empty without its result."""
    if result is None:
        return ""
    figures = result["figures"]
    lines = ["| | median | 99th percentile | median beside nothing |", "|---|---|---|---|"]
    for name, words in MCP_ROWS:
        if name in figures:
            one = figures[name]
            ratio = f"{one['p50_us'] / figures['nothing']['p50_us']:.2f}" if name != "nothing" else ""
            lines.append(f"| {words} | {one['p50_us']:,.0f} us | {one['p99_us']:,.0f} us | {ratio} |")
    return "\n".join([*lines, "", f"A graph of {figures['nodes']:,} nodes. {origin}.", ""])
