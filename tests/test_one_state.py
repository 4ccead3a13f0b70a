"""One log, many ways to read it: live, replayed, mapped back, from Parquet, backed up, exported. All give one state."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.disks import open_on
from support.generate import Generator
from support.realdata import KNOWN, real_log

import primecore
from primecore import VectorNotFound, config
from primecore.errors import PrimeError, ReembedUnfinished
from primecore.memory_storage import MemoryStorage
from primecore.segments import SegmentSizes
from primecore.service import Prime

SMALL = SegmentSizes(16384, 16384)


def open_small(path: Path, **settings: Any) -> Prime:
    return Prime(config.settings(path, checkpoint_events=0, **settings), None, None, SMALL)


def feed(prime: Any, events: list[Any]) -> None:
    for event in events:
        fields = {name: event[name] for name in ("event_id", "timestamp", "metadata") if name in event}
        try:
            prime.append(event["event_type"], event["entity_id"], event.get("payload"), **fields)
        except PrimeError:
            pass


def answers(prime: Any, entities: list[str]) -> list[Any]:
    """What searches say, by every entity that may have a vector and by some words."""
    found: list[Any] = [prime.search(word, 100) for word in ("what", "says", "a", "memo engine alice")]
    for entity in entities:
        try:
            found.append(prime.similar(id=entity, k=100))
        except VectorNotFound:
            found.append(None)
    return found


def vectors_of(prime: Any) -> list[str]:
    return sorted({event.entity_id.removeprefix("vec:") for event in prime.events() if "vec:" in event.entity_id})


# --- all ways


def assert_every_way(path: Path, room: Path, digest: str, wanted: list[Any], entities: list[str]) -> None:
    """Opens a closed store in every way there is."""

    def holds(where: Path, **settings: Any) -> Any:
        with open_small(where, **settings) as prime:
            assert prime.digest() == digest
            assert answers(prime, entities) == wanted
            assert prime.replay(verify=True).equal
            assert prime.verify().ok
            return prime.opening

    assert holds(path, read_only=True).checkpoint_position > 0
    report = primecore.backup(path, room / "backup")
    primecore.restore(room / "backup", room / "restored")
    assert report.position > 0
    holds(room / "restored")
    shutil.copytree(path, room / "replayed")
    shutil.rmtree(room / "replayed" / "checkpoints")
    assert holds(room / "replayed", read_only=True).checkpoint_position == 0
    with open_small(path, read_only=True) as prime:
        prime.export(str(room / "log.jsonl"))
        prime.replay(into=room / "copied")
    with open_small(room / "imported") as prime:
        prime.import_from(str(room / "log.jsonl"))
        assert prime.digest() == digest and answers(prime, entities) == wanted
    holds(room / "copied")
    assert primecore.verify(path).ok


@pytest.mark.parametrize("seed", range(3))
def test_random_sequences_are_one_state_in_every_way(seed: int, tmp_path: Path) -> None:
    rng, generator = random.Random(seed), Generator(seed)
    for _ in range(4):
        with open_small(tmp_path / "s") as prime:
            feed(prime, generator.events(120))
            prime.add_node("memo", {"name": "Alice", "text": f"a memo on engine {rng.random()}"})
            prime.flush()
            if rng.random() < 0.8:
                prime.compact(codec=rng.choice(("zstd", "snappy")))
            prime.checkpoint()
            feed(prime, generator.events(rng.choice((0, 7))))
            digest, entities = prime.digest(), vectors_of(prime)
            wanted = answers(prime, entities)
            assert prime.replay(verify=True).equal
    assert entities
    assert_every_way(tmp_path / "s", tmp_path, digest, wanted, entities)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_real_log_is_one_state_in_every_way(name: str, tmp_path: Path) -> None:
    with open_small(tmp_path / "s") as prime:
        prime.ingest(str(real_log(name)))
        # Some vectors of what the log holds, by the built-in model.
        for node in prime.nodes(limit=40):
            prime.embed(node.id, text=str(node.properties))
        prime.flush()
        before = [prime.replay(to=at).digest for at in (1, prime.position // 2, prime.position)]
        prime.compact()
        assert [prime.replay(to=at).digest for at in (1, prime.position // 2, prime.position)] == before
        prime.checkpoint()
        digest, entities = prime.digest(), vectors_of(prime)
        wanted = answers(prime, entities[:10])
    assert_every_way(tmp_path / "s", tmp_path, digest, wanted, entities[:10])


@pytest.mark.parametrize("seed", range(2))
def test_the_past_says_the_same_before_and_after_compaction(seed: int, tmp_path: Path) -> None:
    rng, generator = random.Random(seed), Generator(seed)
    with open_small(tmp_path / "s") as prime:
        feed(prime, generator.events(300))
        prime.flush()
        entities = vectors_of(prime)
        points = sorted(rng.sample(range(prime.position + 1), 12))
        times = [event.timestamp for event in prime.events() if rng.random() < 0.02]

        def past() -> list[Any]:
            found = []
            for point in [*points, *times]:
                view = prime.at(point)
                found.append((answers(view, entities), view.nodes(), view.edges(), view.stats().vectors))
            return found

        before = past()
        assert prime.compact().segments
        assert past() == before
        prime.checkpoint()
    with open_small(tmp_path / "s", read_only=True) as prime:
        assert prime.opening.replayed == 0
        assert past() == before


# --- vectors in a checkpoint


def fill_vectors(prime: Any, count: int, rng: random.Random, dimensions: int = 8) -> dict[str, list[float]]:
    numbers = {}
    for _ in range(count):
        name = f"memo:{rng.randrange(count)}"
        if rng.random() < 0.2 and name in numbers:
            prime.delete_vector(name)
            del numbers[name]
        else:
            numbers[name] = [rng.uniform(-1, 1) for _ in range(dimensions)]
            prime.embed(name, numbers[name], text=f"memo {name}", metadata={"n": rng.randrange(3)})
    return numbers


def test_rows_that_were_given_back_are_used_again_after_opening() -> None:
    storage, rng = MemoryStorage(), random.Random(3)
    for _ in range(4):
        with open_on(storage) as prime:
            fill_vectors(prime, 150, rng)
            asked = [rng.uniform(-1, 1) for _ in range(8)]
            wanted = prime.similar(asked, 20), prime.similar(asked, 20, metadata={"n": 1})
            prime.checkpoint()
        with open_on(storage) as prime:
            assert prime.opening.replayed == 0
            assert (prime.similar(asked, 20), prime.similar(asked, 20, metadata={"n": 1})) == wanted
            rows = prime._engine.views.graph.vectors.current.count
            fill_vectors(prime, 100, rng)
            assert prime._engine.views.graph.vectors.current.count < rows + 100, "dead rows are taken first"
            assert prime.replay(verify=True).equal
            prime.checkpoint()


def test_the_index_of_a_large_space_is_built_anew() -> None:
    storage, rng = MemoryStorage(), random.Random(4)
    with open_on(storage, exact_vectors=100) as prime:
        fill_vectors(prime, 600, rng)
        asked = [rng.uniform(-1, 1) for _ in range(8)]
        wanted = prime.similar(asked, 10, metadata={"n": 2}), prime.similar(asked, 1000)
        digest = prime.digest()
        prime.checkpoint()
    with open_on(storage, exact_vectors=100) as prime:
        follower = prime._engine.views.vectors.follower
        assert prime.opening.replayed == 0 and prime.digest() == digest and follower.size == 0
        assert (prime.similar(asked, 10, metadata={"n": 2}), prime.similar(asked, 1000)) == wanted
        first = prime.similar(asked, 5)
        while not follower.is_current:
            pass
        assert prime.similar(asked, 5) == first == wanted[1][:5]
        prime.embed("memo:near", asked)
        assert prime.similar(asked, 1)[0].id == "memo:near"


def test_texts_that_wait_for_another_model_wait_after_opening_too() -> None:
    storage = MemoryStorage()
    with open_on(storage) as prime:
        for number in range(20):
            prime.embed(f"memo:{number}", text=f"memo {number} of alice")
        for dimensions in (4, 5):  # broken off twice
            prime.append(
                "prime.space.defined", "space:default", {"dimensions": dimensions, "model": "m", "reembed": True}
            )
            prime.embed(f"memo:{dimensions}", [1.0] * dimensions)
        assert prime._engine.views.vectors.awaiting == 18
        digest, found = prime.digest(), prime.search("alice", 100)
        prime.checkpoint()
    with open_on(storage) as prime:
        assert prime.opening.replayed == 0 and prime.digest() == digest
        assert prime._engine.views.vectors.awaiting == 18
        assert prime.search("alice", 100) == found and prime.replay(verify=True).equal
        with pytest.raises(ReembedUnfinished):
            prime.similar("alice")
        assert prime.reembed("hashing", drop=True).embedded == 18
        assert len(prime.similar("alice", 100)) == 18
        assert prime.replay(verify=True).equal


def test_models_of_then_embed_texts_of_then(tmp_path: Path) -> None:
    with open_small(tmp_path / "s") as prime:
        prime.embed("memo:1", text="who works on the login project")
        prime.embed("memo:2", text="the weather was fine")
        before = prime.position
        wanted = prime.similar("login project", k=2)

        class Other:
            name, dimensions = "other", 3

            def __call__(self, texts: list[str]) -> list[list[float]]:
                return [[1.0, float(len(text)), 1.0] for text in texts]

        prime.reembed(Other())
        prime.delete_vector("memo:1")
        assert [hit.id for hit in prime.similar("login project")] == ["memo:2"]
        assert prime.at(before).similar("login project", k=2) == wanted
        assert prime.at(before).similar(id="memo:2", k=2)[0].id == "memo:1"
        assert [hit.id for hit in prime.at(prime.position).similar("login project")] == ["memo:2"]
        assert prime.at(0).similar("login project") == [] and prime.at(0).search("login") == []
