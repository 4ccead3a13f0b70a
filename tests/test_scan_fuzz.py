"""Event lines against the plain reference: the same verdicts, the same fields; no byte past the end is ever read."""

import ctypes
import gzip
import json
import mmap
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scan_reference import Refused, load, scan
from test_scan_events import CUSTOM, EDGE, NODE, SPACE, UUID, VECTOR, encode, packed
from test_scan_refusals import REFUSED

from primecore._scan import check_json, parse_line, scan_lines
from primecore.errors import InvalidEvent

DATA = Path(os.environ.get("PRIME_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


def real_lines(step: int = 1) -> list[bytes]:
    files = sorted(DATA.glob("*.jsonl.gz"))
    if not files:
        pytest.skip(f"no real data: there is no *.jsonl.gz in {DATA} (see PRIME_TEST_DATA)")
    return [line for path in files for line in gzip.open(path).read().splitlines()][::step]


def compare(line: bytes, faults: int = 2) -> bool:
    """Whether both accept the line. Fails if they differ: in the verdict, a field or, of a single fault, its field."""
    try:
        expected = scan(line)
    except Refused as error:
        expected, field = None, json.dumps(error.field, ensure_ascii=False)[1:-1]
    except ValueError:
        expected, field = None, "?"
    try:
        found = parse_line(line)
    except InvalidEvent as error:
        assert expected is None, (line, str(error))
        assert faults > 1 or field in ("?", error.field), (line, str(error), field)
        return False
    assert found is not None and expected is not None, line
    for name in ("payload", "metadata", "properties", "labels"):
        assert (found[name] is None) == (expected[name] is None), (line, name)
        if found[name] is not None:
            assert found[name] in line
            found[name] = load(found[name])
    assert found == expected, line
    return True


def test_real_lines_are_read_as_the_reference_reads_them() -> None:
    for line in real_lines(step=40):
        assert compare(line)


def test_every_real_line_is_accepted() -> None:
    lines = real_lines()
    assert scan_lines(b"\n".join(lines)) == (len(lines), None)


VALUES: list[Any] = [
    None, True, 0, 1, -0.5, 65536, 1e300, "", "a", "node:person:a", "edge:1", "vec:x", "space:default", "default",
    "other", UUID,
    UUID.upper(), UUID[:-1], "2026-01-31T09:30:00Z", "2026-01-31T23:59:60Z", "0001-01-01T00:00:00+01:00",
    "2026-01-31", [], {}, ["a"],
    ["a", 1], [0.5, -1], [0], {"domain": "d"}, {"domain": None}, {"domain": 7}, {"embedding": [1, 2]},
    {"embedding": "?"},
    {"properties": {}}, packed(1, 2), packed(0), "a\u0001", "\u0085", "\U0001f600", "prime.node.created",
    "prime.edge.updated",
    "prime.vector.stored", "prime.space.defined", "prime.vector.deleted", "x" * 1025, "person",
]  # fmt: skip
ENVELOPE = [
    "event_type", "entity_id", "payload", "event_id", "id", "timestamp", "metadata", "tenant_id", "position",
    "extra",
]  # fmt: skip
PAYLOAD = [
    "properties", "domain", "labels", "node_type", "source", "target", "relation", "weight", "valid_from",
    "valid_to", "embedding",
    "dimensions", "text", "metadata", "model", "more",
]  # fmt: skip


def change(event: dict[str, Any], chance: random.Random) -> None:
    """One change of one field, in the envelope or the payload."""
    if chance.random() < 0.4:
        place, names = event, ENVELOPE
    else:
        if not isinstance(event.get("payload"), dict):
            event["payload"] = {}
        place, names = event["payload"], PAYLOAD
    name = chance.choice(names)
    if chance.random() < 0.2:
        place.pop(name, None)
    else:
        place[name] = chance.choice(VALUES)


def test_changed_events_are_judged_like_the_reference_does() -> None:
    chance = random.Random(41)
    accepted = 0
    for _ in range(12_000):
        base: dict[str, Any] = chance.choice([NODE, EDGE, VECTOR, SPACE, CUSTOM])
        event = json.loads(json.dumps(base))
        event["event_type"] = chance.choice([base["event_type"], base["event_type"].replace("created", "updated")])
        changes = chance.choice([0, 1, 1, 2, 3])
        for _ in range(changes):
            change(event, chance)
        items = list(event.items())
        chance.shuffle(items)
        accepted += compare(json.dumps(dict(items), ensure_ascii=chance.random() < 0.5).encode(), changes)
    assert 3_000 < accepted < 10_000


def test_changed_bytes_are_judged_like_the_reference_does() -> None:
    chance = random.Random(42)
    lines = [encode(event) for event in (NODE, EDGE, VECTOR, SPACE, CUSTOM)] + real_lines(step=6000)
    for _ in range(12_000):
        line = bytearray(chance.choice(lines))
        for _ in range(chance.choice([1, 1, 2])):
            place = chance.randrange(len(line))
            match chance.randrange(4):
                case 0:
                    line[place] = chance.randrange(256)
                case 1:
                    line[place] = chance.choice(b'"\\{}[],:0e.-\n')
                case 2:
                    del line[place]
                case 3:
                    line.insert(place, chance.choice(b'"\\{}[],:0e.-u'))
        if line.strip(b" \t\r\n"):
            compare(bytes(line))


def test_every_prefix_of_a_line_is_refused() -> None:
    for line in [encode(event) for event in (NODE, EDGE, VECTOR, SPACE)] + real_lines(step=20_000):
        for size in range(1, len(line)):
            with pytest.raises(InvalidEvent):
                parse_line(line[:size])


# ---- never past the end ----


@pytest.fixture(scope="module")
def guarded() -> Iterator[memoryview]:
    """64 KiB that end where a page begins that nobody may read: one byte too far, and the process dies."""
    page = mmap.PAGESIZE
    memory = mmap.mmap(-1, 65536 + page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(start + 65536), ctypes.c_size_t(page), 0) != 0:
        pytest.skip(f"mprotect failed: errno {ctypes.get_errno()}")
    yield memoryview(memory)[:65536]
    libc.mprotect(ctypes.c_void_p(start + 65536), ctypes.c_size_t(page), mmap.PROT_READ | mmap.PROT_WRITE)


def at_the_end(guarded: memoryview, text: bytes) -> memoryview:
    view = guarded[len(guarded) - len(text) :]
    view[:] = text
    return view


def test_no_byte_past_the_end_of_a_line_is_read(guarded: memoryview) -> None:
    lines = [encode(event) for event in (NODE, EDGE, VECTOR, SPACE, CUSTOM)] + real_lines(step=20_000)
    lines += [encode(case[0]) for case in REFUSED if len(encode(case[0])) < 60_000]
    for line in lines:
        scan_lines(at_the_end(guarded, line))
        for size in range(0, min(len(line), 400)):
            scan_lines(at_the_end(guarded, line[:size]))


def test_no_byte_past_the_end_of_a_json_text_is_read(guarded: memoryview) -> None:
    texts = [b'"' + b"a" * size for size in range(40)] + [b'"' + b"\xf0\x9f\x98\x80"[:size] for size in range(4)]
    texts += [b'"\\ud83d\\ude00"'[:size] for size in range(14)] + [b"-12.5e+30"[:size] for size in range(10)]
    texts += [b"true"[:size] for size in range(4)] + [b'{"abcdefghi":1,"abcdefghi'[:size] for size in range(26)]
    for text in texts:
        try:
            check_json(at_the_end(guarded, text))
        except InvalidEvent:
            continue
        assert text in (b"-1", b"-12", b"-12.5", b"-12.5e+3", b"-12.5e+30", b'"\\ud83d\\ude00"'[:14])


def test_flipped_bytes_at_the_end_of_readable_memory(guarded: memoryview) -> None:
    chance = random.Random(43)
    lines = [encode(event) for event in (NODE, EDGE, VECTOR, SPACE)] + real_lines(step=20_000)
    for _ in range(20_000):
        line = bytearray(chance.choice(lines))
        line[chance.randrange(len(line))] ^= 1 << chance.randrange(8)
        scan_lines(at_the_end(guarded, bytes(line[: chance.randint(1, len(line))])))
