"""Lines that break a rule each, with the field that an error must name ("" where the JSON itself is broken).

Knows nothing of the engine.
"""

from __future__ import annotations

import uuid

from support.lines import A, line


def nested(depth: int) -> bytes:
    """An event whose payload is `depth` deep (the payload itself is 1)."""
    return b'{"event_type":"x","entity_id":"x","payload":{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}}"


def sized(payload_bytes: int) -> bytes:
    """An event whose payload takes that many bytes."""
    return b'{"event_type":"x","entity_id":"x","payload":{"a":"' + b"y" * (payload_bytes - 8) + b'"}}'


def with_payload(text: bytes) -> bytes:
    return b'{"event_type":"x","entity_id":"x","payload":' + text + b"}"


BROKEN = {
    "payload of 17 MiB": (sized(17 << 20), "payload"),
    "payload one byte over": (sized((16 << 20) + 1), "payload"),
    "metadata over 1 MiB": (line(metadata={"a": "y" * (1 << 20)}), "metadata"),
    "depth 513": (nested(513), ""),
    "depth 10,000": (nested(10_000), ""),
    "depth without end": (b'{"event_type":"x","entity_id":"x","payload":{"a":' + b"[" * 1_000_000, ""),
    "depth of objects": (b'{"event_type":"x","entity_id":"x","payload":' + b'{"a":' * 10_000, ""),
    "NaN": (with_payload(b'{"a":NaN}'), ""),
    "Infinity": (with_payload(b'{"a":-Infinity}'), ""),
    "leading zero": (with_payload(b'{"a":01}'), ""),
    "plus sign": (with_payload(b'{"a":+1}'), ""),
    "bare point": (with_payload(b'{"a":1.}'), ""),
    "lone high surrogate": (with_payload(rb'{"a":"\ud800"}'), ""),
    "lone low surrogate": (with_payload(rb'{"a":"\udc00x"}'), ""),
    "two high surrogates": (with_payload(rb'{"a":"\ud800\ud800"}'), ""),
    "surrogate in a key": (with_payload(rb'{"\ud83d":1}'), ""),
    "duplicate envelope key": (b'{"event_type":"x","entity_id":"x","entity_id":"x"}', ""),
    "duplicate key, escaped": (rb'{"event_type":"x","entity_id":"x","entity\u005fid":"x"}', ""),
    "duplicate payload key": (with_payload(b'{"a":1,"b":2,"a":1}'), ""),
    "duplicate deep key": (with_payload(rb'{"a":[{"k":1,"\u006b":1}]}'), ""),
    "two ids": (line(event_id=str(uuid.UUID(int=1)), id=str(uuid.UUID(int=1))), ""),
    "invalid UTF-8": (with_payload(b'{"a":"\xff"}'), ""),
    "overlong UTF-8": (with_payload(b'{"a":"\xc0\xaf"}'), ""),
    "UTF-8 surrogate": (with_payload(b'{"a":"\xed\xa0\x80"}'), ""),
    "UTF-8 cut off": (with_payload(b'{"a":"\xe2\x82"}'), ""),
    "beyond Unicode": (with_payload(b'{"a":"\xf4\x90\x80\x80"}'), ""),
    "raw control character": (with_payload(b'{"a":"\x01"}'), ""),
    "raw tab in a string": (with_payload(b'{"a":"\t"}'), ""),
    "BOM in the middle": (b"\xef\xbb\xbf" + A, ""),
    "unknown escape": (with_payload(rb'{"a":"\x41"}'), ""),
    "comment": (A + b" // no", ""),
    "two values": (A + A, ""),
    "trailing comma": (b'{"event_type":"x","entity_id":"x",}', ""),
    "single quotes": (b"{'event_type':'x'}", ""),
    "cut off": (A[:-1], ""),
    "not an object": (b"[]", ""),
    "a number": (b"1", ""),
    "NUL bytes": (b"\x00" * 100, ""),
    "no event_type": (b'{"entity_id":"x"}', "event_type"),
    "no entity_id": (b'{"event_type":"x"}', "entity_id"),
    "null entity_id": (b'{"event_type":"x","entity_id":null}', "entity_id"),
    "empty entity_id": (b'{"event_type":"x","entity_id":""}', "entity_id"),
    "long entity_id": (b'{"event_type":"x","entity_id":"' + "é".encode() * 512 + b'y"}', "entity_id"),
    "control character in entity_id": (rb'{"event_type":"x","entity_id":"a\u0007"}', "entity_id"),
    "C1 control in entity_id": (rb'{"event_type":"x","entity_id":"a\u0085"}', "entity_id"),
    "event_type in capitals": (b'{"event_type":"X","entity_id":"x"}', "event_type"),
    "empty word in event_type": (b'{"event_type":"a..b","entity_id":"x"}', "event_type"),
    "event_type too long": (b'{"event_type":"' + b"x" * 129 + b'","entity_id":"x"}', "event_type"),
    "unknown field": (line(colour="red"), "colour"),
    "payload no object": (with_payload(b"[]"), "payload"),
    "metadata no object": (line(metadata="x"), "metadata"),
    "event_id no UUID": (line(event_id="123"), "event_id"),
    "event_id no string": (line(event_id=1), "event_id"),
    "timestamp without offset": (line(timestamp="2024-01-01T00:00:00"), "timestamp"),
    "timestamp that never was": (line(timestamp="2023-02-29T00:00:00Z"), "timestamp"),
    "timestamp a number": (line(timestamp=1700000000), "timestamp"),
    "another tenant": (line(tenant_id="acme"), "tenant_id"),
    "node with the wrong prefix": (line("edge:a"), "entity_id"),
    "node without a type": (line("node::a"), "entity_id"),
    "node without an id": (line("node:t:"), "entity_id"),
    "node without properties": (line(payload={}), "payload.properties"),
    "properties no object": (line(payload={"properties": []}), "payload.properties"),
    "node_type that differs": (line(payload={"properties": {}, "node_type": "u"}), "payload.node_type"),
    "domain no string": (line(payload={"properties": {}, "domain": 1}), "payload.domain"),
    "labels no strings": (line(payload={"properties": {}, "labels": ["a", 1]}), "payload.labels"),
}


def edge(**payload: object) -> bytes:
    return line("edge:e", event_type="prime.edge.created", payload=payload)


ENDS = {"source": "a", "target": "b", "relation": "r"}
BROKEN |= {
    "edge without a source": (edge(target="b", relation="r"), "payload.source"),
    "edge without a relation": (edge(source="a", target="b"), "payload.relation"),
    "edge with an empty relation": (edge(**{**ENDS, "relation": ""}), "payload.relation"),
    "edge to a control character": (edge(**{**ENDS, "target": "\n"}), "payload.target"),
    "weight that overflows": (edge(**ENDS, weight=0).replace(b'"weight": 0', b'"weight": 1e400'), "payload.weight"),
    "weight true": (edge(**ENDS, weight=True), "payload.weight"),
    "weight in words": (edge(**ENDS, weight="1"), "payload.weight"),
    "valid_from without offset": (edge(**ENDS, valid_from="2024-01-01T00:00:00"), "payload.valid_from"),
    "edge properties no object": (edge(**ENDS, properties="x"), "payload.properties"),
}


def vector(**payload: object) -> bytes:
    return line("vec:x", event_type="prime.vector.stored", payload=payload)


BROKEN |= {
    "vector without numbers": (vector(), "embedding"),
    "vector of nothing": (vector(embedding=[]), "embedding"),
    "vector of zeros": (vector(embedding=[0, -0.0]), "embedding"),
    "vector of words": (vector(embedding=["1"]), "embedding"),
    "vector beyond float32": (vector(embedding=[1e39]), "embedding"),
    "vector in broken base64": (vector(embedding="AACA!w=="), "embedding"),
    "vector of base64 bytes that are no floats": (vector(embedding="AACAPwA="), "embedding"),
    "vector of a base64 NaN": (vector(embedding="AADAfw=="), "embedding"),
    "vector of other dimensions than it says": (vector(embedding=[1, 2], dimensions=3), "dimensions"),
    "vector without its prefix": (
        line("x", event_type="prime.vector.stored", payload={"embedding": [1]}),
        "entity_id",
    ),
    "space without dimensions": (
        line("space:default", event_type="prime.space.defined", payload={"model": None}),
        "payload.dimensions",
    ),
}
