"""docs/format.md is the law: its tables equal the compiled layout, and its hash formulas give the compiled hashes."""

import re
import struct
from pathlib import Path

import pytest
import xxhash
from wal_kit import SMALL, append, append_batch

from primecore import _wal_door as door
from primecore._crc32c import crc32c
from primecore._record import layout
from primecore.log import Log
from primecore.manifest import Manifest, SealedSegment

DOCUMENT = (Path(__file__).parent.parent / "docs" / "format.md").read_text(encoding="utf-8")


def documented() -> dict[str, list[tuple[str, int, int]]]:
    tables: dict[str, list[tuple[str, int, int]]] = {}
    for heading, body in re.findall(r"^### `(\w+)`[^\n]*\n(.*?)(?=^#)", DOCUMENT, re.S | re.M):
        rows = re.findall(r"^\| (\d+) \| (\d+) \| (\w+) \|", body, re.M)
        tables[heading] = [(name, int(offset), int(size)) for offset, size, name in rows]
    return tables


def test_tables_equal_the_compiled_layout():
    assert documented() == layout()


@pytest.mark.parametrize("name", ["segment_header_t", "promise_t", "record_t", "commit_t"])
def test_fields_follow_each_other_without_gaps(name):
    end = 0
    for field, offset, size in layout()[name]:
        assert offset == end, field
        end += size
    sizes = {"segment_header_t": 512, "promise_t": 32, "record_t": 80, "commit_t": 80}
    assert end == sizes[name]
    assert re.search(rf"### `{name}` \({end} bytes", DOCUMENT)


def test_event_type_codes_are_those_of_the_document():
    rows = re.findall(r"^\| (\d+) \| `(prime[\w.]+)` \|$", DOCUMENT, re.M)
    assert {name: int(code) for code, name in rows} == door.CODES


def test_manifest_keys_are_documented():
    section = DOCUMENT.split("## MANIFEST")[1].split("## Invariants")[0]
    for key in [*Manifest._fields, *SealedSegment._fields, "format"]:
        assert f"`{key}`" in section, key


def records(data: bytes) -> list[bytes]:
    found, offset = [], 4096
    while length := struct.unpack_from("<I", data, offset)[0]:
        found.append(data[offset : offset + length])
        offset += length
    return found


def python_chain(chain: bytes, record: bytes) -> bytes:
    """The chain as docs/format.md words it."""
    payload_bytes, metadata_bytes = struct.unpack_from("<II", record, 56)
    entity_bytes, flags = struct.unpack_from("<HH", record, 72)
    named = entity_bytes + record[78]
    nonce = struct.unpack_from("<Q", record, 40)[0]
    body = record[80 + named : 80 + named + payload_bytes + metadata_bytes]
    salted = record[40:56] if flags & 4 else xxhash.xxh3_128_digest(body, nonce)
    fixed = bytearray(record[:80])
    fixed[0:8] = bytes(8)
    struct.pack_into("<H", fixed, 74, flags & ~28)
    fixed[40:56] = salted
    return xxhash.xxh3_128_digest(chain + fixed + xxhash.xxh3_128_digest(record[80 : 80 + named]))


def test_checksums_and_chains_can_be_computed_from_the_document(tmp_path):
    many = [
        {"entity_id": f"node:a:{n}", "event_type": "x.y", "payload": b"p" * n, "metadata": b"m" * (n % 3)}
        for n in range(20)
    ]
    with Log.open(tmp_path / "store", segment_sizes=SMALL) as log:
        for fields in many:
            append(log, fields)
        append_batch(log, many)
        chain = log.wal.segment_list[0].chain()
    data = (tmp_path / "store" / "wal" / f"{1:020d}.wal").read_bytes()
    assert crc32c(data[:508]) == struct.unpack_from("<I", data, 508)[0]
    seed = crc32c(data[72:80])
    whole, batch = bytes(16), bytes(16)
    for record in records(data):
        assert crc32c(record[8:], crc32c(record[:4], seed)) == struct.unpack_from("<I", record, 4)[0]
        if record[76] == 2:
            assert record[24:40] == batch
            assert struct.unpack_from("<I", record, 40)[0] == 20
            continue
        whole = python_chain(whole, record)
        if struct.unpack_from("<H", record, 74)[0] & 8:
            batch = python_chain(batch, record)
    assert whole == chain


def test_the_chain_survives_erasure():
    """Blanking payload, metadata and nonce as the document says leaves the chain as it was."""
    with Log.open(None) as log:
        append(
            log,
            {"entity_id": "node:a:1", "event_type": "prime.node.created", "payload": b"secret" * 9, "metadata": b"m"},
        )
        record = bytearray(records(bytes(memoryview(log.wal.segment_list[0].mapping)[:8192]))[0])
    before = python_chain(bytes(16), bytes(record))
    salted = xxhash.xxh3_128_digest(bytes(record[88 : 88 + 55]), struct.unpack_from("<Q", record, 40)[0])
    record[40:56] = salted
    record[88 : 88 + 55] = bytes(55)
    record[74] |= 4
    assert python_chain(bytes(16), bytes(record)) == before
