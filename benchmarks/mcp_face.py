"""Latency of `prime_neighbors` over stdio, beside a tool of the same SDK that does nothing, and a reference server.

The graph of 10,000 nodes and five edges each way; fresh ids. `prime_recall` too, about names, where there is one. The
reference is MCP's own memory server (npm), asked to open one node of 1,000 that it holds; left out where its program is
not there (--reference PROGRAM, after `npm install @modelcontextprotocol/server-memory`). The client speaks the protocol
by hand, so that it costs the same for all. Servers have the pinned core, the client another one where there is one
(--client-core).
"""

from __future__ import annotations

import array
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import common
import graphs

WARM = 20
NODES = 10_000
REFERENCE_NODES = 1_000
cores: dict[str, set[int]] = {}  # of the "server" and of the "client"


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


class Server:
    """A server in a child, spoken to over its pipes: a line asked, a line answered. No SDK's work on this side."""

    def __init__(self, command: str, *arguments: object, **environment: str) -> None:
        common.run_on(cores["server"])  # a child keeps what it was started on
        self._child = subprocess.Popen(
            [command, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environment},
        )
        common.run_on(cores["client"])
        about = {"capabilities": {}, "clientInfo": {"name": "benchmark", "version": "1"}}
        self.ask("initialize", {"protocolVersion": "2025-06-18", **about})
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def _send(self, message: dict[str, Any]) -> None:
        self._child.stdin.write(json.dumps(message).encode() + b"\n")
        self._child.stdin.flush()

    def ask(self, method: str, params: dict[str, Any]) -> tuple[int, Any]:
        """Nanoseconds until the answer was there, and its result."""
        begun = time.perf_counter_ns()
        self._send({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        line = self._child.stdout.readline()
        took = time.perf_counter_ns() - begun
        answer = json.loads(line)
        if "result" not in answer or answer["result"].get("isError"):
            raise SystemExit(f"{method} {params}: {line.decode()}")
        return took, answer["result"]

    def call(self, tool: str, arguments: dict[str, Any]) -> int:
        """Nanoseconds of one call."""
        return self.ask("tools/call", {"name": tool, "arguments": arguments})[0]

    def timed(self, tool: str, requests: list[dict[str, Any]]) -> dict[str, float]:
        """Microseconds of calls at two percentiles, the first ones left out."""
        spans = array.array("q", [self.call(tool, request) for request in requests][WARM:])
        told = common.percentiles(spans, 0.0)
        return {"p50_us": told["p50"] / 1_000, "p99_us": told["p99"] / 1_000}

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.stdin.close()
        self._child.wait(60)
        self._child.stdout.close()


def measure(store: Path, folder: Path, nodes: int, calls: int, rounds: int, reference: str | None) -> Any:
    """Contenders take turns."""
    dice = random.Random(7)
    runs: dict[str, list[dict[str, float]]] = {}
    for _ in range(rounds):
        ids = [f"node:person:{dice.randrange(nodes):08d}" for _ in range(calls)]
        with Server(sys.executable, __file__, "--nothing") as it:
            runs.setdefault("nothing", []).append(it.timed("nothing", [{} for _ in ids]))
        with Server(sys.executable, "-m", "primecore.cli", "--data-dir", store, "mcp") as it:
            runs.setdefault("prime_neighbors", []).append(it.timed("prime_neighbors", [{"node_id": id} for id in ids]))
            if any(tool["name"] == "prime_recall" for tool in it.ask("tools/list", {})[1]["tools"]):
                requests = [{"query": f"person {int(id.rpartition(':')[2])}"} for id in ids]
                runs.setdefault("prime_recall", []).append(it.timed("prime_recall", requests))
            requests = [{"type": "t", "properties": {"at": at}} for at in range(calls)]
            runs.setdefault("prime_add_node", []).append(it.timed("prime_add_node", requests))
        if reference is not None:
            path = common.fresh(folder / "reference") / "memory.jsonl"
            path.parent.mkdir()
            with Server(reference, MEMORY_FILE_PATH=str(path)) as it:
                made = [
                    {"name": f"n{at}", "entityType": "person", "observations": [f"is number {at}"]}
                    for at in range(REFERENCE_NODES)
                ]
                it.call("create_entities", {"entities": made})
                requests = [{"names": [f"n{dice.randrange(REFERENCE_NODES)}"]} for _ in range(calls)]
                runs.setdefault("reference_open_nodes", []).append(it.timed("open_nodes", requests))
    return runs


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0])
    parser.add_argument(
        "--reference", default=shutil.which("mcp-server-memory"), help="program of the reference server"
    )
    parser.add_argument("--client-core", type=int, default=None, help="CPU of the client (default: not the servers')")
    parser.add_argument("--quick", action="store_true", help="a try of some seconds: a small graph, one round")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.scale, arguments.rounds = 0.05, 1
    allowed = common.cores()
    head = common.start(arguments)
    core = arguments.client_core if arguments.client_core is not None else min(allowed - {head["core"]}, default=-1)
    cores["server"] = {head["core"]} & allowed
    cores["client"] = {core} & allowed or cores["server"]
    head["client_core"] = core
    nodes, calls = common.scaled(NODES, arguments.scale), common.scaled(2_000, arguments.scale)
    with common.workplace(arguments) as folder:
        store = shutil.copytree(graphs.build(folder / f"graph-{nodes}", nodes), common.fresh(folder / "served"))
        runs = measure(store, folder, nodes, calls, arguments.rounds, arguments.reference)
    figures: dict[str, Any] = {name: common.middle(rounds) for name, rounds in runs.items()}
    figures |= {"nodes": nodes, "calls": calls}
    for tool in ("neighbors", "recall"):
        pairs = zip(runs.get(f"prime_{tool}", []), runs["nothing"], strict=False)
        ratios = [one["p50_us"] / base["p50_us"] for one, base in pairs]
        if ratios:
            figures[f"{tool}_p50_ratio"] = round(statistics.median(ratios), 3)
    common.finish("mcp_face", arguments, head, figures)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--nothing"]:
        nothing()
    else:
        main()
