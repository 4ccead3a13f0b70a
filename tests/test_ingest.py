"""Files into events: idempotency by source and line, every way of packing and reading them."""

from __future__ import annotations

import gzip
import io
import os
import uuid

import pyarrow
import pytest
from support.lines import GOOD, A, B, counts, line

import primecore
from primecore.errors import IdempotencyConflict


@pytest.fixture
def prime(tmp_path):
    with primecore.open(tmp_path / "store") as prime:
        yield prime


def test_the_same_file_twice_appends_nothing_the_second_time(prime, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(A + b"\n" + A + b"\n" + B + b"\n")  # equal lines at other places are other events
    assert counts(prime.ingest(path)) == (3, 3, 0, 0)
    assert counts(prime.ingest(str(path))) == (3, 0, 3, 0)
    assert prime.position == 3


def test_a_grown_file_appends_what_is_new(prime, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(A)  # no newline yet: the line is whole all the same
    assert counts(prime.ingest(path)) == (1, 1, 0, 0)
    path.write_bytes(A + b"\n" + B + b"\n")
    assert counts(prime.ingest(path)) == (2, 1, 1, 0)


def test_line_endings_and_a_byte_order_mark_are_no_part_of_a_line(prime, tmp_path):
    path = tmp_path / "a.jsonl"
    for text in (A + b"\n" + B, b"\xef\xbb\xbf" + A + b"\r\n" + B + b"\r\n", A + b"\r\n" + B + b"\n"):
        path.write_bytes(text)
        prime.ingest(path)
    assert prime.position == 2


def test_a_changed_line_is_a_new_event(prime, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(A + b"\n")
    prime.ingest(path)
    path.write_bytes(A + b" \n")
    assert counts(prime.ingest(path)) == (1, 1, 0, 0)


def test_blank_lines_count_nowhere_but_keep_their_numbers(prime, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(A + b"\n\n  \t\r\n" + B + b"\n\n")
    assert counts(prime.ingest(path)) == (2, 2, 0, 0)
    path.write_bytes(A + b"\n" + B + b"\n")  # B is on another line now
    assert counts(prime.ingest(path)) == (2, 1, 1, 0)


def test_packing_or_renaming_by_packing_changes_nothing(prime, tmp_path):
    text = b"".join(GOOD)
    (tmp_path / "a.jsonl").write_bytes(text)
    assert prime.ingest(tmp_path / "a.jsonl").appended == 2
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(text))
    assert counts(prime.ingest(tmp_path / "a.jsonl.gz")) == (2, 0, 2, 0)
    with pyarrow.CompressedOutputStream(str(tmp_path / "a.jsonl.zst"), "zstd") as out:
        out.write(text)
    assert counts(prime.ingest(tmp_path / "a.jsonl.zst")) == (2, 0, 2, 0)


def test_a_gzip_of_several_members_is_one_text(prime, tmp_path):
    whole = b"".join(GOOD)
    cut = len(A) // 2  # the cut falls inside a line
    (tmp_path / "a.gz").write_bytes(gzip.compress(whole[:cut]) + gzip.compress(b"") + gzip.compress(whole[cut:]))
    assert counts(prime.ingest(tmp_path / "a.gz")) == (2, 2, 0, 0)


def test_another_path_is_another_source_but_a_link_is_not(prime, tmp_path):
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(A + b"\n")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "a.jsonl")
    assert prime.ingest(tmp_path / "a.jsonl").appended == 1
    assert prime.ingest(tmp_path / "link.jsonl").duplicates == 1
    assert prime.ingest(os.path.join(tmp_path, "store", "..", "a.jsonl")).duplicates == 1
    assert prime.ingest(tmp_path / "b.jsonl").appended == 1


def test_a_name_replaces_the_path_as_the_source(prime, tmp_path):
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(A + b"\n")
    assert prime.ingest(tmp_path / "a.jsonl", name="feed").appended == 1
    assert prime.ingest(tmp_path / "b.jsonl", name="feed").duplicates == 1
    assert prime.ingest(io.BytesIO(A), name="feed").duplicates == 1
    assert prime.ingest(io.BytesIO(A), name="other feed").appended == 1


def test_a_stream_without_a_name_is_new_each_time(prime):
    for _ in range(2):
        assert counts(prime.ingest(io.BytesIO(A + b"\n"))) == (1, 1, 0, 0)


def test_derived_ids_hold_after_reopening(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(GOOD))
    for expected in ((2, 2, 0, 0), (2, 0, 2, 0)):
        with primecore.open(tmp_path / "store") as prime:
            assert counts(prime.ingest(path)) == expected
            assert all(uuid.UUID(e.event_id) for e in prime.events())


def test_given_ids_are_known_wherever_they_come_from(prime):
    event_id = str(uuid.uuid4())
    assert prime.ingest(io.BytesIO(line(event_id=event_id))).appended == 1
    assert prime.ingest(io.BytesIO(line(id=event_id.upper())), name="x").duplicates == 1
    receipt = prime.append("prime.node.created", "node:t:a", {"properties": {}}, event_id=event_id)
    assert (receipt.position, receipt.duplicate) == (1, True)


def test_a_repeated_id_in_one_file(prime):
    event_id = str(uuid.uuid4())
    lines = [line(event_id=event_id)] * 3 + [line("node:t:b", event_id=event_id)]
    report = prime.ingest(io.BytesIO(b"\n".join(lines)), on_error="skip")
    assert counts(report) == (4, 1, 2, 1)
    with pytest.raises(IdempotencyConflict) as caught:
        prime.ingest(io.BytesIO(b"\n".join([B, *lines])), name="again")
    assert caught.value.position == 1 and counts(caught.value.report) == (5, 1, 3, 1)
    assert "again:5" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "appended"),
    [
        (b"", 0),
        (b"\n\n \r\n\t", 0),
        (b"\xef\xbb\xbf", 0),
        (A, 1),
        (A + b"\n" + B, 2),
        (A + b"\r\n" + B + b"\r\n", 2),
        (b"\xef\xbb\xbf" + A + b"\n", 1),
        (b" \t" + A + b" \t\n", 1),
        (A + b"\n" + B + b"\r", 2),
    ],
)
def test_text_that_is_fine(prime, tmp_path, text, appended):
    path = tmp_path / "a.jsonl"
    path.write_bytes(text)
    assert counts(prime.ingest(path)) == (appended, appended, 0, 0)
    (tmp_path / "b.gz").write_bytes(gzip.compress(text))
    assert counts(prime.ingest(tmp_path / "b.gz")) == (appended, appended, 0, 0)


def test_a_file_of_no_bytes_gives_a_report_of_zeros(prime, tmp_path):
    (tmp_path / "a").write_bytes(b"")
    report = prime.ingest(tmp_path / "a")
    assert report == (0, 0, 0, 0, 0.0, 0)


def test_lines_longer_than_any_read_buffer(prime):
    lines = [line(f"node:t:{n}", payload={"properties": {"text": "é" * (n * 70_000)}}) for n in range(8)]
    assert prime.ingest(io.BytesIO(b"\n".join(lines))).appended == 8
    assert [len(n.properties["text"]) for n in prime.nodes()] == [n * 70_000 for n in range(8)]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_streams_that_give_little_at_a_time(prime, size):
    class Trickle(io.RawIOBase):
        def __init__(self, text: bytes) -> None:
            self.rest = text

        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            part = self.rest[: min(size, len(buffer))]
            self.rest = self.rest[len(part) :]
            buffer[: len(part)] = part
            return len(part)

    assert prime.ingest(Trickle(b"\xef\xbb\xbf" + A + b"\r\n" + B)).appended == 2


def test_a_payload_is_kept_exactly(prime):
    numbers = '{"big":123456789012345678901234567890,"tiny":1e-400,"precise":0.1000000000000000055511151231257827}'
    text = f'{{"event_type":"x","entity_id":"x","payload":{numbers}}}'
    assert prime.ingest(io.BytesIO(text.encode())).appended == 1
    (event,) = prime.events()
    assert event.payload["big"] == 123456789012345678901234567890
