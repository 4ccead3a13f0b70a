"""The OpenAPI document against the server: what it allows and forbids is tried; no answer is a 500 or undocumented."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from support.serving import Served, serving

import primecore
from primecore.faces.http import openapi, routes
from primecore.faces.http.settings import Settings

EXAMPLES = 200 if os.environ.get("TORTURE_SECONDS") else 6


@schemathesis.serializer("application/x-ndjson")
def lines(_: object, value: object) -> bytes:
    return value.encode("utf-8", "replace") if isinstance(value, str) else json.dumps(value).encode()


schema = schemathesis.openapi.from_dict(openapi.document(routes.table()))


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with primecore.open(":memory:") as prime, serving(prime, Settings(stall_seconds=5)) as it:
        prime.add_node("person", {"name": "Alice", "domain": "engineering"}, id="alice")
        prime.add_node("project", {"name": "Auth", "domain": "product"}, id="auth")
        prime.add_edge("node:person:alice", "node:project:auth", "works_on", id="1")
        yield it


@schema.exclude(path_regex="/events/stream$").parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_documented(case: schemathesis.Case, served: Served) -> None:
    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    case.call_and_validate(base_url=served.url, checks=checks)
