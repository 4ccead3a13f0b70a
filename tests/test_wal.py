"""The log against a plain list: appends, batches, rotation, reopening, in memory and in files, mapped and written."""

import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wal_kit import SMALL, append, append_batch, contents, event, expected

from primecore import _wal_door as door
from primecore.log import Log
from primecore.memory_storage import MemoryStorage


def open_log(where, **options):
    path, storage, backend = where
    return Log.open(path, storage=storage, backend=backend, segment_sizes=SMALL, **options)


@pytest.fixture(params=["memory", "simulated", "mapping", "pwrite"])
def where(request, tmp_path):
    if request.param == "memory":
        return None, None, "auto"
    if request.param == "simulated":
        return "/store", MemoryStorage(), "auto"
    return tmp_path / "store", None, request.param


@pytest.mark.parametrize("seed", range(6))
def test_model(where, seed):
    rng = random.Random(seed)
    model = []
    log = open_log(where)
    for _ in range(250):
        action = rng.random()
        if action < 0.6:
            fields = event(rng)
            append(log, fields)
            model.append(expected(fields))
        elif action < 0.9:
            many = [event(rng) for _ in range(rng.choice([0, 1, 2, 20]))]
            commit = rng.random() < 0.7
            append_batch(log, many, commit=commit)
            model.extend(expected(fields) for fields in many if commit)
        elif action < 0.95 and log.path:
            log.close()
            log = open_log(where)
            assert log.recovery is None
        else:
            assert log.flush() == len(model)
        assert log.wal.last_position == log.wal.committed_position == len(model)
    assert contents(log) == model
    first = rng.randrange(1, len(model) + 1)
    assert [one["position"] for one in door.scan_events(log.wal, first, 7)] == list(
        range(first, min(first + 7, len(model) + 1))
    )
    log.close()
    if log.path:
        assert log.stats().segments > 1
        with open_log(where) as again, open_log(where, read_only=True) as reader:
            assert contents(again) == contents(reader) == model
            assert again.recovery is None and reader.recovery is None
            assert again.wal.durable_position == len(model)


def test_a_record_larger_than_any_segment_gets_one_of_its_own(where):
    with open_log(where) as log:
        big = {"entity_id": "e", "event_type": "t", "payload": b"p" * (2 << 20)}
        append(log, big)
        append(log, {"entity_id": "e", "event_type": "t"})
        append_batch(log, [{"entity_id": "b", "event_type": "t", "payload": bytes([n]) * 9000} for n in range(40)])
        append(log, big)
        held = contents(log)
        assert len(held) == 43 and held[0][2] == big["payload"]
    if log.path:
        with open_log(where) as log:
            assert contents(log) == held


def test_a_batch_moves_whole_to_a_new_segment(where):
    with open_log(where) as log:
        append(log, {"entity_id": "first", "event_type": "t"})
        many = [{"entity_id": str(n), "event_type": "t", "payload": b"x" * 1000} for n in range(30)]
        append_batch(log, many)
        assert [segment.event_count for segment in log.wal.segment_list][-1] == 30
        append_batch(log, many, commit=False)
        append(log, {"entity_id": "last", "event_type": "t"})
        assert [one[1] for one in contents(log)] == ["first", *map(str, range(30)), "last"]


def test_limits_and_wrong_positions_are_refused(where):
    with open_log(where) as log:
        good = {"entity_id": "e", "event_type": "t"}
        for wrong in (
            {"entity_id": ""},
            {"entity_id": "e" * 1025},
            {"event_type": ""},
            {"event_type": "t" * 129},
            {"metadata": bytes((1 << 20) + 1)},
            {"payload": bytes((16 << 20) + 1)},
            {"position": 2},
            {"position": 0},
        ):
            assert door.append_event(log.wal, good | wrong) == "misuse", wrong.keys()
        assert door.append_event(log.wal, {"entity_id": "e" * 1024, "event_type": "t" * 128}) == "ok"
        assert door.append_event(log.wal, {"entity_id": "e", "event_type": "t", "position": 1}) == "misuse"
        assert log.wal.last_position == 1


def test_batches_are_begun_and_ended_in_order(where):
    with open_log(where) as log:
        assert door.commit_batch(log.wal) == "misuse"
        assert door.abort_batch(log.wal) == "misuse"
        assert door.begin_batch(log.wal) == "ok"
        assert door.begin_batch(log.wal) == "misuse"
        assert door.commit_batch(log.wal) == "ok"
        assert log.wal.last_position == 0
        assert door.begin_batch(log.wal) == "ok"
        append(log, {"entity_id": "e", "event_type": "t", "assigned_time_us": 77})
        assert (log.wal.last_position, log.wal.committed_position, log.wal.last_time_us) == (1, 0, 77)
        assert door.read_event(log.wal, 1)["entity_id"] == "e"
        assert door.scan_events(log.wal) == []
        assert door.abort_batch(log.wal) == "ok"
        assert (log.wal.last_position, log.wal.last_time_us) == (0, 0)
        assert door.read_event(log.wal, 1) is None


def test_assigned_times_are_remembered_and_given_ones_are_not(where):
    with open_log(where) as log:
        append(log, {"entity_id": "e", "event_type": "t", "assigned_time_us": 1000})
        append(log, {"entity_id": "e", "event_type": "t", "time_us": 9000})
        append(log, {"entity_id": "e", "event_type": "t", "assigned_time_us": 500})
        assert log.wal.last_time_us == 1000
    if log.path:
        with open_log(where) as log:
            assert log.wal.last_time_us == 1000


def test_reading_absent_positions(where):
    with open_log(where) as log:
        assert door.read_event(log.wal, 0) is None
        assert door.read_event(log.wal, 1) is None
        assert door.scan_events(log.wal, 0) == []
        append(log, {"entity_id": "e", "event_type": "t"})
        for position in (0, 2, 2**40, 2**64 - 1):
            assert door.read_event(log.wal, position) is None
            assert door.scan_events(log.wal, position) == []


def test_nonces_differ_from_record_to_record():
    with Log.open(None) as log:
        for _ in range(2000):
            append(log, {"entity_id": "e", "event_type": "t"})
        data = bytes(memoryview(log.wal.segment_list[0].mapping))
        nonces = {data[offset + 40 : offset + 56] for offset in range(4096, 4096 + 2000 * 88, 88)}
        assert len(nonces) == 2000
        assert all(nonce[8:] == bytes(8) != nonce[:8] for nonce in nonces)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3000), st.booleans(), st.booleans()), max_size=60), st.randoms())
def test_any_order_of_sizes_batches_and_aborts(steps, rng):
    storage, model = MemoryStorage(), []
    log = Log.open("/s", storage=storage, segment_sizes=SMALL)
    for size, batched, commit in steps:
        fields = event(rng, biggest=size + 1)
        if batched:
            append_batch(log, [fields, fields], commit=commit)
            model += [expected(fields)] * 2 if commit else []
        else:
            append(log, fields)
            model.append(expected(fields))
    assert contents(log) == model
    log.close()
    with Log.open("/s", storage=storage, segment_sizes=SMALL) as log:
        assert contents(log) == model and log.recovery is None


def test_readers_beside_a_writer_see_whole_events(tmp_path):
    """Readers in other threads, for positions that were published, while segments rotate under them."""
    log = Log.open(tmp_path / "store", segment_sizes=SMALL)
    done, wrong = threading.Event(), []

    def read():
        rng = random.Random(threading.get_ident())
        while not done.is_set():
            last = log.wal.committed_position
            if not last:
                continue
            position = rng.randrange(1, last + 1)
            one = door.read_event(log.wal, position)
            if one is None or one["entity_id"] != str(position) or one["payload"] != b"p" * (position % 500):
                wrong.append((position, one))
            many = door.scan_events(log.wal, position, 100)
            if [one["position"] for one in many] != list(range(position, position + len(many))):
                wrong.append(position)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for thread in readers:
        thread.start()
    for position in range(1, 6000):
        append(log, {"entity_id": str(position), "event_type": "t", "payload": b"p" * (position % 500)})
    done.set()
    for thread in readers:
        thread.join()
    log.close()
    assert not wrong
