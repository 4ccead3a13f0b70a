"""Event lines: what each rule accepts, and what becomes of it. (What they refuse: test_scan_refusals.py.)"""

import base64
import json
import struct
from typing import Any

import pytest

from primecore._scan import parse_event, parse_line, scan_lines
from primecore.errors import InvalidEvent

UUID = "01890a5d-ac96-774b-bcce-b302099a8057"
NODE = {"event_type": "prime.node.created", "entity_id": "node:person:a", "payload": {"properties": {}}}
EDGE = {
    "event_type": "prime.edge.created",
    "entity_id": "edge:1",
    "payload": {"source": "node:person:a", "target": "node:x:b", "relation": "knows"},
}
VECTOR = {"event_type": "prime.vector.stored", "entity_id": "vec:node:person:a", "payload": {"embedding": [0.5, -1]}}
SPACE = {
    "event_type": "prime.space.defined",
    "entity_id": "space:default",
    "payload": {"dimensions": 384, "model": None},
}
CUSTOM = {"event_type": "my.own", "entity_id": "anything at all", "payload": {"x": [1]}}


def encode(event: Any) -> bytes:
    return event if isinstance(event, bytes) else json.dumps(event, ensure_ascii=False).encode()


def parse(event: Any) -> dict[str, Any]:
    found = parse_line(encode(event))
    assert found is not None
    return found


def with_payload(event: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**event, "payload": {**event["payload"], **fields}}


def without(event: dict[str, Any], name: str) -> dict[str, Any]:
    return {**event, "payload": {key: value for key, value in event["payload"].items() if key != name}}


def refused(event: Any) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        parse_line(encode(event), source="people.jsonl", number=3)
    return caught.value


# ---- what is accepted ----


def test_a_whole_envelope() -> None:
    found = parse(
        {
            **NODE,
            "event_id": UUID.upper(),
            "timestamp": "2026-01-31T09:30:00.5+01:00",
            "metadata": {"source": "test"},
            "tenant_id": "default",
            "position": 7,
            "version": {"any": ["thing"]},
        }
    )
    assert found["event_id"] == UUID
    assert found["time_us"] == 1769848200500000
    assert found["metadata"] == b'{"source": "test"}'
    assert found["code"] == 1


def test_null_means_absent() -> None:
    names = ["payload", "event_id", "id", "timestamp", "metadata", "tenant_id", "position", "version"]
    found = parse({"event_type": "a", "entity_id": "b", **dict.fromkeys(names)})
    assert found["payload"] is found["metadata"] is found["event_id"] is found["time_us"] is None
    assert parse({**CUSTOM, "event_id": None, "id": UUID})["event_id"] == UUID


@pytest.mark.parametrize("line", [b"", b" ", b"\t \r", b"\r"])
def test_blank_lines_are_no_events(line: bytes) -> None:
    assert parse_line(line) is None


def test_payload_is_kept_as_it_was_given() -> None:
    payload = b'{ "a" : 1.000000000000000000001 ,\t"\\u0062":[ 1e400 , -0 ] }'
    line = b'  {"payload" : ' + payload + b' , "entity_id":"x","event_type":"y"}\t '
    assert parse(line)["payload"] == payload


def test_escapes_in_names_and_ids() -> None:
    line = rb'{"event_t\u0079pe":"prime.n\u006fde.created","entity\u005fid":"node:p\u00e9rson:\ud83d\ude00\/",'
    line += rb'"p\u0061yload":{"pr\u006fperties":{"d\u006fmain":"x\ty"},"node_\u0074ype":"p\u00e9rson"}}'
    found = parse(line)
    assert found["entity_id"] == "node:p\u00e9rson:\U0001f600/"
    assert found["domain"] == ("set", "x\ty")
    assert found["code"] == 1


@pytest.mark.parametrize("first", ["event_type", "entity_id", "payload"])
def test_any_order_of_the_envelope(first: str) -> None:
    event = {first: EDGE[first], **EDGE}
    assert parse(event)["source"] == "node:person:a"


@pytest.mark.parametrize(
    ("payload", "domain"),
    [
        ({"properties": {}}, None),
        ({"properties": {"domain": "a"}}, ("set", "a")),
        ({"properties": {"domain": "a"}, "domain": "b"}, ("set", "b")),
        ({"domain": "b", "properties": {"domain": "a"}}, ("set", "b")),
        ({"properties": {"domain": "a"}, "domain": None}, ("cleared", None)),
        ({"properties": {"domain": None}}, ("cleared", None)),
        ({"properties": {"domain": 3}}, ("cleared", None)),
        ({"properties": {"domain": {"domain": "no"}}}, ("cleared", None)),
        ({"properties": {"other": {"domain": "no"}}}, None),
        ({"properties": {}, "other": {"domain": "no"}}, None),
        ({"properties": {}, "domain": ""}, ("set", "")),
    ],
)
def test_the_domain_is_what_the_event_says_last(payload: dict[str, Any], domain: Any) -> None:
    for kind in ("created", "updated"):
        assert parse({**NODE, "event_type": f"prime.node.{kind}", "payload": payload})["domain"] == domain


@pytest.mark.parametrize(
    ("entity", "fine"),
    [
        ("node:a:b", True), ("node:a:b:c", True), ("node:a::", True), ("node:a:", False), ("node::b", False),
        ("node:", False),
        ("node", False), ("Node:a:b", False), ("edge:a", False), (" node:a:b", False), ("node:a", False),
        ("node:\u00e9:\u00e9", True),
    ],
)  # fmt: skip
def test_ids_of_nodes(entity: str, fine: bool) -> None:
    for kind in ("created", "updated", "deleted"):
        event = {**NODE, "event_type": f"prime.node.{kind}", "entity_id": entity}
        if fine:
            assert parse(event)["entity_id"] == entity
        else:
            error = refused(event)
            assert error.field == "entity_id"
            assert f'expected node:{{type}}:{{id}} for this event type, found "{entity}"' in error.reason


def test_updates_need_something_to_update() -> None:
    event = {**NODE, "event_type": "prime.node.updated"}
    assert parse({**event, "payload": {"domain": None}})["domain"] == ("cleared", None)
    assert parse({**event, "payload": {"labels": []}})["labels"] == b"[]"
    assert parse({**event, "payload": {"properties": {}}})["properties"] == b"{}"
    assert refused({**event, "payload": {}}).field == "payload.properties"
    assert refused({**event, "payload": {"properties": None, "labels": None}}).field == "payload.properties"
    edge = {"event_type": "prime.edge.updated", "entity_id": "edge:1"}
    assert parse(edge)["weight"] is None


def test_deletions_ignore_their_payload() -> None:
    for kind, entity in (("node", "node:a:b"), ("edge", "edge:a"), ("vector", "vec:a")):
        event = {"event_type": f"prime.{kind}.deleted", "entity_id": entity}
        parse(event)
        parse({**event, "payload": {"source": 5, "labels": 5, "embedding": 5, "weight": "x"}})


def test_custom_events_may_hold_anything() -> None:
    found = parse({**CUSTOM, "payload": {"source": 5, "labels": 5, "embedding": 5, "properties": 5, "weight": "x"}})
    assert found["code"] == 0
    assert parse({**CUSTOM, "event_type": "prime.node.renamed"})["code"] == 0


def test_fields_of_an_edge() -> None:
    found = parse(
        with_payload(EDGE, weight=0.25, properties={"a": 1}, valid_from="2026-01-01T00:00:00Z", valid_to=None)
    )
    assert (found["source"], found["target"], found["relation"]) == ("node:person:a", "node:x:b", "knows")
    assert found["weight"] == 0.25
    assert found["properties"] == b'{"a": 1}'
    assert found["valid_from"] == ("set", 1767225600000000)
    assert found["valid_to"] is None
    update = {
        "event_type": "prime.edge.updated",
        "entity_id": "edge:1",
        "payload": {"valid_from": None, "weight": None},
    }
    found = parse(update)
    assert found["valid_from"] == ("cleared", None)
    assert found["weight"] is None


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def test_embeddings() -> None:
    assert parse(VECTOR)["dimensions"] == 2
    assert (
        parse(with_payload(VECTOR, embedding=packed(1, 2, 3), dimensions=3, text="t", metadata={}))["dimensions"] == 3
    )
    in_metadata = {**VECTOR, "payload": {"text": None}, "metadata": {"embedding": [1]}}
    assert parse(in_metadata)["dimensions"] == 1
    # The payload's comes first, and a null one is none.
    assert parse({**VECTOR, "metadata": {"embedding": [1]}})["dimensions"] == 2
    assert parse({**in_metadata, "payload": {"embedding": None}})["dimensions"] == 1
    assert parse(with_payload(VECTOR, embedding=[1] * 65536))["dimensions"] == 65536
    assert parse(with_payload(VECTOR, embedding=packed(*[1.0] * 65536)))["dimensions"] == 65536
    # Base64 as some encoders of JSON write it, with slashes escaped.
    text = packed(-1.7014118e38, float.fromhex("0x1.fffffep127"))
    assert "/" in text
    line = encode(with_payload(VECTOR, embedding=text)).replace(b"/", b"\\/")
    assert parse(line)["dimensions"] == 2


@pytest.mark.parametrize(
    "embedding",
    [
        "[1e-45]",
        "[1e-44]",
        "[0,0,1e-44]",
        "[3.4028235e38]",
        "[3.4028235677973362e38]",
        "[0." + "0" * 40 + "1e20]",
        "[1" + "0" * 50 + "e-20]",
    ],
)
def test_embeddings_at_the_edge_of_float32(embedding: str) -> None:
    assert parse(encode(VECTOR).replace(b"[0.5, -1]", embedding.encode()))["dimensions"] >= 1


def test_limits_of_size_are_exact() -> None:
    for field, limit in (("payload", 1 << 24), ("metadata", 1 << 20)):
        room = limit - len(b'{"x":""}')
        head = f'{{"event_type":"a","entity_id":"b","{field}":{{"x":"'.encode()
        assert parse_line(head + b"y" * room + b'"}}') is not None
        with pytest.raises(InvalidEvent, match="larger than"):
            parse_line(head + b"y" * (room + 1) + b'"}}')


def test_payload_depth_counts_from_the_payload() -> None:
    def nested(levels: int) -> bytes:
        return b'{"event_type":"a","entity_id":"b","payload":' + b'{"a":' * levels + b"1" + b"}" * levels + b"}"

    assert parse_line(nested(512)) is not None
    assert refused(nested(513)).field == "payload"
    deep = b'{"event_type":"prime.node.created","entity_id":"node:a:b","payload":{"properties":%s}}'
    assert parse_line(deep % (b'{"a":' * 511 + b"1" + b"}" * 511)) is not None
    assert refused(deep % (b'{"a":' * 512 + b"1" + b"}" * 512)).field == "payload"


def test_scan_lines_stops_at_the_first_error() -> None:
    text = encode(CUSTOM) + b"\r\n\n  \n" + encode(NODE) + b"\n" + b'{"a"' + b"\n" + encode(NODE)
    events, error = scan_lines(text, source="s")
    assert events == 2
    assert error is not None
    assert str(error) == "s:5:5: the text ends too early"
    assert scan_lines(encode(CUSTOM)) == (1, None)
    assert scan_lines(b"") == (0, None)


# ---- events that are no line ----


@pytest.mark.parametrize(
    "event", [NODE, EDGE, VECTOR, SPACE, CUSTOM, {**VECTOR, "payload": {}, "metadata": {"embedding": [1]}}]
)
def test_parts_are_read_as_lines_are(event: dict[str, Any]) -> None:
    parts: dict[str, Any] = {name: encode(event[name]) for name in ("payload", "metadata") if name in event}
    expected = parse(event)
    assert parse_event(event["event_type"], event["entity_id"], **parts) == expected
    assert parse_event(event["event_type"], event["entity_id"], **parts, trusted=True) == expected
    padded: dict[str, Any] = {name: b" \n" + text + b"\t" for name, text in parts.items()}
    assert parse_event(event["event_type"], event["entity_id"], **padded) == expected
