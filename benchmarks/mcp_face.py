"""Latency of `prime_neighbors` over stdio, beside a tool of the same SDK that does nothing, and a reference server.

The graph of 100,000 nodes and five edges each way; fresh ids. The reference is MCP's own memory server (npm), asked to
open one node of 1,000 that it holds; left out where its program is not there (--reference PROGRAM, after `npm install
@modelcontextprotocol/server-memory`). Client and servers share the pinned core.
"""

from __future__ import annotations

import array
import os
import random
import shutil
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import common
import graphs

WARM = 20
REFERENCE_NODES = 1_000


def nothing() -> None:
    """Runs in a child: a server whose one tool does nothing."""
    import anyio
    import mcp_types as types
    from mcp.server.lowlevel import Server
    from mcp.server.stdio import stdio_server

    async def tools(_: Any, __: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[types.Tool(name="nothing", input_schema={"type": "object"})])

    async def call(_: Any, __: Any) -> types.CallToolResult:
        return types.CallToolResult(content=[types.TextContent(text="{}")], structured_content={})

    async def serve() -> None:
        server: Server[Any] = Server("nothing", on_list_tools=tools, on_call_tool=call)
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())

    anyio.run(serve)


@asynccontextmanager
async def client(command: str, *arguments: object, **environment: str) -> AsyncIterator[Any]:
    """A client of a server in a child."""
    from mcp.client.client import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client

    parameters = StdioServerParameters(command=command, args=[*map(str, arguments)], env={**os.environ, **environment})
    with open(os.devnull, "w") as quiet:
        async with Client(stdio_client(parameters, errlog=quiet)) as found:
            yield found


async def timed(found: Any, tool: str, requests: list[dict[str, Any]]) -> dict[str, float]:
    """Nanoseconds of each call, as percentiles in microseconds."""
    spans = array.array("q")
    for at, request in enumerate(requests):
        begun = time.perf_counter_ns()
        answer = await found.call_tool(tool, request)
        took = time.perf_counter_ns() - begun
        if answer.is_error:
            raise SystemExit(f"{tool}: {answer.content}")
        if at >= WARM:
            spans.append(took)
    told = common.percentiles(spans, 0.0)
    return {"p50_us": told["p50"] / 1_000, "p99_us": told["p99"] / 1_000}


async def measure(store: Path, folder: Path, nodes: int, calls: int, rounds: int, reference: str | None) -> Any:
    """Contenders take turns."""
    dice = random.Random(7)
    runs: dict[str, list[dict[str, float]]] = {}
    for _ in range(rounds):
        ids = [f"node:person:{dice.randrange(nodes):08d}" for _ in range(calls)]
        async with client(sys.executable, __file__, "--nothing") as found:
            runs.setdefault("nothing", []).append(await timed(found, "nothing", [{} for _ in ids]))
        async with client(sys.executable, "-m", "primecore.cli", "--data-dir", store, "mcp") as found:
            requests = [{"node_id": id} for id in ids]
            runs.setdefault("prime_neighbors", []).append(await timed(found, "prime_neighbors", requests))
            requests = [{"type": "t", "properties": {"at": at}} for at in range(calls)]
            runs.setdefault("prime_add_node", []).append(await timed(found, "prime_add_node", requests))
        if reference is not None:
            path = common.fresh(folder / "reference") / "memory.jsonl"
            path.parent.mkdir()
            async with client(reference, MEMORY_FILE_PATH=str(path)) as found:
                made = [
                    {"name": f"n{at}", "entityType": "person", "observations": [f"is number {at}"]}
                    for at in range(REFERENCE_NODES)
                ]
                await found.call_tool("create_entities", {"entities": made})
                requests = [{"names": [f"n{dice.randrange(REFERENCE_NODES)}"]} for _ in range(calls)]
                runs.setdefault("reference_open_nodes", []).append(await timed(found, "open_nodes", requests))
    return runs


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0])
    parser.add_argument(
        "--reference", default=shutil.which("mcp-server-memory"), help="program of the reference server"
    )
    arguments = parser.parse_args()
    head = common.start(arguments)
    import anyio

    nodes, calls = common.scaled(100_000, arguments.scale), common.scaled(2_000, arguments.scale)
    with common.workplace(arguments) as folder:
        store = shutil.copytree(graphs.build(folder / f"graph-{nodes}", nodes), common.fresh(folder / "served"))
        runs = anyio.run(measure, store, folder, nodes, calls, arguments.rounds, arguments.reference)
    figures: dict[str, Any] = {name: common.middle(rounds) for name, rounds in runs.items()}
    figures |= {"nodes": nodes, "calls": calls}
    pairs = zip(runs["prime_neighbors"], runs["nothing"], strict=True)
    figures["neighbors_p50_ratio"] = round(statistics.median(one["p50_us"] / base["p50_us"] for one, base in pairs), 3)
    common.finish("mcp_face", arguments, head, figures)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--nothing"]:
        nothing()
    else:
        main()
