"""Filters of search, similar and recall beside a naive telling, through adds, updates and deletes; then and now."""

from __future__ import annotations

import random

import pytest
from support.asking import WORDS, World

import primecore
from primecore import Prime

MOST = 1000


def ids(hits: list[primecore.Hit]) -> list[str]:
    return [hit.id for hit in hits]


def check(prime: Prime, world: World, chance: random.Random, rounds: int) -> int:
    everything = set(world.nodes) | set(world.vectors)
    count = 0
    for _ in range(rounds):
        word, k = chance.choice(WORDS), chance.choice((1, 3))
        numbers = [float(chance.randint(1, 9)) for _ in range(3)]
        said = {id for id in everything if word in world.words_of(id)}

        filters = world.filters("search")
        expected = {id for id in said if world.fits(id, filters)}
        found = prime.search(word, MOST, **filters)
        assert set(ids(found)) == expected, ("search", word, filters)
        assert ids(prime.search(word, k, **filters)) == ids(found)[:k]
        count += len(found)

        filters = world.filters("similar")
        expected = {id for id in world.vectors if world.fits(id, filters)}
        found = prime.similar(vector=numbers, k=MOST, **filters)
        assert set(ids(found)) == expected, ("similar", filters)
        assert ids(prime.similar(vector=numbers, k=k, **filters)) == ids(found)[:k]
        count += len(found)

        filters = world.filters("recall")
        fitting = {id for id in everything if world.fits(id, filters)}
        for question, expected in (
            ({"query": word}, said), ({"vector": numbers}, set(world.vectors)),
            ({"query": word, "vector": numbers}, said | set(world.vectors)),
        ):  # fmt: skip
            found = prime.recall(**question, k=MOST, depth=0, floor=0.0, **filters)
            assert set(ids(found)) == expected & fitting, ("recall", question, filters)
            assert ids(prime.recall(**question, k=k, depth=0, floor=0.0, **filters)) == ids(found)[:k]
            by_edges = prime.recall(**question, k=MOST, depth=2, floor=0.0, **filters)
            assert set(ids(found)) <= set(ids(by_edges)) <= fitting
            count += len(found)
    return count


@pytest.mark.parametrize("seed", range(4))
def test_filters_keep_what_a_naive_telling_keeps(tmp_path, seed):
    chance = random.Random(seed)
    past = []
    with primecore.open(tmp_path / "store", exact_vectors=1 if seed % 2 else 10**9) as prime:
        world = World(prime, seed)
        found = 0
        for at in range(120):
            world.step()
            if len(world.nodes) > 1 and at % 5 == 0:
                a, b = chance.sample(sorted(world.nodes), 2)
                prime.add_edge(a, b, "about")
            if at % 10 == 9:
                found += check(prime, world, chance, 6)
            if at in (40, 80):
                then = World(prime, seed)
                then.nodes, then.vectors = dict(world.nodes), dict(world.vectors)
                past.append((prime.position, then))
        assert found > 300  # it is no test of empty answers
        for position, then in past:
            assert check(prime.at(position), then, chance, 12)
        prime.checkpoint()
        prime.compact()
    with primecore.open(tmp_path / "store", read_only=True) as prime:
        assert check(prime, world, chance, 12)
        for position, then in past:
            assert check(prime.at(position), then, chance, 6)
