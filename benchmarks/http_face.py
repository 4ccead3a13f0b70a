"""Latency and rate of `prime serve`, beside empty routes of the same stack, measured by wrk over one connection.

Two routes are empty: "bare", an application that answers two bytes from the same server program at once, and "route",
GET /health, which takes the way that all requests take. Ratios are given over both.

GET neighbours (fresh ids of a graph of 100,000 nodes, five edges each way, so ten neighbours and ten nodes an answer),
GET stats, POST events one and 1,000 a request. Also over 32 connections, for the rate. Servers have the pinned core,
wrk another one where there is one (--client-core).
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import common
import graphs

API = "/api/v1/prime"
EVENT = '{"event_type":"note.taken","entity_id":"note:%d","payload":{"text":"' + "x" * 150 + '"}}'
UNITS = {"us": 1.0, "ms": 1_000.0, "s": 1_000_000.0}
CONNECTIONS = 32
SECONDS = 3  # of each run: tens of thousands of requests

SCRIPTS = {
    "neighbors": """
math.randomseed(7)
request = function()
  return wrk.format("GET", string.format("{api}/nodes/node:person:%08d/neighbors", math.random(0, {nodes} - 1)))
end""",
    "events_1": """
local at = 0
request = function()
  at = at + 1
  local body = string.format([==[{event}]==], at)
  return wrk.format("POST", "{api}/events", {{["content-type"] = "application/json"}}, body)
end""",
    "events_1000": """
local lines = {{}}
for at = 1, 1000 do lines[at] = string.format([==[{event}]==], at) end
local body = table.concat(lines, "\\n") .. "\\n"
request = function()
  return wrk.format("POST", "{api}/events", {{["content-type"] = "application/x-ndjson"}}, body)
end""",
}
PATHS = {"bare": "/", "route": "/health", "stats": f"{API}/stats"}
# Every request is made by Lua, so that wrk works as hard for each contender.
SCRIPTS |= {name: f'request = function() return wrk.format("GET", "{path}") end' for name, path in PATHS.items()}


def empty() -> None:
    """Runs in a child: the same server over an application that answers at once."""
    from primecore.faces.http.app import App
    from primecore.faces.http.server import listen, run

    class Nothing(App):
        async def __call__(self, scope, receive, send) -> None:
            if scope["type"] == "lifespan":
                return await self._live(receive, send)
            headers = [(b"content-length", b"2"), (b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"{}"})

    import primecore

    listening = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with primecore.open(":memory:") as prime:
        run(Nothing(prime), listening, lambda: print(json.dumps({"url": url}), flush=True))


@contextlib.contextmanager
def server(*command: object) -> Iterator[str]:
    """A server in a child; its URL."""
    child = subprocess.Popen([sys.executable, *map(str, command)], stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(child.stdout.readline())["url"]
    finally:
        child.terminate()
        child.wait(60)


def wrk(url: str, script: Path, seconds: int, connections: int) -> dict[str, float]:
    """One run: microseconds at two percentiles, requests per second."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script, url]
    told = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in told or "Socket errors" in told:
        raise SystemExit(f"wrk met errors:\n{told}")
    at = {
        percent: float(number) * UNITS[unit]
        for percent, number, unit in re.findall(r"^ +(\d+)% +([\d.]+)(us|ms|s)", told, re.MULTILINE)
    }
    rate = re.search(r"Requests/sec: +([\d.]+)", told)
    if rate is None or not at.get("50"):
        raise SystemExit(f"wrk had no answers:\n{told}")
    return {"p50_us": at["50"], "p99_us": at["99"], "requests_per_second": float(rate[1])}


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0])
    parser.add_argument("--client-core", type=int, default=None, help="CPU of wrk (default: one that servers have not)")
    parser.add_argument("--quick", action="store_true", help="a try of some seconds: a small graph, one round")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.scale, arguments.rounds = 0.05, 1
    others = common.cores()
    if shutil.which("wrk") is None:
        raise SystemExit("this needs wrk (Debian and Ubuntu: apt-get install wrk)")
    head = common.start(arguments)
    others -= {head["core"]}
    client = arguments.client_core if arguments.client_core is not None else min(others, default=head["core"])
    head["client_core"] = client
    nodes = common.scaled(100_000, arguments.scale)
    seconds = max(1, round(SECONDS * arguments.scale))
    runs: dict[str, list[dict[str, float]]] = {}
    with common.workplace(arguments) as folder:
        store = graphs.build(folder / f"graph-{nodes}", nodes)
        copy = shutil.copytree(store, common.fresh(folder / "served"))
        scripts = {}
        for name, text in SCRIPTS.items():
            scripts[name] = folder / f"{name}.lua"
            scripts[name].write_text(text.format(api=API, nodes=nodes, event=EVENT))
        serve = ("-m", "primecore.cli", "--json", "--data-dir", copy, "serve", "--port", 0)
        with server(__file__, "--empty") as nothing, server(*serve) as prime:
            if client >= 0:
                common.run_on({client})  # servers keep the core they were started on
            for _ in range(arguments.rounds):
                for name in ("bare", "route", "neighbors", "stats", "events_1", "events_1000"):
                    base = nothing if name == "bare" else prime
                    runs.setdefault(name, []).append(wrk(base, scripts[name], seconds, 1))
                    if not name.startswith("events"):
                        many = wrk(base, scripts[name], seconds, CONNECTIONS)
                        runs.setdefault(f"{name}_{CONNECTIONS}_connections", []).append(many)
    figures = {name: common.middle(rounds) for name, rounds in runs.items()}
    figures["nodes"] = nodes
    for name in ("neighbors", "stats"):
        for base in ("bare", "route"):
            ratios = [one["p50_us"] / other["p50_us"] for one, other in zip(runs[name], runs[base], strict=True)]
            figures[f"{name}_p50_over_{base}"] = round(statistics.median(ratios), 3)
    figures["events_per_second_1000_a_request"] = figures["events_1000"]["requests_per_second"] * 1_000
    common.finish("http_face", arguments, head, figures)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--empty"]:
        empty()
    else:
        main()
