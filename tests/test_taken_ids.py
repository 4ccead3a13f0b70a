"""Event ids that are taken: all of them are known again, whatever the number of them, and none takes much memory."""

import io
import random
import uuid

import pytest

import primecore

MOST_BYTES = 12


def lines(ids):
    """One event for each id."""
    return io.BytesIO(b"".join(b'{"event_type":"a.b","entity_id":"e:1","event_id":"%b"}\n' % i.encode() for i in ids))


def some_ids(count, seed):
    """UUIDs that differ from run to run of no test."""
    dice = random.Random(seed)
    return [str(uuid.UUID(int=dice.getrandbits(128))) for _ in range(count)]


@pytest.mark.parametrize("step", [997, 40_009])
def test_ids_are_known_again_at_every_size(step):
    ids = some_ids(4 * step, step)
    with primecore.open(":memory:") as prime:
        for first in range(0, len(ids), step):
            assert prime.ingest(lines(ids[first : first + step])).appended == step
            # A little more than a quarter of those that are there, and new ones between them.
            again = random.Random(first).sample(ids[: first + step], step // 4)
            report = prime.ingest(lines(again))
            assert (report.appended, report.duplicates) == (0, len(again))
        report = prime.ingest(lines(ids))
        assert (report.appended, report.duplicates) == (0, len(ids))


def test_memory_of_an_id_is_bounded_at_every_size():
    worst = 0.0
    ids = some_ids(150_000, 3)
    with primecore.open(":memory:") as prime:
        for first in range(0, len(ids), 2_500):
            prime.ingest(lines(ids[first : first + 2_500]))
            count = first + 2_500
            if count >= 20_000:
                worst = max(worst, prime.stats().memory_bytes["dedupe"] / count)
    assert 0 < worst <= MOST_BYTES


def test_ids_of_a_checkpoint_are_known_and_make_room_for_more(tmp_path):
    ids = some_ids(30_000, 4)
    with primecore.open(tmp_path / "store") as prime:
        prime.ingest(lines(ids[:20_000]))
        prime.checkpoint()
    with primecore.open(tmp_path / "store") as prime:
        assert prime.ingest(lines(ids[:20_000])).duplicates == 20_000
        assert prime.ingest(lines(ids)).appended == 10_000
        assert prime.ingest(lines(ids)).duplicates == 30_000
