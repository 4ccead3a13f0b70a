"""`prime query similar` and `prime reembed`: what they print, and how they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.command_line import Shell

import primecore


@pytest.fixture
def prime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    shell = Shell(tmp_path, monkeypatch).with_example()
    with primecore.open(shell.store) as store:
        store.embed("node:person:alice", text="Alice leads the login project", metadata={"page": 1})
        store.embed("node:person:bob", text="Bob cooks lunch")
        store.embed("note:1", text="the login project is late")
    return shell


def ids(result) -> list[str]:
    return [hit["id"] for hit in result.document["hits"]]


def test_a_text_and_an_id(prime: Shell) -> None:
    found = prime("query", "similar", "who leads the login?", "--json")
    assert ids(found)[0] == "node:person:alice" and len(ids(found)) == 3
    first = found.document["hits"][0]
    assert list(first) == ["id", "score", "text", "metadata", "parts", "snippet", "edges"]
    assert first["metadata"] == {"page": 1}
    assert ids(prime("query", "similar", "node:person:alice", "--k", 1, "--json")) == ["note:1"]
    lines = prime("query", "similar", "lunch", "--k", 1).out.splitlines()
    assert len(lines) == 1 and lines[0].split("\t")[0::2] == ["node:person:bob", "Bob cooks lunch"]


def test_filters(prime: Shell) -> None:
    asked = ("query", "similar", "login project", "--json")
    assert ids(prime(*asked, "--type", "person"))[0] == "node:person:alice"
    assert ids(prime(*asked, "--prefix", "note:")) == ["note:1"]
    assert ids(prime(*asked, "--domain", "nowhere")) == []
    assert ids(prime(*asked, "--label", "nothing")) == []
    assert len(ids(prime(*asked, "--min-score", 0.3))) == 2


def test_refusals(prime: Shell) -> None:
    gone = prime("query", "similar", "node:person:nobody", "--json")
    assert (gone.code, gone.error["code"]) == (66, "vector_not_found")
    prime.patch.setenv("PRIME_EMBEDDER", "wordllama")
    other = prime("query", "similar", "text", "--json")
    assert (other.code, other.error["code"]) == (65, "model_mismatch") and "prime reembed" in other.error["hint"]
    prime.patch.setenv("PRIME_EMBEDDER", "nothing")
    assert prime("query", "similar", "text", "--json").error["code"] == "invalid_argument"


def test_reembed(prime: Shell) -> None:
    same = prime("reembed", "--json")
    assert same.document["embedded"] == 0 and same.document["model"] == "hashing-512-2"
    with primecore.open(prime.store) as store:
        store.embed("bare", [1.0] * 512)
    pytest.importorskip("wordllama", reason="the extra `embed` is not installed")
    refused = prime("reembed", "--model", "wordllama", "--json")
    assert refused.code == 2 and "--drop" in refused.error["hint"]
    changed = prime("reembed", "--model", "wordllama", "--drop", "--json")
    assert changed.document["embedded"] == 3 and changed.document["dropped"] == 1
    assert ids(prime("query", "similar", "who cooks?", "--k", 1, "--json")) == ["node:person:bob"]
    assert prime("replay", "--verify").code == 0
