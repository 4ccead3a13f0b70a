"""Bad input of every kind: it is named by line, column and field, and never costs what was good."""

from __future__ import annotations

import gzip
import io
import os
import uuid

import pytest
from support.broken import BROKEN, nested, sized, vector
from support.lines import A, B, counts, line

import primecore
from primecore.errors import InvalidEvent, PrimeError


@pytest.fixture
def prime(tmp_path):
    with primecore.open(tmp_path / "store") as prime:
        yield prime


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_line_stops_and_costs_nothing_before_it(tmp_path, name):
    broken, field = BROKEN[name]
    path = tmp_path / "a.jsonl"
    path.write_bytes(A + b"\n" + broken + b"\n" + B + b"\n")
    with primecore.open(tmp_path / "store", fsync="never") as prime:
        with pytest.raises(InvalidEvent) as caught:
            prime.ingest(path)
        error = caught.value
        assert error.line == 2 and error.column >= 1
        assert error.field.endswith(field) if field else True
        message = str(error)
        assert f"a.jsonl:2:{error.column}: " in message and error.reason in message
        assert len(message) < 1000 and "\n" not in message and message.isprintable()
        assert error.report.appended == 1 and error.report.refused == 1
        assert prime.durable_position == prime.position == 1
    with primecore.open(tmp_path / "store") as prime:
        assert [n.id for n in prime.nodes()] == ["node:t:a"]
        assert counts(prime.ingest(path, on_error="skip")) == (3, 1, 1, 1)
        assert [n.id for n in prime.nodes()] == ["node:t:a", "node:t:b"]


def test_what_is_just_within_the_limits(prime):
    good = [sized(16 << 20), nested(512), line("x" * 1024, event_type="x"), line("x", event_type="x" * 128)]
    metadata = '{"a":"' + "y" * ((1 << 20) - 8) + '"}'
    good.append(f'{{"event_type":"x","entity_id":"x","metadata":{metadata}}}'.encode())
    assert prime.ingest(io.BytesIO(b"\n".join(good))).appended == len(good)
    assert len(list(prime.events())) == len(good)


@pytest.mark.parametrize(
    "broken",
    ["x", "  x", '{"event_type":"a","entity_id":"é日🙂","payload":x}', '{"event_type":"a","payload":{"é":"日","a":x}}'],
)
def test_columns_count_characters_from_one(prime, broken):
    with pytest.raises(InvalidEvent) as caught:
        prime.ingest(io.BytesIO(A + b"\r\n" + broken.encode()), name="in")
    assert (caught.value.line, caught.value.column) == (2, broken.index("x") + 1)


def test_a_vector_of_another_dimension_names_both(prime):
    text = vector(embedding=[1, 2]) + b"\n" + vector(embedding=[1, 2, 3]) + b"\n" + A
    with pytest.raises(InvalidEvent, match="2") as caught:
        prime.ingest(io.BytesIO(text), name="in")
    assert caught.value.line == 2 and "3" in str(caught.value)
    assert prime.position == 2  # the space and the first vector
    assert counts(prime.ingest(io.BytesIO(text), name="in", on_error="skip")) == (3, 1, 1, 1)


def test_skip_counts_every_broken_line(prime):
    broken = [text for text, _ in BROKEN.values() if len(text) < 100_000]
    lines = [part for n, text in enumerate(broken) for part in (line(f"node:t:{n}"), text)]
    report = prime.ingest(io.BytesIO(b"\n".join(lines)), on_error="skip")
    assert counts(report) == (2 * len(broken), len(broken), 0, len(broken))


def test_quarantine_keeps_the_broken_lines(prime, tmp_path):
    broken = [text for text, _ in BROKEN.values() if len(text) < 100_000 and b"\x00" not in text]
    report = prime.ingest(
        io.BytesIO(b"\n".join([A, *broken, B])), on_error="quarantine", quarantine=tmp_path / "bad.jsonl"
    )
    assert counts(report) == (len(broken) + 2, 2, 0, len(broken))
    kept = (tmp_path / "bad.jsonl").read_bytes()
    assert all(text in kept for text in broken) and A not in kept.splitlines()
    prime.ingest(io.BytesIO(b"more of this"), on_error="quarantine", quarantine=tmp_path / "bad.jsonl")
    assert broken[0] in (tmp_path / "bad.jsonl").read_bytes(), "what an earlier ingest set aside must stay"


def test_quarantine_of_conflicts(prime, tmp_path):
    event_id = str(uuid.uuid4())
    lines = line(event_id=event_id), line("node:t:b", event_id=event_id)
    report = prime.ingest(io.BytesIO(b"\n".join(lines)), on_error="quarantine", quarantine=tmp_path / "bad")
    assert counts(report) == (2, 1, 0, 1) and lines[1] in (tmp_path / "bad").read_bytes()


@pytest.mark.parametrize("arguments", [{"on_error": "ignore"}, {"on_error": "quarantine"}, {"on_error": None}])
def test_arguments_that_make_no_sense(prime, arguments):
    with pytest.raises((ValueError, TypeError)):
        prime.ingest(io.BytesIO(A), **arguments)
    assert prime.position == 0


def test_a_gzip_that_ends_early_keeps_what_came_before(prime, tmp_path):
    lines = b"".join(line(f"node:t:{os.urandom(30).hex()}") + b"\n" for _ in range(5000))
    packed = gzip.compress(lines)
    (tmp_path / "a.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(PrimeError) as caught:
        prime.ingest(tmp_path / "a.jsonl.gz")
    message = str(caught.value)
    assert "a.jsonl.gz" in message and "gzip" in message.lower()
    assert 500 < prime.position < 5000 and prime.durable_position == prime.position
    assert caught.value.report.appended == prime.position
    (tmp_path / "a.jsonl.gz").write_bytes(packed)
    before = prime.position
    report = prime.ingest(tmp_path / "a.jsonl.gz")
    assert (report.appended, report.duplicates) == (5000 - before, before)


NO_GZIP = {
    "plain text": A,
    "two bytes": b"\x1f\x8b",
    "without its last bytes": gzip.compress(A)[:-4],
    "with something behind": gzip.compress(A) + b"junk",
}


@pytest.mark.parametrize("name", NO_GZIP)
def test_a_gz_that_is_no_gzip(prime, tmp_path, name):
    (tmp_path / "a.gz").write_bytes(NO_GZIP[name])
    with pytest.raises(PrimeError, match=r"a\.gz"):
        prime.ingest(tmp_path / "a.gz")


def test_a_gzip_with_a_wrong_checksum(prime, tmp_path):
    packed = bytearray(gzip.compress(A + b"\n"))
    packed[-6] ^= 1
    (tmp_path / "a.gz").write_bytes(packed)
    with pytest.raises(PrimeError, match=r"a\.gz"):
        prime.ingest(tmp_path / "a.gz")


@pytest.mark.parametrize("name", ["folder", "folder.gz"])
def test_a_directory(prime, tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(PrimeError, match="directory"):
        prime.ingest(tmp_path / name)


def test_a_file_that_is_not_there(prime, tmp_path):
    with pytest.raises((PrimeError, FileNotFoundError), match=r"nowhere\.jsonl"):
        prime.ingest(tmp_path / "nowhere.jsonl")


def test_a_text_stream_is_refused(prime):
    with pytest.raises((TypeError, ValueError)):
        prime.ingest(io.StringIO(A.decode()))


def test_a_stream_that_fails_keeps_what_came_before(prime):
    class Failing(io.RawIOBase):
        calls = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            self.calls += 1
            if self.calls > 1:
                raise OSError(5, "the wire was cut")
            buffer[: len(A) + 1] = A + b"\n"
            return len(A) + 1

    with pytest.raises((PrimeError, OSError), match="the wire was cut"):
        prime.ingest(Failing())
    assert prime.durable_position == prime.position == 1


def test_progress_is_told(prime, tmp_path):
    path, seen = tmp_path / "a.jsonl", []
    path.write_bytes(b"".join(line(f"node:t:{n}") + b"\n" for n in range(20_000)))
    prime.ingest(path, progress=lambda read, total, events: seen.append((read, total, events)))
    size = path.stat().st_size
    assert seen and seen == sorted(seen) and {total for _, total, _ in seen} == {size}
    assert seen[-1] == (size, size, 20_000)


def test_a_progress_callback_that_raises_stops_cleanly(prime, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(line(f"node:t:{n}") + b"\n" for n in range(20_000)))

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prime.ingest(path, progress=stop)
    before = prime.position
    assert prime.ingest(path).appended == 20_000 - before
    assert len(prime.nodes()) == 20_000
