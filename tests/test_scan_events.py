"""Event lines: what each rule accepts, and how each refusal names its field, its column and what was expected."""

import base64
import json
import struct
from typing import Any

import pytest

from primecore._scan import explain, parse_event, parse_line, scan_lines
from primecore.errors import InvalidEvent

UUID = "01890a5d-ac96-774b-bcce-b302099a8057"
NODE = {"event_type": "prime.node.created", "entity_id": "node:person:a", "payload": {"properties": {}}}
EDGE = {
    "event_type": "prime.edge.created",
    "entity_id": "edge:1",
    "payload": {"source": "node:person:a", "target": "node:x:b", "relation": "knows"},
}
VECTOR = {"event_type": "prime.vector.stored", "entity_id": "vec:node:person:a", "payload": {"embedding": [0.5, -1]}}
SPACE = {"event_type": "prime.space.defined", "entity_id": "space:default", "payload": {"dimensions": 384, "model": None}}
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
    line = rb'{"event_t\u0079pe":"prime.n\u006fde.created","entity\u005fid":"node:p\u00e9rson:\ud83d\ude00\/","p\u0061yload":'
    line += rb'{"pr\u006fperties":{"d\u006fmain":"x\ty"},"node_\u0074ype":"p\u00e9rson"}}'
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
        ("node:a:b", True), ("node:a:b:c", True), ("node:a::", True), ("node:a:", False), ("node::b", False), ("node:", False),
        ("node", False), ("Node:a:b", False), ("edge:a", False), (" node:a:b", False), ("node:a", False), ("node:\u00e9:\u00e9", True),
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
    found = parse(with_payload(EDGE, weight=0.25, properties={"a": 1}, valid_from="2026-01-01T00:00:00Z", valid_to=None))
    assert (found["source"], found["target"], found["relation"]) == ("node:person:a", "node:x:b", "knows")
    assert found["weight"] == 0.25
    assert found["properties"] == b'{"a": 1}'
    assert found["valid_from"] == ("set", 1767225600000000)
    assert found["valid_to"] is None
    update = {"event_type": "prime.edge.updated", "entity_id": "edge:1", "payload": {"valid_from": None, "weight": None}}
    found = parse(update)
    assert found["valid_from"] == ("cleared", None)
    assert found["weight"] is None


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def test_embeddings() -> None:
    assert parse(VECTOR)["dimensions"] == 2
    assert parse(with_payload(VECTOR, embedding=packed(1, 2, 3), dimensions=3, text="t", metadata={}))["dimensions"] == 3
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
    ["[1e-45]", "[1e-44]", "[0,0,1e-44]", "[3.4028235e38]", "[3.4028235677973362e38]", "[0." + "0" * 40 + "1e20]", "[1" + "0" * 50 + "e-20]"],
)
def test_embeddings_at_the_edge_of_float32(embedding: str) -> None:
    assert parse(encode(VECTOR).replace(b"[0.5, -1]", embedding.encode()))["dimensions"] >= 1


# ---- what is refused ----

BIG = "x" * (1 << 24)
REFUSED = [
    # event, field, what the message says
    ([], "", "expected an object, found an array"),
    (b"garbage", "", 'expected an object, found "garbage"'),
    (b"\xef\xbb\xbf{}", "", "a byte order mark may stand only at the start of the file"),
    (b"{} {}", "", "expected nothing more after the value"),
    ({}, "event_type", "required, but missing"),
    ({"event_type": "a"}, "entity_id", "required, but missing"),
    ({"event_type": None, "entity_id": "a"}, "event_type", "required, but missing"),
    ({**CUSTOM, "event_type": 5}, "event_type", "expected a string, found a number"),
    ({**CUSTOM, "event_type": ""}, "event_type", "expected 1 to 128 bytes of dotted lower-case words"),
    ({**CUSTOM, "event_type": "A.b"}, "event_type", 'found "A.b"'),
    ({**CUSTOM, "event_type": "a..b"}, "event_type", 'found "a..b"'),
    ({**CUSTOM, "event_type": "a" * 129}, "event_type", "aaa..."),
    ({**CUSTOM, "entity_id": ""}, "entity_id", "expected an entity id: 1 to 1,024 bytes"),
    ({**CUSTOM, "entity_id": "a" * 1025}, "entity_id", "expected an entity id"),
    ({**CUSTOM, "entity_id": "a\u0000b"}, "entity_id", "without control characters"),
    ({**CUSTOM, "entity_id": "a\u007f"}, "entity_id", "without control characters"),
    ({**CUSTOM, "entity_id": "a\u0085" + "b" * 30}, "entity_id", "without control characters"),
    ({**CUSTOM, "entity_id": ["a"]}, "entity_id", "expected a string, found an array"),
    ({**CUSTOM, "payload": []}, "payload", "expected an object, found an array"),
    ({**CUSTOM, "payload": "{}"}, "payload", "expected an object, found a string"),
    ({**CUSTOM, "payload": {"x": BIG}}, "payload", "larger than 16 MiB"),
    ({**CUSTOM, "metadata": True}, "metadata", "expected an object, found true"),
    ({**CUSTOM, "metadata": {"x": BIG[: 1 << 20]}}, "metadata", "larger than 1 MiB"),
    ({**CUSTOM, "event_id": "1"}, "event_id", 'expected a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057, found "1"'),
    ({**CUSTOM, "id": 1}, "id", "expected a string, found a number"),
    ({**CUSTOM, "id": UUID.replace("-", "")}, "id", "expected a UUID"),
    ({**CUSTOM, "id": UUID, "event_id": UUID}, "event_id", "given beside"),
    ({**CUSTOM, "timestamp": "2026-01-31"}, "timestamp", "expected an RFC 3339 time with offset"),
    ({**CUSTOM, "timestamp": 1769848200}, "timestamp", "expected a string, found a number"),
    ({**CUSTOM, "tenant_id": "other"}, "tenant_id", 'expected "default", the one tenant of this store, found "other"'),
    ({**CUSTOM, "tenant_id": False}, "tenant_id", "expected a string, found false"),
    ({**CUSTOM, "extra": 1}, "extra", "no such field in an event's envelope"),
    ({**CUSTOM, "Payload": 1}, "Payload", "no such field"),
    ({**CUSTOM, "a b": 1}, "a b", "no such field"),
    ({**CUSTOM, "": 1}, '""', "no such field"),
    (b'{"event_type":"a","event_type":"a"}', "event_type", "the key is given twice"),
    (b'{"event_type":"a","event_t\\u0079pe":"a"}', "event_type", "the key is given twice"),
    (b'{"payload":{"a":1,"b":{"c":1,"c":2}}}', "payload.b.c", "the key is given twice"),
    (b'{"payload":{"weight":1,"weight":2}}', "payload.weight", "the key is given twice"),
    (b'{"payload":{"properties":{"x":[{"y":1,"y":2}]}}}', "payload.properties.x[0].y", "the key is given twice"),
    (b'{"metadata":{"embedding":1,"embedding":2}}', "metadata.embedding", "the key is given twice"),
    (b'{"position":[{"a":1,"a":1}]}', "position[0].a", "the key is given twice"),
    (b'{"payload":{"a":' + b"[" * 600, "payload", "nested too deep"),
    (b'{"payload":{"a":1', "", "the text ends too early (in payload.a)"),
    (b'{"payload":{"a":tru}', "", "expected a JSON value (in payload.a)"),
    (b'{"payload":{"a":[1,NaN]}', "", "NaN and Infinity are not JSON (in payload.a[1])"),
    (b'{"payload":{"a b":"\xff"}', "", 'the bytes are not UTF-8 (in payload["a b"])'),
    (b'{"payload":{"a":"{\\"[:,\x01"}', "", "a control character in a string must be escaped (in payload.a)"),
    (b'{"payload":{"a":"\\ud800"}', "", "a surrogate escape must come in a pair"),
    (b'{"position":01}', "", "expected a number as JSON writes it (in position)"),
    # nodes
    ({**NODE, "payload": None}, "payload.properties", "required, but missing"),
    (without(NODE, "properties"), "payload.properties", "required, but missing"),
    (with_payload(NODE, properties=None), "payload.properties", "expected an object, found null"),
    (with_payload(NODE, properties=[1]), "payload.properties", "expected an object, found an array"),
    (with_payload(NODE, node_type="robot"), "payload.node_type", 'expected the type that entity_id names, found "robot"'),
    (with_payload(NODE, node_type=1), "payload.node_type", "expected a string, found a number"),
    (with_payload(NODE, domain=1), "payload.domain", "expected a string or null, found a number"),
    (with_payload(NODE, labels="a"), "payload.labels", "expected an array of strings, found a string"),
    (with_payload(NODE, labels=["a", None]), "payload.labels", "expected an array of strings, found null"),
    (with_payload(NODE, labels=["a", ["b"]]), "payload.labels", "expected an array of strings, found an array"),
    # edges
    ({**EDGE, "entity_id": "edge:"}, "entity_id", 'expected edge:{id} for this event type, found "edge:"'),
    ({**EDGE, "payload": None}, "payload.source", "required, but missing"),
    (without(EDGE, "source"), "payload.source", "required, but missing"),
    (without(EDGE, "target"), "payload.target", "required, but missing"),
    (without(EDGE, "relation"), "payload.relation", "required, but missing"),
    (with_payload(EDGE, source=None), "payload.source", "expected a string, found null"),
    (with_payload(EDGE, target={"id": 1}), "payload.target", "expected a string, found an object"),
    (with_payload(EDGE, source=""), "payload.source", "expected an entity id"),
    (with_payload(EDGE, target="a" * 1025), "payload.target", "expected an entity id"),
    (with_payload(EDGE, relation=""), "payload.relation", "expected a relation"),
    (with_payload(EDGE, relation="a\nb"), "payload.relation", "expected a relation"),
    (with_payload(EDGE, weight="1"), "payload.weight", "expected a finite number, found a string"),
    (with_payload(EDGE, weight=True), "payload.weight", "expected a finite number, found true"),
    (encode(with_payload(EDGE, weight=1)).replace(b": 1}", b": 1e400}"), "payload.weight", "finite number, found 1e400"),
    (with_payload(EDGE, properties="x"), "payload.properties", "expected an object, found a string"),
    (with_payload(EDGE, valid_from="soon"), "payload.valid_from", 'found "soon"'),
    (with_payload(EDGE, valid_to=5), "payload.valid_to", "expected an RFC 3339 time with offset"),
    ({**EDGE, "event_type": "prime.edge.updated", "payload": {"valid_to": ""}}, "payload.valid_to", "or null, found"),
    # vectors
    ({**VECTOR, "entity_id": "vec:"}, "entity_id", "expected vec:{entity_id}"),
    ({**VECTOR, "payload": {}}, "payload.embedding", "required, but missing"),
    ({**VECTOR, "payload": None, "metadata": {"embedding": None}}, "payload.embedding", "required, but missing"),
    (with_payload(VECTOR, embedding={}), "payload.embedding", "expected an array of numbers, or a string of base64"),
    (with_payload(VECTOR, embedding=[]), "payload.embedding", "expected 1 to 65,536 dimensions"),
    (with_payload(VECTOR, embedding=[1] * 65537), "payload.embedding", "expected 1 to 65,536 dimensions"),
    (with_payload(VECTOR, embedding=packed(*[1.0] * 65537)), "payload.embedding", "expected 1 to 65,536 dimensions"),
    (with_payload(VECTOR, embedding=""), "payload.embedding", "expected 1 to 65,536 dimensions"),
    (with_payload(VECTOR, embedding=[0, -0.0, 1e-60]), "payload.embedding", "expected at least one number that is not zero"),
    (with_payload(VECTOR, embedding=packed(0, -0.0)), "payload.embedding", "expected at least one number that is not zero"),
    (with_payload(VECTOR, embedding=[1, "2"]), "payload.embedding", "finite as float32"),
    (with_payload(VECTOR, embedding=[1, 3.5e38]), "payload.embedding", "finite as float32, found 3.5e+38"),
    (with_payload(VECTOR, embedding=[3.4028235677973366e38]), "payload.embedding", "finite as float32"),
    (with_payload(VECTOR, embedding=packed(1, float("nan"))), "payload.embedding", "finite as float32"),
    (with_payload(VECTOR, embedding=packed(1, float("-inf"))), "payload.embedding", "finite as float32"),
    (with_payload(VECTOR, embedding="AAAA"), "payload.embedding", "padded base64 of whole little-endian float32"),
    (with_payload(VECTOR, embedding="AACAPw"), "payload.embedding", "padded base64"),
    (with_payload(VECTOR, embedding="AACAPw=A"), "payload.embedding", "padded base64"),
    (with_payload(VECTOR, embedding="AAC-Pw=="), "payload.embedding", "padded base64"),
    ({**VECTOR, "payload": {}, "metadata": {"embedding": "?"}}, "metadata.embedding", "padded base64"),
    (with_payload(VECTOR, dimensions=3), "payload.dimensions", "expected the number of dimensions that the embedding has, found 3"),
    (with_payload(VECTOR, dimensions=2.0), "payload.dimensions", "expected 1 to 65,536 dimensions, found 2.0"),
    (with_payload(VECTOR, text=1), "payload.text", "expected a string, found a number"),
    (with_payload(VECTOR, metadata=[]), "payload.metadata", "expected an object, found an array"),
    # spaces
    ({**SPACE, "entity_id": "space:"}, "entity_id", "expected space:{name}"),
    (without(SPACE, "dimensions"), "payload.dimensions", "required, but missing"),
    (with_payload(SPACE, dimensions=0), "payload.dimensions", "expected 1 to 65,536 dimensions, found 0"),
    (with_payload(SPACE, dimensions=65537), "payload.dimensions", "expected 1 to 65,536 dimensions, found 65537"),
    (with_payload(SPACE, dimensions=-1), "payload.dimensions", "expected 1 to 65,536 dimensions, found -1"),
    (with_payload(SPACE, dimensions="384"), "payload.dimensions", "expected 1 to 65,536 dimensions"),
    (with_payload(SPACE, model=5), "payload.model", "expected a string or null, found a number"),
]


@pytest.mark.parametrize(("event", "field", "says"), REFUSED, ids=[f"{i}-{case[1]}" for i, case in enumerate(REFUSED)])
def test_refusals_name_the_field_and_what_was_expected(event: Any, field: str, says: str) -> None:
    error = refused(event)
    assert error.field == field
    assert says in error.reason
    assert (error.source, error.line) == ("people.jsonl", 3)
    assert str(error).startswith(f"people.jsonl:3:{error.column}: ")
    if field and field.isascii() and "[" not in field:
        assert error.reason.startswith(f"{field}: ")
    # The column is at the value, the key, or (where something is missing) the object that lacks it.
    line = encode(event).decode("utf-8", "replace")
    assert 1 <= error.column <= len(line) + 1
    if "missing" in says:
        assert line[error.column - 1] == "{"
    elif "found" in says and field:
        before = line[: error.column - 1].rstrip()
        assert before[-1] in ":[," and field.split(".")[-1] in before


def test_columns_count_characters() -> None:
    line = '{"entity_id":"\u00e9\U0001f600","event_type":"X"}'
    assert refused(line.encode()).column == line.index('"X"') + 1


def test_the_example_of_a_message() -> None:
    error = refused(b'{"event_type":"prime.edge.updated","entity_id":"edge:1","payload":{"weight":"heavy"}}')
    assert str(error) == "people.jsonl:3:77: payload.weight: expected a finite number, found a string"


def test_without_a_line_number_a_message_has_no_place() -> None:
    with pytest.raises(InvalidEvent) as caught:
        parse_line(b'{"event_type":5}')
    assert str(caught.value) == "event_type: expected a string, found a number"
    assert (caught.value.line, caught.value.column) == (0, 0)


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


def test_every_code_has_words() -> None:
    with open_pxd() as lines:
        codes = [int(line.split("=")[1].split("#")[0]) for line in lines if line.startswith("    SCAN_")]
    codes = [code for code in codes if code > 0]
    assert len(codes) > 40
    assert len({explain(code) for code in codes}) == len(codes)


def open_pxd() -> Any:
    from pathlib import Path

    path = Path(__file__).parent.parent / "primecore" / "_json.pxd"
    if not path.exists():
        pytest.skip("runs from the source tree only")
    return path.open()


def test_scan_lines_stops_at_the_first_error() -> None:
    text = encode(CUSTOM) + b"\r\n\n  \n" + encode(NODE) + b"\n" + b'{"a"' + b"\n" + encode(NODE)
    events, error = scan_lines(text, source="s")
    assert events == 2
    assert error is not None
    assert str(error) == "s:5:5: the text ends too early"
    assert scan_lines(encode(CUSTOM)) == (1, None)
    assert scan_lines(b"") == (0, None)


# ---- events that are no line ----


@pytest.mark.parametrize("event", [NODE, EDGE, VECTOR, SPACE, CUSTOM, {**VECTOR, "payload": {}, "metadata": {"embedding": [1]}}])
def test_parts_are_read_as_lines_are(event: dict[str, Any]) -> None:
    parts = {name: encode(event[name]) for name in ("payload", "metadata") if name in event}
    expected = parse(event)
    assert parse_event(event["event_type"], event["entity_id"], **parts) == expected
    assert parse_event(event["event_type"], event["entity_id"], **parts, trusted=True) == expected
    padded = {name: b" \n" + text + b"\t" for name, text in parts.items()}
    assert parse_event(event["event_type"], event["entity_id"], **padded) == expected


def test_parts_that_are_refused() -> None:
    cases: list[tuple[Any, str, str]] = [
        (("A", "a"), "event_type", "expected 1 to 128 bytes"),
        (("a", ""), "entity_id", "expected an entity id"),
        (("prime.node.created", "edge:1", b'{"properties":{}}'), "entity_id", "expected node:{type}:{id}"),
        (("prime.node.created", "node:a:b"), "payload.properties", "required, but missing"),
        (("prime.edge.updated", "edge:1", b'{"weight":"x"}'), "payload.weight", "expected a finite number, found a string"),
        (("a", "b", b"[1]"), "payload", "expected an object, found an array"),
        (("a", "b", b"{} {}"), "", "expected nothing more after the value (in payload)"),
        (("a", "b", b"{}", b'{"x":nul}'), "", "expected a JSON value (in metadata.x)"),
        (("a", "b", b"{}", b"null"), "metadata", "expected an object, found null"),
        (("a", "b", b'{"x":{"y":1,"y":1}}'), "payload.x.y", "the key is given twice"),
        (("a", "b", b"{}", b'{"y":1,"y":1}'), "metadata.y", "the key is given twice"),
        (("a", "b", b'{"x":[1,}'), "", "expected a JSON value (in payload.x[1])"),
        (("a", "b", b'{"x":' + b"[" * 512), "payload", "nested too deep"),
        (("prime.vector.stored", "vec:a", b"{}", b'{"embedding":[1,"x"]}'), "metadata.embedding", 'float32, found "x"'),
        (("prime.vector.stored", "vec:a", None, b'{"embedding":[0]}'), "metadata.embedding", "not zero"),
    ]
    for parts, field, says in cases:
        with pytest.raises(InvalidEvent) as caught:
            parse_event(*parts)
        assert caught.value.field == field, parts
        assert says in str(caught.value), parts
        assert (caught.value.line, caught.value.column) == (0, 0)
