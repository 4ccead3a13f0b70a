"""Facts: taken in once, whole or not at all, turned away for good; and what a prompt is given of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import primecore
from primecore import InvalidArgument, NodeNotFound
from primecore.contexts import Fact, estimated_tokens, packed, plain
from primecore.memories import former_fact_id

EVENT = "7d1f0f0e-3f0b-4c53-9a53-6a1b1d1e7a01"


@pytest.fixture
def prime():
    with primecore.open(":memory:", embedder="hashing") as store:
        store.add_node("person", {"name": "Alice", "domain": "eng"}, id="alice")
        yield store


def test_node_vector_and_links_come_in_one_step(prime):
    before = prime.position
    found = prime.remember(
        "Alice leads auth", links=[("about", "node:person:alice")], domain="eng", labels=["fact"], conversation="c1",
        properties={"source": "mail"}, timestamp="2026-01-01T00:00:00Z",
    )  # fmt: skip
    assert found.created and found.similarity is None and found.position == prime.position == before + 4
    node = prime.node(found.id)
    assert node.properties == {"text": "Alice leads auth", "conversation_id": "c1", "source": "mail"}
    assert (node.domain, node.labels, node.created_at.year) == ("eng", ("fact",), 2026)
    [edge] = found.edges
    assert prime.edge(edge).target == "node:person:alice" and prime.stats().vectors == 1
    assert prime.recall("who leads auth?", conversation="c1")[0].id == found.id
    assert next(iter(prime.history(found.id))).metadata == {"conversation_id": "c1"}
    prime.update_node(found.id, {"text": "Bob leads auth"})
    assert [hit.text for hit in prime.similar("Bob leads auth", k=1)] == ["Bob leads auth\nmail"]


def test_the_same_words_are_one_fact(prime):
    first = prime.remember("Tea  is hot")
    again = prime.remember("tea is HOT", links=[("about", "node:person:alice")])
    assert (again.id, again.created, again.similarity, len(again.edges)) == (first.id, False, 1.0, 1)
    assert prime.remember("tea is hot", links=[("about", "node:person:alice")]).edges == ()
    assert prime.remember("tea is hot", type="other").created
    prime.update_node(first.id, {"text": "Tea is cold"})
    assert prime.remember("Tea is hot", near=None).id not in (first.id, None)


def test_what_is_nearly_the_same_is_one_fact(prime):
    first = prime.remember("Alice leads the auth project")
    near = prime.remember("Alice leads the auth project!")
    assert (near.id, near.created) == (first.id, False) and near.similarity > 0.95
    assert prime.remember("Alice leads the auth project!", near=None).created
    assert prime.remember("Bob cooks lunch").created


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ("Alice does like the plan to move to Lyon", "Alice does not like the plan to move to Lyon"),
        ("The flight to Paris leaves Monday at 5pm, gate 12", "The flight to Paris leaves Monday at 6pm, gate 12"),
        ("Alice leads Bob", "Bob leads Alice"),
        ("It is -5 degrees in Bern", "It is 5 degrees in Bern"),
        ("A stamp costs .5 euros in Bern", "A stamp costs 5 euros in Bern"),
        ("The shelf in the hall is 5' wide", "The shelf in the hall is 5\" wide"),
        ("Alice felt :) on Monday in Bern", "Alice felt :( on Monday in Bern"),
    ],
)
def test_a_fact_that_only_resembles_another_is_kept_and_linked(prime, known, told):
    first = prime.remember(known)
    found = prime.remember(told, near=0.7, links=[("about", "node:person:alice")], event_id=EVENT)
    assert found.created and found.id != first.id and 0.7 <= found.similarity <= 1.0001
    assert {hit.text for hit in prime.recall(told, k=2)} == {known, told}  # both are there to be told apart
    about, resembles = map(prime.edge, found.edges)
    assert (about.relation, resembles.relation, resembles.target) == ("about", "resembles", first.id)
    before = prime.position
    again = prime.remember(told, near=0.7, links=[("about", "node:person:alice")], event_id=EVENT)
    assert again._replace(position=0) == found._replace(position=0) and prime.position == before
    once_more = prime.remember(told.upper(), near=0.7)
    assert (once_more.id, once_more.created, once_more.edges) == (found.id, False, ())


LOOKALIKES = [
    ("The area is 2⁵", "The area is 25"), ("The sum is x²", "The sum is x2"), ("Take ½ a pill", "Take 1⁄2 a pill"),
    ("Platform ①", "Platform 1"), ("A cable of 10㎏", "A cable of 10kg"), ("Er trinkt in Maßen", "Er trinkt in Massen"),
    ("Room ﬁ", "Room fi"), ("The plate says ＡＢ", "The plate says AB"), ("H₂O", "H2O"), ("ſo it is", "so it is"),
]  # fmt: skip


@pytest.mark.parametrize("near", [None, 0.95])
@pytest.mark.parametrize(("known", "told"), LOOKALIKES)
def test_what_only_looks_alike_to_a_computer_is_two_facts(prime, known, told, near):
    first = prime.remember(known, near=near)
    second = prime.remember(told, near=near)
    assert second.created and first.id != second.id
    assert {prime.node(it.id).properties["text"] for it in (first, second)} == {known, told}
    prime.reject(first.id)
    assert prime.remember(known).rejected and not prime.remember(told).rejected
    assert prime.node(second.id) is not None


@pytest.mark.parametrize(
    ("one", "other"), [("Café", "Cafe\u0301"), ("Å", "\u212b"), ("ΟΔΟΣ", "οδος"), ("a\u00a0 b", "a b")]
)  # fmt: skip
def test_what_only_is_written_otherwise_is_one_fact(prime, one, other):
    assert prime.remember(one).id == prime.remember(other).id


def by_the_former_rule(prime, text, live=True):
    """A fact as it was stored when ids were made of NFKC; rejected, if it does not live."""
    id = former_fact_id("memory", text)
    prime.append("prime.node.created", id, {"node_type": "memory", "properties": {"text": text}})
    if not live:
        prime.append("prime.node.deleted", id, {}, metadata={"rejected": True})
    return id


@pytest.mark.parametrize("text", ["Tea is hot", "The area is 2⁵", "Er trinkt in Maßen"])
def test_facts_of_the_former_rule_are_known(prime, text):
    id = by_the_former_rule(prime, text)
    before = prime.position
    found = prime.remember(text.upper() if "ß" not in text else text, near=None)
    assert (found.id, found.created, found.similarity) == (id, False, 1.0) and prime.position == before
    linked = prime.remember(text, links=[("about", "node:person:alice")], near=None)
    assert linked.id == id and prime.edge(linked.edges[0]).source == id
    prime.reject(id)
    assert prime.remember(text).rejected and prime.remember(text + ".").rejected
    prime.delete_node(prime.remember(text, force=True).id)
    assert prime.remember(text).created  # forgotten in its second life


@pytest.mark.parametrize("live", [True, False])
def test_a_fact_of_the_former_rule_takes_no_other_with_it(prime, live):
    former = by_the_former_rule(prime, "The area is 2⁵", live)
    assert former == former_fact_id("memory", "The area is 25")
    found = prime.remember("The area is 25", near=None)
    assert found.created and found.id != former
    assert prime.remember("the area is 2⁵", near=None).rejected is not live
    assert prime.remember("“The area” is 2⁵.", near=None).rejected is not live


def test_words_turned_away_by_the_former_rule_stay_away(prime):
    # Under an id of one's own, or with marks around: nothing that lived tells the words.
    prime.append("prime.node.deleted", former_fact_id("memory", "Bob has left"), {}, metadata={"rejected": True})
    assert prime.remember("bob has left").rejected and prime.remember("Bob has left!").rejected
    assert prime.remember("Bob has left", force=True).created


def test_a_call_that_was_answered_by_the_former_rule_is_answered_again(prime):
    id = former_fact_id("memory", "Tea is hot")
    made = {"node_type": "memory", "properties": {"text": "Tea is hot"}}
    prime.append("prime.node.created", id, made, event_id=EVENT)
    prime.update_node(id, {"text": "Tea is cold"})
    before = prime.position
    assert prime.remember("Tea is hot", event_id=EVENT).id == id and prime.position == before


def test_what_was_turned_away_does_not_come_back_with_a_full_stop(prime):
    for text, again in (("Bob has left", "\"Bob  has left.\""), ("Carol has left!", "carol has left")):
        prime.reject(prime.remember(text).id)
        before = prime.position
        assert prime.remember(again).rejected and prime.position == before
    assert prime.remember("Bob has left?").created  # a question is not what was turned away


def test_what_is_turned_away_stays_away(prime):
    wrong = prime.remember("Alice has left")
    prime.reject(wrong.id, reason="she has not")
    before = prime.position
    again = prime.remember("alice has left")
    assert again.rejected and not again.created and prime.position == before and prime.recall("has left") == []
    assert prime.replay(verify=True).equal
    assert prime.remember("Alice has left", force=True).created
    kept = prime.remember("Alice has moved", id="mine")
    prime.reject(kept.id)
    assert prime.remember("Alice has moved").rejected
    gone = prime.remember("Bob likes tea")
    prime.delete_node(gone.id)
    assert prime.remember("Bob likes tea").created  # forgotten, not rejected
    with pytest.raises(NodeNotFound):
        prime.reject("node:memory:none")


def test_nothing_is_appended_where_anything_is_wrong(prime):
    before = prime.position
    with pytest.raises(NodeNotFound):
        prime.remember("x", links=[("about", "node:person:alice"), ("about", "node:person:nobody")])
    for wrong in ({"text": " "}, {"text": 7}, {"text": "x", "type": "a:b"}, {"text": "x", "links": ["ab"]},
                  {"text": "x", "id": ""}, {"text": "x", "vector": "no"}):  # fmt: skip
        with pytest.raises(InvalidArgument):
            prime.remember(**wrong)
    prime.remember("y")
    count = prime.position
    with pytest.raises(primecore.PrimeError):
        prime.remember("z", vector=[1.0, 2.0])  # not of the space
    assert before < count == prime.position and prime.stats().nodes == 2


def test_without_a_model_words_must_do():
    with primecore.open(":memory:") as prime:
        fact = prime.remember("Alice leads auth")
        assert prime.stats().vectors == 0 and prime.recall("auth")[0].id == fact.id
        assert prime.remember("Bob", vector=[1.0, 0.0]).created and prime.stats().vectors == 1


texts = st.text(st.characters(codec="utf-8"), max_size=60) | st.text("`~\n# []ab", max_size=60)
facts = st.builds(Fact, texts, texts, st.none() | st.just("2026-01-01"), st.lists(texts, max_size=3))


@given(
    st.lists(texts, max_size=4), st.lists(facts, max_size=6), st.integers(1, 200),
    st.sampled_from([estimated_tokens, len, lambda text: len(text.split())]),
)  # fmt: skip
def test_a_block_never_takes_more_and_never_breaks_out(index, given_facts, most, count):
    block = packed(index, given_facts, 7, most, count)
    assert count(block.markdown) == block.tokens <= most if block.markdown else block.tokens == 0
    assert len(block.ids) + block.left_out == len(given_facts)
    if block.markdown:
        lines = block.markdown.split("\n")
        fence = re.fullmatch("(`{3,})text", lines[1])[1]
        assert lines[-1] == fence and not any(fence in line for line in lines[2:-1])
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", block.markdown)


def test_hostile_text_stays_on_its_line():
    assert plain("a\r\nb\x1b[2Jc\u202ed\u2028e\x00") == "a b[2Jcd e"
    assert len(plain("x" * 5000)) == 1000


def test_a_context_of_the_past_is_the_one_of_then(prime):
    prime.add_node("project", {"name": "Auth", "domain": "product"}, id="auth")
    prime.add_edge("node:person:alice", "node:project:auth", "works_on", valid_to="2025-01-01T00:00:00Z")
    prime.remember("Auth needs a review", links=[("about", "node:project:auth")])
    then, position = prime.context("who works on auth?", 400), prime.position
    prime.delete_node("node:project:auth")
    prime.update_node("node:person:alice", {"name": "Alicia"})
    prime.add_node("person", {"name": "Carol", "domain": "sales", "text": "Carol works on auth"}, id="carol")
    assert prime.at(position).context("who works on auth?", 400) == then
    assert "Carol" in str(prime.context("who works on auth?", 400)) and "Carol" not in str(then)
    late = prime.at(position, valid_at="2026-01-01T00:00:00Z").context("who works on auth?", 400)
    assert "works_on [" not in str(late) and "works_on [" in str(then)


def test_a_context_says_what_there_is_and_what_fits_best(prime):
    prime.add_node("project", {"name": "Auth ```", "domain": "product"}, id="auth")
    prime.add_edge("node:person:alice", "node:project:auth", "works_on", valid_from="2025-01-01T00:00:00Z")
    block = prime.context("who works on auth?", 300)
    text = str(block)
    assert "eng -> product: works_on 1" in text and "[node:project:auth]" in text and block.position == prime.position
    assert "Alice works_on [node:person:alice] (2025-01-01..)" in text and text.count("````") == 2
    assert block.ids[0] == "node:project:auth" and block.left_out == 0 and block.tokens == estimated_tokens(text)
    prime.delete_node("node:project:auth")
    assert "auth" not in str(prime.context("who works on auth?", 300)).lower()
    assert prime.context("alice", 3) == primecore.Context("", 0, (), 1, prime.position)
    with pytest.raises(InvalidArgument):
        prime.context("alice", 0)
    with pytest.raises(InvalidArgument, match="counts tokens"):
        prime.context("alice", 100, tokens=lambda text: "many")
