"""Plain Python twins of the compiled scanners, for the tests to compare with. Slow, short, and easy to check by eye."""

from __future__ import annotations

import base64
import binascii
import json
import math
import random
import re
import struct
from datetime import UTC, datetime, timedelta
from decimal import Context
from typing import Any

EXACT = Context(prec=100_000, Emax=999_999_999_999_999_999, Emin=-999_999_999_999_999_999)


class Number(str):
    """A JSON number, kept as it was written."""


def load(text: bytes) -> Any:
    """Strict JSON: raises ValueError for what RFC 8259, duplicate keys, lone surrogates or depth forbid."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise ValueError("a key is given twice")
        return result

    def constant(name: str) -> Any:
        raise ValueError(name)

    value = json.loads(
        text.decode("utf-8"), object_pairs_hook=members, parse_constant=constant, parse_int=Number, parse_float=Number
    )
    check(value, 512)
    return value


def check(value: Any, depth: int) -> None:
    """No lone surrogates (encode refuses them), no deeper than `depth`."""
    if isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, list | dict):
        if depth == 0:
            raise ValueError("too deep")
        for key in value if isinstance(value, dict) else ():
            check(key, depth)
        for inner in value.values() if isinstance(value, dict) else value:
            check(inner, depth - 1)


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2, word for word."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def canonical(value: Any) -> str:
    """What the compiled canonical() should give, as text."""
    if isinstance(value, Number):
        return canonical_number(value)
    if isinstance(value, dict):
        ordered = sorted(value.items(), key=lambda item: item[0].encode())
        return "{" + ",".join(f"{canonical(key)}:{canonical(inner)}" for key, inner in ordered) + "}"
    if isinstance(value, list):
        return "[" + ",".join(canonical(inner) for inner in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def canonical_number(text: str) -> str:
    sign, digits, exponent = EXACT.create_decimal(text).as_tuple()
    assert isinstance(exponent, int)
    shown = "".join(map(str, digits)).lstrip("0")
    power = len(shown) + exponent  # the point stands after so many digits
    shown = shown.rstrip("0")
    minus = "-" if sign else ""
    if not shown:
        return "0"
    if len(shown) <= power <= 21:
        return minus + shown.ljust(power, "0")
    if 0 < power <= 21:
        return f"{minus}{shown[:power]}.{shown[power:]}"
    if -6 < power <= 0:
        return f"{minus}0.{'0' * -power}{shown}"
    return f"{minus}{shown[0]}{'.' if shown[1:] else ''}{shown[1:]}e{power - 1}"


def random_number(chance: random.Random, exponent_digits: int = 3) -> str:
    """A JSON number of any shape."""

    def digits(most: int) -> str:
        return "".join(chance.choices("0123456789" if chance.random() < 0.7 else "09", k=chance.randint(1, most)))

    whole = digits(chance.choice([2, 19, 30])).lstrip("0") or "0"
    fraction = "." + digits(chance.choice([2, 17, 30])) if chance.random() < 0.6 else ""
    exponent = chance.choice("eE") + chance.choice(["", "+", "-"]) + digits(exponent_digits)
    exponent = exponent if chance.random() < 0.5 else ""
    return chance.choice(["", "-"]) + whole + fraction + exponent


class Refused(Exception):
    """The reference refuses a line; `field` as InvalidEvent has it."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KNOWN = {
    "prime.node.created": 1,
    "prime.node.updated": 2,
    "prime.node.deleted": 3,
    "prime.edge.created": 4,
    "prime.edge.updated": 5,
    "prime.edge.deleted": 6,
    "prime.vector.stored": 7,
    "prime.vector.deleted": 8,
    "prime.space.defined": 9,
}
ENVELOPE = {
    "event_type", "entity_id", "payload", "event_id", "id", "timestamp", "metadata", "tenant_id", "position", "version",
}  # fmt: skip


def parse_time(text: str) -> int:
    match = TIME.fullmatch(text)
    if not match:
        raise ValueError(text)
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    micros = int(((match[7] or "") + "000000")[:6])
    ahead = timedelta(hours=int(match[9]), minutes=int(match[10])) if match[8] else timedelta()
    leap = second == 60
    moment = datetime(year, month, day, hour, minute, 59 if leap else second, 999999 if leap else micros, tzinfo=UTC)
    moment += -ahead if match[8] != "-" else ahead  # OverflowError outside the years 1 to 9999
    if leap and (moment.hour, moment.minute) != (23, 59):
        raise ValueError(text)
    return (moment - EPOCH) // timedelta(microseconds=1)


def is_id(text: Any) -> bool:
    return (
        isinstance(text, str)
        and 1 <= len(text.encode()) <= 1024
        and not re.search("[\x00-\x1f\x7f-\x9f]", text)
    )  # fmt: skip


def require(holds: object, field: str) -> None:
    if not holds:
        raise Refused(field)


def is_string(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Number)


def optional_time(payload: dict[str, Any], name: str, clears: bool) -> tuple[str, int | None] | None:
    value = payload.get(name)
    if value is None:
        return ("cleared", None) if clears and name in payload else None
    require(is_string(value), f"payload.{name}")
    try:
        return "set", parse_time(value)
    except (ValueError, OverflowError):
        raise Refused(f"payload.{name}") from None


def optional(payload: dict[str, Any], name: str, holds: Any) -> Any:
    value = payload.get(name)
    require(value is None or holds(value), f"payload.{name}")
    return value


def domain_of(payload: dict[str, Any]) -> tuple[str, str | None] | None:
    if "domain" in payload:
        require(payload["domain"] is None or is_string(payload["domain"]), "payload.domain")
        return ("cleared", None) if payload["domain"] is None else ("set", payload["domain"])
    properties = payload.get("properties") or {}
    if "domain" not in properties:
        return None
    return ("set", properties["domain"]) if is_string(properties["domain"]) else ("cleared", None)


def dimensions_of(payload: dict[str, Any]) -> int | None:
    value = payload.get("dimensions")
    require(value is None or (isinstance(value, Number) and value.isdigit()), "payload.dimensions")
    require(value is None or 1 <= int(value) <= 65536, "payload.dimensions")
    return None if value is None else int(value)


def float32(text: str) -> float:
    try:
        return float(struct.unpack("<f", struct.pack("<f", float(text)))[0])
    except OverflowError:
        return math.inf


def embedding_of(value: Any, field: str) -> list[float]:
    if isinstance(value, list):
        require(all(isinstance(number, Number) for number in value), field)
        numbers = [float32(number) for number in value]
    else:
        require(is_string(value) and len(value) % 4 == 0, field)  # Python takes "=" after whole groups of four
        try:
            raw = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise Refused(field) from None
        require(len(raw) % 4 == 0, field)
        numbers = list(struct.unpack(f"<{len(raw) // 4}f", raw))
    require(1 <= len(numbers) <= 65536 and all(map(math.isfinite, numbers)) and any(numbers), field)
    return numbers


def scan(line: bytes) -> dict[str, Any]:
    """The fields that parse_line gives, payload and metadata as values. Raises Refused, ValueError: broken JSON."""
    event = load(line)
    require(isinstance(event, dict), "")
    for name in event:
        require(name in ENVELOPE, name)
    event = {name: value for name, value in event.items() if value is not None}
    for name in ("event_type", "entity_id", "event_id", "id", "timestamp", "tenant_id"):
        require(name not in event or is_string(event[name]), name)
    for name in ("payload", "metadata"):
        require(name not in event or isinstance(event[name], dict), name)
    for name in ("event_type", "entity_id"):
        require(name in event, name)
    kind, entity, payload = event["event_type"], event["entity_id"], event.get("payload", {})
    require(re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", kind) and len(kind) <= 128, "event_type")
    require(is_id(entity), "entity_id")
    require(event.get("tenant_id", "default") == "default", "tenant_id")
    require(not ("event_id" in event and "id" in event), "id")
    for name in ("event_id", "id"):
        uuid = event.get(name)
        require(uuid is None or re.fullmatch("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", uuid), name)
    time_us = None
    if "timestamp" in event:
        try:
            time_us = parse_time(event["timestamp"])
        except (ValueError, OverflowError):
            raise Refused("timestamp") from None
    uuid = event.get("event_id", event.get("id"))
    found = {
        "event_type": kind,
        "entity_id": entity,
        "event_id": uuid.lower() if uuid else None,
        "time_us": time_us,
        "payload": event.get("payload"),
        "metadata": event.get("metadata"),
        "code": KNOWN.get(kind, 0),
        **dict.fromkeys(("domain", "labels", "properties", "source", "target", "relation", "weight")),
        "valid_from": None,
        "valid_to": None,
        "dimensions": 0,
    }
    if kind in KNOWN:
        RULES[kind.split(".")[1]](found, kind.split(".")[2], payload, event.get("metadata") or {})
    return found


def node_rules(found: dict[str, Any], verb: str, payload: dict[str, Any], metadata: dict[str, Any]) -> None:
    parts = found["entity_id"].split(":", 2)
    require(len(parts) == 3 and parts[0] == "node" and parts[1] and parts[2], "entity_id")
    if verb == "deleted":
        return
    found["properties"] = optional(payload, "properties", lambda value: isinstance(value, dict))
    found["labels"] = optional(
        payload, "labels", lambda value: isinstance(value, list) and all(is_string(label) for label in value)
    )
    found["domain"] = domain_of(payload)
    missing = found["properties"] is None
    if verb == "created":
        require(not missing, "payload.properties")
        require(payload.get("node_type") in (None, parts[1]), "payload.node_type")
    else:
        require(not missing or found["labels"] is not None or found["domain"] is not None, "payload.properties")


def edge_rules(found: dict[str, Any], verb: str, payload: dict[str, Any], metadata: dict[str, Any]) -> None:
    require(re.match("edge:.", found["entity_id"]), "entity_id")
    if verb == "deleted":
        return
    for name in ("source", "target", "relation") if verb == "created" else ():
        require(is_string(payload.get(name)) and is_id(payload[name]), f"payload.{name}")
        found[name] = payload[name]
    weight = optional(payload, "weight", lambda value: isinstance(value, Number) and math.isfinite(float(value)))
    found["weight"] = None if weight is None else float(weight)
    found["properties"] = optional(payload, "properties", lambda value: isinstance(value, dict))
    found["valid_from"] = optional_time(payload, "valid_from", verb == "updated")
    found["valid_to"] = optional_time(payload, "valid_to", verb == "updated")


def vector_rules(found: dict[str, Any], verb: str, payload: dict[str, Any], metadata: dict[str, Any]) -> None:
    require(re.match("vec:.", found["entity_id"]), "entity_id")
    if verb == "deleted":
        return
    where = "payload" if payload.get("embedding") is not None else "metadata"
    value = payload.get("embedding") if where == "payload" else metadata.get("embedding")
    require(value is not None, "payload.embedding")
    found["dimensions"] = len(embedding_of(value, f"{where}.embedding"))
    require(dimensions_of(payload) in (None, found["dimensions"]), "payload.dimensions")
    optional(payload, "text", is_string)
    optional(payload, "metadata", lambda value: isinstance(value, dict))


def space_rules(found: dict[str, Any], verb: str, payload: dict[str, Any], metadata: dict[str, Any]) -> None:
    require(re.match("space:.", found["entity_id"]), "entity_id")
    dimensions = dimensions_of(payload)
    require(dimensions is not None, "payload.dimensions")
    found["dimensions"] = dimensions
    optional(payload, "model", is_string)


RULES = {"node": node_rules, "edge": edge_rules, "vector": vector_rules, "space": space_rules}
