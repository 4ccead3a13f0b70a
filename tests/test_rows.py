"""Result rows that are used again, and those that a user makes: nothing may leak, leave early or come back."""

import gc
import random
import sys
import weakref

import primecore
from primecore.model import Neighbor


def joined(prime, count=300):
    """A node with neighbours of every kind of id: short, UUID, long, not ASCII."""
    hub = prime.add_node("person", {}, id="hub")
    random.seed(count)
    for n in range(count):
        name = random.choice([f"p{n}", f"größe-{n}", "x" * 60 + str(n), f"{n:032x}", "日本" + str(n), ""]) or f"e{n}"
        peer = prime.add_node(random.choice(["person", "tëam", "t"]), {}, id=name)
        weight = random.choice([None, 0.5])
        edge = random.choice([None, f"e{n}", f"kante-ä{n}"])
        prime.add_edge(*random.choice([(hub, peer), (peer, hub)]), "knows", weight=weight, id=edge)
    return hub


def test_rows_dropped_and_made_again_hold_what_they_should():
    with primecore.open(":memory:") as prime:
        hub = joined(prime)
        first = [tuple(it) for it in prime.neighbors(hub)]
        assert len(first) == 300
        for _ in range(50):
            kept = list(prime.neighbors(hub))
            assert [tuple(it) for it in kept] == first
            random.shuffle(kept)
            held = kept[: random.randrange(len(kept))]
            before = [tuple(it) for it in held]
            del kept
            list(prime.neighbors(hub))
            assert [tuple(it) for it in held] == before
        node = first[0][0]
        assert prime.edge(first[0][1]) is not None
        assert prime.node(node).id == node


def test_ids_are_spelled_as_they_were_given():
    with primecore.open(":memory:") as prime:
        ids = ["a", "é", "abc", "abcd", "abçd", "abcdefg", "abcdefgh", "abcdefghi", "x" * 18, "x" * 17 + "é", "x" * 19]
        ids += ["0192f0c1-2345-7890-abcd-ef0123456789", "0192F0C1-2345-7890-ABCD-EF0123456789", "€" * 6, "a:b:c"]
        ids += ["é" * 300]
        for type in ("t", "typ", "größe", "a" * 250, "a" * 300):
            for id in ids:
                assert prime.add_node(type, {}, id=id) == f"node:{type}:{id}"
                assert prime.node(f"node:{type}:{id}").id == f"node:{type}:{id}"
                prime.add_edge(f"node:{type}:{id}", f"node:{type}:{id}", "self", id=type + id)
                (entry,) = prime.neighbors(f"node:{type}:{id}")
                assert (entry.peer, entry.edge_id) == (f"node:{type}:{id}", f"edge:{type}{id}")


def test_the_class_neither_gains_nor_loses_references():
    with primecore.open(":memory:") as prime:
        hub = joined(prime, 20)
        list(prime.neighbors(hub))
        before = sys.getrefcount(Neighbor)
        for _ in range(2000):
            list(prime.neighbors(hub))
            Neighbor("a", "b", "c", "out", 1.0)
        assert abs(sys.getrefcount(Neighbor) - before) <= 20
        some = list(prime.neighbors(hub))
        assert sys.getrefcount(Neighbor) <= before + len(some)


class Watched:
    """What can be watched going."""


def test_what_a_user_puts_into_a_row_goes_when_the_row_does():
    for make in (Neighbor, type("Sub", (Neighbor,), {})):
        thing = Watched()
        gone = weakref.ref(thing)
        row = make(thing, "b", "c", "out", 1.0)
        del thing
        assert gone() is not None
        del row
        assert gone() is None


def test_a_ring_of_rows_is_collected():
    thing = Watched()
    gone = weakref.ref(thing)
    thing.row = Neighbor([thing], "b", "c", "out", 1.0)
    del thing
    gc.collect()
    assert gone() is None


def test_rows_within_rows_beyond_any_stack():
    row = None
    for _ in range(200_000):
        row = Neighbor(row, "b", "c", "out", 1.0)
    del row


def test_a_subclass_may_hold_more():
    class Sub(Neighbor):
        def __init__(self, *args):
            self.more = Watched()

    rows = [Sub(str(n), "b", "c", "out", 1.0) for n in range(1000)]
    gone = weakref.ref(rows[0].more)
    del rows
    assert gone() is None
    assert Neighbor("a", "b", "c", "out", 1.0) == ("a", "b", "c", "out", 1.0)


def test_a_row_that_cannot_be_made_whole_leaves_nothing_behind():
    try:
        Neighbor("a", "b")
    except TypeError:
        pass
    short = tuple.__new__(Neighbor, ("a", "b"))
    assert tuple(short) == ("a", "b")
    del short
    long = tuple.__new__(Neighbor, range(9))
    assert len(long) == 9
    del long
    assert Neighbor("a", "b", "c", "in", 2.0).weight == 2.0
