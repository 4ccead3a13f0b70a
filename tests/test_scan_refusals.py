"""Refused events: each error names its field, its column and what was expected."""

from pathlib import Path
from typing import Any

import pytest
from test_scan_events import CUSTOM, EDGE, NODE, SPACE, UUID, VECTOR, encode, packed, refused, with_payload, without

from primecore._scan import explain, parse_event, parse_line
from primecore.errors import InvalidEvent

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
    ({**CUSTOM, "event_id": "1"}, "event_id", 'UUID such as 01890a5d-ac96-774b-bcce-b302099a8057, found "1"'),
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
    (b'{"position":1e-0100000000000000000}', "", "expected an exponent of at most 17 digits (in position)"),
    # nodes
    ({**NODE, "payload": None}, "payload.properties", "required, but missing"),
    (without(NODE, "properties"), "payload.properties", "required, but missing"),
    (with_payload(NODE, properties=None), "payload.properties", "expected an object, found null"),
    (with_payload(NODE, properties=[1]), "payload.properties", "expected an object, found an array"),
    (with_payload(NODE, node_type="robot"), "payload.node_type", 'the type that entity_id names, found "robot"'),
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
    (encode(with_payload(EDGE, weight=1)).replace(b": 1}", b": 1e400}"), "payload.weight", "found 1e400"),
    (with_payload(EDGE, properties="x"), "payload.properties", "expected an object, found a string"),
    (with_payload(EDGE, valid_from="soon"), "payload.valid_from", 'found "soon"'),
    (with_payload(EDGE, valid_to=5), "payload.valid_to", "expected an RFC 3339 time with offset"),
    ({**EDGE, "event_type": "prime.edge.updated", "payload": {"valid_to": ""}}, "payload.valid_to", "or null, found"),
    # vectors
    ({**VECTOR, "entity_id": "vec:"}, "entity_id", "expected vec:{entity_id}"),
    ({**VECTOR, "payload": {}}, "payload.embedding", "required, but missing"),
    ({**VECTOR, "payload": None, "metadata": {"embedding": None}}, "payload.embedding", "required, but missing"),
    (with_payload(VECTOR, embedding="AACAPwAAAEPwAAAA="), "payload.embedding", "expected padded base64"),
    (with_payload(VECTOR, embedding={}), "payload.embedding", "expected an array of numbers, or a string of base64"),
    (with_payload(VECTOR, embedding=[]), "payload.embedding", "expected 1 to 65,536 dimensions"),
    (with_payload(VECTOR, embedding=[1] * 65537), "payload.embedding", "expected 1 to 65,536 dimensions"),
    (with_payload(VECTOR, embedding=packed(*[1.0] * 65537)), "payload.embedding", "expected 1 to 65,536 dimensions"),
    (with_payload(VECTOR, embedding=""), "payload.embedding", "expected 1 to 65,536 dimensions"),
    (
        with_payload(VECTOR, embedding=[0, -0.0, 1e-60]),
        "payload.embedding",
        "expected at least one number that is not zero",
    ),
    (
        with_payload(VECTOR, embedding=packed(0, -0.0)),
        "payload.embedding",
        "expected at least one number that is not zero",
    ),
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
    (
        with_payload(VECTOR, dimensions=3),
        "payload.dimensions",
        "expected the number of dimensions that the embedding has, found 3",
    ),
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
        assert before[-1] in ":[," and field.rsplit(".", maxsplit=1)[-1] in before


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


def test_every_code_has_words() -> None:
    with open_pxd() as lines:
        codes = [int(line.split("=")[1].split("#")[0]) for line in lines if line.startswith("    SCAN_")]
    codes = [code for code in codes if code > 0]
    assert len(codes) > 40
    assert len({explain(code) for code in codes}) == len(codes)


def open_pxd() -> Any:
    path = Path(__file__).parent.parent / "primecore" / "_json.pxd"
    if not path.exists():
        pytest.skip("runs from the source tree only")
    return path.open()


def test_parts_that_are_refused() -> None:
    cases: list[tuple[Any, str, str]] = [
        (("A", "a"), "event_type", "expected 1 to 128 bytes"),
        (("a", ""), "entity_id", "expected an entity id"),
        (("prime.node.created", "edge:1", b'{"properties":{}}'), "entity_id", "expected node:{type}:{id}"),
        (("prime.node.created", "node:a:b"), "payload.properties", "required, but missing"),
        (("prime.edge.updated", "edge:1", b'{"weight":"x"}'), "payload.weight", "finite number, found a string"),
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
