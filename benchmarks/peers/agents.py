"""What agents are sold as a memory: sentences kept, and found again by meaning and words. No model, no network.

All that need an embedder have the same stub. What a language model would pick from a sentence is not asked for: each
sentence is kept as it is.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, ClassVar

import stub
from kinds import Memory, Unavailable

ROOT = Path(__file__).resolve().parent.parent.parent
REFERENCE = ROOT / "build" / "peers-npm" / "node_modules" / ".bin" / "mcp-server-memory"
USER = "agent"
# What `prime mcp` does, in an environment that has no commands of Prime's.
SERVE = """
import sys, anyio, primecore, stub
from primecore.faces.mcp.server import Face
with primecore.open(sys.argv[1], embedder=stub.embed) as prime:
    anyio.run(Face(prime, "").run_stdio)
"""


class PrimeAgent(Memory):
    """In this process, by words and vectors at once."""

    def __init__(self, folder: Path) -> None:
        import primecore

        super().__init__(folder)
        self.prime: Any = primecore.open(folder / "prime", embedder=stub.embed)

    def load(self, texts: list[str]) -> None:
        for text in texts:
            self.add(text)
        self.search(texts[0], 1)

    def add(self, text: str) -> None:
        self.prime.remember(text, near=None)

    def search(self, query: str, k: int) -> list[str]:
        return [hit.text for hit in self.prime.recall(query, k=k)]

    def close(self) -> None:
        self.prime.close()


class Pipe:
    """A client of an MCP server: one JSON text a line, over the pipes of a child."""

    def __init__(self, command: list[str], **environment: str) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environment},
        )
        self.last = 0
        client = {"name": "bench", "version": "1"}
        self.ask("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=client)
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, method: str, **parameters: Any) -> Any:
        assert self.process.stdout is not None
        self.last += 1
        self.send({"jsonrpc": "2.0", "id": self.last, "method": method, "params": parameters})
        while line := self.process.stdout.readline():
            answer = json.loads(line)
            if answer.get("id") == self.last:
                if "error" in answer:
                    raise RuntimeError(answer["error"])
                return answer["result"]
        raise RuntimeError("the server ended")

    def call(self, name: str, **arguments: Any) -> Any:
        """What a tool answers: its structure, or the value of its text."""
        answer = self.ask("tools/call", name=name, arguments=arguments)
        text = answer["content"][0]["text"]
        if answer.get("isError"):
            raise RuntimeError(text)
        return answer.get("structuredContent") or json.loads(text)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


class PrimeOverMcp(Memory):
    """`prime mcp`, as an agent's host starts it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        path = os.pathsep.join((str(ROOT), str(Path(__file__).resolve().parent)))
        self.pipe = Pipe([sys.executable, "-c", SERVE, str(folder / "prime")], PYTHONPATH=path)

    def processes(self) -> list[int]:
        return [self.pipe.process.pid]

    def load(self, texts: list[str]) -> None:
        for text in texts:
            self.add(text)
        self.search(texts[0], 1)

    def add(self, text: str) -> None:
        self.pipe.call("prime_remember", text=text)

    def search(self, query: str, k: int) -> list[str]:
        return [hit["text"] for hit in self.pipe.call("prime_recall", query=query, top_k=k)["results"]]

    def close(self) -> None:
        self.pipe.close()


class ReferenceMemory(Memory):
    """MCP's own memory server: entities with observations in one JSONL file, searched by substring."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        if not REFERENCE.exists():
            raise Unavailable("@modelcontextprotocol/server-memory is not installed (it needs npm)")
        if shutil.which("node") is None:
            raise Unavailable("no node on this machine")
        self.pipe = Pipe([str(REFERENCE)], MEMORY_FILE_PATH=str(folder / "memory.jsonl"))
        self.count = 0

    def processes(self) -> list[int]:
        return [self.pipe.process.pid]

    def entity(self, text: str) -> dict[str, Any]:
        self.count += 1
        return {"name": f"fact {self.count}", "entityType": "fact", "observations": [text]}

    def load(self, texts: list[str]) -> None:
        for first in range(0, len(texts), 100):
            self.pipe.call("create_entities", entities=[self.entity(text) for text in texts[first : first + 100]])

    def add(self, text: str) -> None:
        self.pipe.call("create_entities", entities=[self.entity(text)])

    def search(self, query: str, k: int) -> list[str]:
        found = self.pipe.call("search_nodes", query=query)["entities"]
        return [one["observations"][0] for one in found][:k]

    def close(self) -> None:
        self.pipe.close()


def mem0_with_stubs(folder: Path, store: dict[str, Any]) -> Any:
    """A mem0 memory whose embedder is the stub, and whose model is asked nothing."""
    os.environ |= {"MEM0_TELEMETRY": "False", "MEM0_DIR": str(folder / "mem0"), "OPENAI_API_KEY": "none"}
    from mem0 import Memory as Mem0
    from mem0.utils.factory import EmbedderFactory

    class Stub:
        config = None

        def embed(self, text: str, memory_action: str | None = None) -> list[float]:
            return stub.vector(text)

        def embed_batch(self, texts: list[str], memory_action: str | None = None) -> list[list[float]]:
            return stub.embed(texts)

    EmbedderFactory.create = lambda *_: Stub()
    given = {"vector_store": store, "history_db_path": str(folder / "history.db")}
    return Mem0.from_config(given)


class Mem0Chroma(Memory):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.memory = mem0_with_stubs(folder, self.store())

    def store(self) -> dict[str, Any]:
        return {"provider": "chroma", "config": {"collection_name": "facts", "path": str(self.folder / "chroma")}}

    def load(self, texts: list[str]) -> None:
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        self.memory.add(text, user_id=USER, infer=False)

    def search(self, query: str, k: int) -> list[str]:
        found = self.memory.search(query, filters={"user_id": USER}, top_k=k, threshold=0.0)
        return [one["memory"] for one in found["results"]]


class Mem0Qdrant(Mem0Chroma):
    def store(self) -> dict[str, Any]:
        place = {"path": str(self.folder / "qdrant"), "on_disk": True, "embedding_model_dims": stub.DIMENSIONS}
        return {"provider": "qdrant", "config": {"collection_name": "facts", **place}}


class Zer0dex(Mem0Chroma):
    """Its server in a thread of this process, asked over HTTP; sentences are kept whole, as mem0's are."""

    minimum: ClassVar[float] = -1.0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from http.server import HTTPServer

        from zer0dex.server import Mem0Handler

        raw = self.memory

        class Whole:
            search = staticmethod(raw.search)

            @staticmethod
            def add(text: str, user_id: str) -> Any:
                return raw.add(text, user_id=user_id, infer=False)

        Mem0Handler.memory, Mem0Handler.user_id, Mem0Handler.min_score = Whole, USER, self.minimum
        self.server = HTTPServer(("127.0.0.1", 0), Mem0Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def post(self, path: str, **body: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port)
        try:
            connection.request("POST", path, json.dumps(body))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def add(self, text: str) -> None:
        self.post("/add", text=text)

    def search(self, query: str, k: int) -> list[str]:
        return [one["text"] for one in self.post("/query", text=query, limit=k)["memories"]]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
