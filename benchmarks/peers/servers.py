"""Graph contenders behind a socket, each server started for the measurement alone: PostgreSQL and Redis."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

from kinds import Graph, Unavailable
from stored import TWO_HOPS

from primecore.bench.tables import ENTRIES, GRAPH

START_S = 60


def program(name: str, *folders: str) -> str:
    """The path of a program, the newest of those folders first. Raises Unavailable."""
    places = [str(path) for folder in folders for path in sorted(Path("/").glob(folder.lstrip("/")), reverse=True)]
    found = shutil.which(name, path=os.pathsep.join([*places, os.environ.get("PATH", "")]))
    if found is None:
        raise Unavailable(f"no {name} on this machine")
    return found


def wait_for(ready: Any, server: subprocess.Popen[bytes]) -> Any:
    """What `ready()` gives once it raises nothing."""
    until = time.monotonic() + START_S
    while True:
        try:
            return ready()
        except Exception as why:
            if server.poll() is not None or time.monotonic() > until:
                raise Unavailable(f"the server did not start: {why}") from why
            time.sleep(0.02)


class Server(Graph):
    """A graph in a process of its own, which runs from open() to close()."""

    server: subprocess.Popen[bytes]

    def processes(self) -> list[int]:
        listed = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.server.pid)], capture_output=True, text=True, check=False
        )
        return [self.server.pid, *map(int, listed.stdout.split())]

    def stop(self) -> None:
        self.server.terminate()
        self.server.wait(START_S)


class PostgresGraph(Server):
    """With its defaults, over a Unix socket: a commit is on the disk when it returns."""

    def run(self, name: str, *arguments: str) -> list[str]:
        return [program(name, "/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin"), *arguments]

    def open(self) -> None:
        import psycopg

        data, user = self.folder / "data", None
        if os.geteuid() == 0:  # it refuses to run as the superuser
            try:
                user = pwd.getpwnam("postgres").pw_name
            except KeyError:
                raise Unavailable("PostgreSQL does not run as root, and there is no user postgres") from None
            shutil.chown(self.folder, user)
            self.folder.parent.chmod(0o711)
        if not data.exists():
            command = self.run("initdb", "-D", str(data), "-U", "prime", "--auth=trust", "--no-sync")
            subprocess.run(command, user=user, check=True, stdout=subprocess.DEVNULL)
        command = self.run("postgres", "-D", str(data), "-k", str(self.folder), "-c", "listen_addresses=")
        self.server = subprocess.Popen(command, user=user, stderr=subprocess.DEVNULL)
        settings = {"host": str(self.folder), "user": "prime", "dbname": "postgres", "autocommit": True}
        self.connection = wait_for(lambda: psycopg.connect(**settings), self.server)
        self.connection.prepare_threshold = 0
        self.version = str(self.connection.info.server_version // 10_000)
        if self.connection.execute("select to_regclass('nodes')").fetchone()[0] is None:
            for statement in GRAPH.replace("without rowid", "").replace(" real", " float8").split(";"):
                if statement.strip():
                    self.connection.execute(statement)

    def load(self, people: list[Any], links: list[Any]) -> None:
        rows = ((one.id, json.dumps(one.properties)) for one in people)
        with self.connection.transaction(), self.connection.cursor() as cursor:
            for table, given in (("nodes", rows), ("edges", links)):
                with cursor.copy(f"copy {table} from stdin") as copy:
                    for row in given:
                        copy.write_row(row)
        self.connection.execute("analyze")

    def add(self, link: tuple[str, str, str, str, float]) -> None:
        self.connection.execute("insert into edges values (%s, %s, %s, %s, %s)", link)

    def node(self, key: str) -> dict[str, Any]:
        found = self.connection.execute("select properties from nodes where id = %s", (key,)).fetchone()
        return dict(json.loads(found[0]))

    def neighbors(self, key: str) -> list[Any]:
        return list(self.connection.execute(ENTRIES.replace("?", "%s"), (key, key)).fetchall())

    def two_hops(self, key: str) -> int:
        return int(self.connection.execute(TWO_HOPS.replace("?", "%s"), (key, key)).fetchone()[0])

    def close(self) -> None:
        self.connection.close()
        self.server.send_signal(2)  # a fast shutdown; the default one waits for clients
        self.server.wait(START_S)


class RedisGraph(Server):
    """A string for each node, a list for each node's entries; its append-only file synced every second."""

    def open(self) -> None:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        path = self.folder / "redis.sock"
        command = [program("redis-server"), "--port", "0", "--unixsocket", str(path), "--dir", str(self.folder)]
        command += ["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]
        self.server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.client = redis.Redis(unix_socket_path=str(path), retry=Retry(NoBackoff(), 0))
        wait_for(self.client.ping, self.server)
        self.version = str(self.client.info("server")["redis_version"])

    def load(self, people: list[Any], links: list[Any]) -> None:
        with self.client.pipeline(transaction=False) as pipe:
            for number, one in enumerate(people, start=1):
                pipe.set("n" + one.id, json.dumps(one.properties))
                if number % 1000 == 0:
                    pipe.execute()
            for number, link in enumerate(links, start=1):
                self.put(pipe, link)
                if number % 1000 == 0:
                    pipe.execute()
            pipe.execute()

    def put(self, pipe: Any, link: tuple[str, str, str, str, float]) -> None:
        edge, source, target, relation, weight = link
        tail = b"\0".join((edge.encode(), relation.encode())) + struct.pack("<d", weight)
        pipe.rpush("e" + source, b">" + target.encode() + b"\0" + tail)
        pipe.rpush("e" + target, b"<" + source.encode() + b"\0" + tail)

    def add(self, link: tuple[str, str, str, str, float]) -> None:
        with self.client.pipeline(transaction=True) as pipe:
            self.put(pipe, link)
            pipe.execute()

    def node(self, key: str) -> dict[str, Any]:
        return dict(json.loads(self.client.get("n" + key)))

    @staticmethod
    def entries(values: list[bytes]) -> list[Any]:
        found = []
        for value in values:
            peer, edge, relation = value[1:-8].split(b"\0")
            way = "out" if value[0] == ord(">") else "in"
            found.append((peer.decode(), edge.decode(), relation.decode(), way, struct.unpack("<d", value[-8:])[0]))
        return found

    def neighbors(self, key: str) -> list[Any]:
        return self.entries(self.client.lrange("e" + key, 0, -1))

    def two_hops(self, key: str) -> int:
        near = {entry[0] for entry in self.neighbors(key)}
        with self.client.pipeline(transaction=False) as pipe:
            for peer in near:
                pipe.lrange("e" + peer, 0, -1)
            return len(near.union(*({entry[0] for entry in self.entries(values)} for values in pipe.execute())))

    def close(self) -> None:
        self.client.close()
        self.stop()
