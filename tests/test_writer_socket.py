"""writer.sock: who may reach it, how long it is there, and peers that talk nonsense, stall or never listen."""

from __future__ import annotations

import os
import random
import socket
import stat
import struct
import threading
import time
from pathlib import Path

import pytest
from support.children import child
from support.sharing import new_owner, shared, wait_until

import primecore
from primecore import frames, owner


@pytest.fixture
def both(tmp_path):
    """The owner of a store, and one that hands it its writes."""
    with shared(tmp_path / "s") as stores:
        yield stores


def test_the_socket_is_private_and_goes_with_the_owner(tmp_path):
    path = tmp_path / "s"
    old = os.umask(0)
    try:
        with primecore.open(path):
            wait_until((path / "writer.sock").exists)
            time.sleep(0.01)
            assert stat.S_IMODE((path / "writer.sock").stat().st_mode) == 0o600
    finally:
        os.umask(old)
    assert not (path / "writer.sock").exists()


def test_a_dead_owners_socket_is_replaced(tmp_path):
    with new_owner(tmp_path / "s") as process:
        process.stdout.readline()
        wait_until((tmp_path / "s" / "writer.sock").exists)
    assert (tmp_path / "s" / "writer.sock").exists()
    with new_owner(tmp_path / "s") as process, primecore.open(tmp_path / "s", via_owner=True) as prime:
        assert prime.append("x", "x").position == 1


def test_a_socket_that_somebody_removed_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr(owner, "LOOK_SECONDS", 0.05)
    path = tmp_path / "s"
    with primecore.open(path) as prime:
        for n in range(3):
            wait_until((path / "writer.sock").exists)
            (path / "writer.sock").unlink()
            wait_until((path / "writer.sock").exists)
            with primecore.open(path, via_owner=True) as other:
                assert other.append("x", "x").position == prime.position == n + 1
    assert not (path / "writer.sock").exists()


def test_a_socket_that_cannot_be_made_at_first_is_made_later(tmp_path, monkeypatch):
    monkeypatch.setattr(owner, "LOOK_SECONDS", 0.05)
    real, tries = owner.Listener._bind, []

    def failing(self):
        tries.append(1)
        if len(tries) < 3:
            raise OSError("out of descriptors")
        return real(self)

    monkeypatch.setattr(owner.Listener, "_bind", failing)
    with primecore.open(tmp_path / "s"):
        wait_until((tmp_path / "s" / "writer.sock").exists)
        with primecore.open(tmp_path / "s", via_owner=True) as other:
            assert other.append("x", "x").position == 1
    assert len(tries) == 3


def test_nothing_listens_for_a_store_that_nobody_else_can_reach(tmp_path):
    def listening():
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("prime-owner")]

    wait_until(lambda: not listening())  # those of other tests
    with primecore.open(":memory:"):
        assert not listening()
    primecore.open(tmp_path / "s").close()
    with primecore.open(tmp_path / "s", read_only=True):
        wait_until(lambda: not listening())


def test_a_closed_store_leaves_no_thread_that_listens(tmp_path, monkeypatch):
    monkeypatch.setattr(owner, "LOOK_SECONDS", 3600.0)
    with primecore.open(tmp_path / "s"):
        wait_until((tmp_path / "s" / "writer.sock").exists)
        before = [thread for thread in threading.enumerate() if thread.name == "prime-owner"]
    for thread in before:
        thread.join(10)
        assert not thread.is_alive()


def test_an_open_store_does_not_keep_a_process_alive(tmp_path):
    script = "import primecore, sys; p = primecore.open(sys.argv[1]); p.append('x', 'x')"
    with child("-c", script, tmp_path / "s") as process:
        assert process.wait(timeout=30) == 0


def test_a_path_longer_than_a_socket_address(tmp_path):
    path = tmp_path / ("d" * 100) / ("e" * 100)
    with new_owner(path) as process:
        process.stdout.readline()
        with primecore.open(path, via_owner=True) as prime:
            assert prime.append("x", "x").position == 1 and prime.position == 1


# --- peers that behave badly


def raw(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(20)
    connection.connect(str(path / "writer.sock"))
    return connection


def greeted(path: Path) -> socket.socket:
    connection = raw(path)
    connection.sendall(frames.pack({"prime": frames.PROTOCOL}))
    assert frames.receive(connection, begin_s=20, go_on_s=20)["prime"] == frames.PROTOCOL
    return connection


def ended(connection: socket.socket) -> bool:
    """Whether the owner hung up."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_nonsense_ends_its_own_connection_only(both, tmp_path):
    own, other = both
    path = tmp_path / "s"
    rng = random.Random(7)
    hello = frames.pack({"prime": frames.PROTOCOL})
    for opening in (
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        struct.pack(">I", 0xFFFFFFFF),
        struct.pack(">I", frames.HELLO_BYTES + 1) + b"x" * 100,
        frames.pack([1, 2, 3]),
        struct.pack(">I", 3) + b"\xc1\xc1\xc1",
        struct.pack(">I", 0),
        hello + struct.pack(">I", frames.FRAME_BYTES + 1),
        hello + struct.pack(">I", 4) + b"\xdf\xff\xff\xff",
        hello + struct.pack(">I", 2000) + b"\x91" * 2000,
        *[hello + struct.pack(">I", 64) + rng.randbytes(64) for _ in range(50)],
        *[rng.randbytes(rng.randrange(1, 400)) for _ in range(50)],
    ):
        connection = raw(path)
        connection.sendall(opening)
        connection.shutdown(socket.SHUT_WR)
        while not ended(connection):
            pass
        connection.close()
    assert other.append("x", "x").position == own.position


def test_another_version_of_the_protocol_is_told(both, tmp_path):
    connection = raw(tmp_path / "s")
    connection.sendall(frames.pack({"prime": 99}))
    answer = frames.receive(connection, begin_s=20, go_on_s=20)
    assert "version" in str(frames.error_in(answer["error"])) and ended(connection)


@pytest.mark.parametrize(
    "request_",
    [
        [],
        ["append"],
        ["append", 1, 2, 3, 4],
        ["append", [b"x", b"x", b"{}", None, b"short", None], None, False, False],
        ["append", [b"x", b"x", b"[1]", None, None, None], None, False, False],
        ["append", [b"x", b"x", b'{"a":1,"a":2}', None, None, None], None, False, False],
        ["append", [b"x", b"x", b"{}", b"{nope}", None, None], None, False, False],
        ["append", [b"x", b"x", b"{}", b'"text"', None, None], None, False, False],
        ["append", [b"x", b"x", b"{}", None, None, 1 << 62], None, False, False],
        ["append", ["x", "x", "{}", None, None, None], None, False, False],
        ["append", [b"x", b"\xff\xfe", b"{}", None, None, None], None, False, False],
        ["append", [b"x", b"x", b"{}", None, None, None], "1", False, False],
        ["append_many", [[b"x", b"x", b"{}", None, None, None]], [], False],
        ["append_many", [7], [None], False],
        ["lines", b"", "name", b"", 1, None],
        ["lines", b"", b"n", b"i", -1, None],
        ["call", "close", {}],
        ["call", "__class__", {}],
        ["call", "flush", {"nonsense": 1}],
        ["call", ["flush"], {}],
        {"append": 1},
        None,
    ],
    ids=repr,
)
def test_a_request_that_makes_no_sense_is_an_error_and_appends_nothing(both, tmp_path, request_):
    own, _ = both
    connection = greeted(tmp_path / "s")
    connection.sendall(frames.pack(request_))
    answer = frames.receive(connection, begin_s=20, go_on_s=20)
    assert isinstance(frames.error_in(answer["error"]), (primecore.PrimeError, TypeError, ValueError))
    assert own.position == 0
    connection.sendall(frames.pack(["append", [b"x", b"x", b"{}", None, None, None], None, False, False]))
    assert frames.receive(connection, begin_s=20, go_on_s=20)["result"][0] == 1, "the connection goes on"
    connection.close()


def test_half_frames_slow_peers_and_peers_that_never_read(both, tmp_path, monkeypatch):
    monkeypatch.setattr(owner, "PATIENCE_SECONDS", 0.3)
    own, other = both
    path = tmp_path / "s"
    silent = raw(path)  # says nothing
    half_hello = raw(path)
    half_hello.sendall(b"\x00\x00")
    half = greeted(path)
    half.sendall(struct.pack(">I", 1 << 20) + b"x" * 1000)
    left = greeted(path)
    left.sendall(frames.pack(["append", [b"x", b"left", b"{}", None, None, None], None, False, False])[:-3])
    left.close()  # in the middle of a frame: not done
    deaf = greeted(path)
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.settimeout(5)
    question = frames.pack(["call", "nothing " * 200, {}])
    with pytest.raises(OSError):
        for _ in range(10_000):
            deaf.sendall(question)
    for n in range(50):
        assert other.append("x", "x").position == n + 1
    assert ended(silent) and ended(half_hello) and ended(half)
    assert own.position == 50 and not list(own.history("left"))


def test_more_peers_than_it_takes(both, tmp_path, monkeypatch):
    monkeypatch.setattr(owner, "CONNECTIONS", 5)
    own, other = both
    other.append("x", "x")
    held = [raw(tmp_path / "s") for _ in range(20)]
    assert other.append("x", "x").position == 2, "who is in stays in"
    for connection in held:
        connection.close()
    with primecore.open(own.path, via_owner=True) as late:
        assert late.append("x", "x").position == 3
