"""What log.py does to a Wal: hand it segments, rotate, start and stop its threads, wait. Opens no file, knows no path.

All of it runs with the GIL but for the waits; what only the writer may call says so.
"""

from libc.errno cimport ETIMEDOUT
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

import os

from primecore._format cimport HEADER_BYTES, RECORD_BYTES, record_t
from primecore._live cimport Live
from primecore._mapping cimport Mapping
from primecore._record cimport record_length, record_reseed
from primecore._segment cimport Segment, segment_chain, segment_note, segment_t
from primecore._sync cimport (JOB_PREPARE, JOB_SEAL, JOB_STOP, pthread_mutex_t, sync_ask, sync_next_job, sync_pass_on,
                              sync_poison, sync_start, sync_stop, sync_t, sync_wait)
from primecore._wal cimport MAX_SEGMENTS, WAL_CLOSED, WAL_OK, WAL_READ_ONLY, Wal

cdef extern from "<pthread.h>" nogil:
    int pthread_mutex_lock(pthread_mutex_t*)
    int pthread_mutex_unlock(pthread_mutex_t*)

cdef extern from "atomics.h" nogil:
    int64_t load_acquire_i64(const int64_t*)
    void store_release_u32(uint32_t*, uint32_t)
    void store_release_u64(uint64_t*, uint64_t)

cdef extern from "threads.h" nogil:
    int64_t monotonic_us()


cdef void move_batch(Wal wal, segment_t* target) noexcept nogil:
    # An open batch goes along to a new segment: it must lie in one.
    cdef segment_t* source = wal.active
    cdef uint64_t nbytes = wal.tail - wal.batch_offset, offset = wal.batch_offset
    cdef char* at = target.mapping.data + target.tail
    cdef char* end = at + nbytes
    memcpy(at, source.mapping.data + offset, nbytes)
    while at < end:
        record_reseed(at, record_length(at), target.crc_seed)
        segment_note(target, (<record_t*>at).position - target.base_position, at - target.mapping.data)
        at += record_length(at)
    memset(source.mapping.data + offset, 0, nbytes)


def adopt(Wal wal not None, list segments not None, *, bint writable, bint in_memory=False, int64_t last_time_us=0,
          uint64_t durable_position=0) -> None:
    """Take over walked segments, oldest first; with `writable`, the last one takes appends from now on."""
    cdef Segment segment
    for segment in segments:
        wal.segments[wal.segment_count] = &segment.c_segment
        wal.kept.append(segment)
        wal.segment_count += 1
    wal.in_memory = in_memory
    if segments:
        segment = segments[len(segments) - 1]
        wal.last_position = segment.last_position
        wal.committed_position = segment.last_position
    wal.durable_position = wal.last_position if in_memory else durable_position
    wal.last_time_us = last_time_us
    if writable:
        wal.use(&segment.c_segment)
        wal.sync.first_unsynced = wal.segment_count - 1
    wal.state = WAL_OK if writable else WAL_READ_ONLY


def publish(Wal wal not None, Live live not None) -> None:
    """Tell readers in other processes from now on how far the log goes. Before appends and the sync thread begin."""
    wal.kept.append(live)
    wal.live = wal.sync.live = &live.mapping.c_mapping


def extend(Wal wal not None, Segment segment not None) -> None:
    """A follower's next segment, just walked."""
    wal.segments[wal.segment_count] = &segment.c_segment
    wal.kept.append(segment)
    store_release_u32(&wal.segment_count, wal.segment_count + 1)


def follow(Wal wal not None, uint64_t last_position, uint64_t durable_position) -> None:
    """Let a follower's readers see the events up to `last_position`, which were walked before."""
    wal.durable_position = durable_position
    store_release_u64(&wal.last_position, last_position)
    store_release_u64(&wal.committed_position, last_position)


def finish_active(Wal wal not None) -> tuple[int, bytes]:
    """Where the committed part of the active segment ends, and its chain there. The writer only."""
    cdef segment_t* segment = wal.active
    with nogil:
        pthread_mutex_lock(&wal.sync.chain_lock)
        segment_chain(segment, segment.tail)
        pthread_mutex_unlock(&wal.sync.chain_lock)
    return segment.tail, bytes(segment.chain[:16])


def rotate(Wal wal not None, Segment segment not None) -> None:
    """Take an empty segment that follows the active one, moving an open batch into it. The writer only."""
    cdef segment_t* target = &segment.c_segment
    cdef uint64_t batch_bytes = 0
    if target.base_position != wal.committed_position + 1 or wal.segment_count >= MAX_SEGMENTS:
        raise ValueError(f"a segment from {target.base_position} cannot follow {wal.committed_position}")
    if wal.batch_offset:
        batch_bytes = wal.tail - wal.batch_offset
        move_batch(wal, target)
    wal.segments[wal.segment_count] = target
    wal.kept.append(segment)
    store_release_u64(&wal.sync.directory_wanted, wal.sync.directory_wanted + 1)
    store_release_u32(&wal.segment_count, wal.segment_count + 1)
    wal.use(target)
    if wal.batch_offset:
        wal.batch_offset = wal.tail
        wal.tail += batch_bytes


def settle(Wal wal not None, Segment segment not None) -> None:
    """Let a segment that was rotated away be a mapping of its file, if it was not. Raises OSError."""
    with nogil:
        pthread_mutex_lock(&wal.sync.chain_lock)
    try:
        segment.mapping.settle()
    finally:
        pthread_mutex_unlock(&wal.sync.chain_lock)


def bytes_needed(Wal wal not None, uint64_t nbytes) -> int:
    """Size of the smallest segment that holds the open batch, `nbytes` more and what belongs to them."""
    return HEADER_BYTES + (wal.tail - wal.batch_offset if wal.batch_offset else 0) + nbytes + 2 * RECORD_BYTES


def has_room(Wal wal not None, uint64_t nbytes) -> bool:
    """Whether a record of `nbytes` fits the active segment."""
    return wal.tail + nbytes + RECORD_BYTES <= wal.active.mapping.bytes


def start_sync(Wal wal not None, int mode, int64_t interval_us, Mapping directory not None) -> None:
    """Start the sync thread (mode 0 interval, 1 always, 2 never). Raises OSError."""
    cdef sync_t* sync = &wal.sync
    cdef int error
    sync.mode = mode
    sync.interval_us = interval_us
    sync.directory = &directory.c_mapping
    wal.kept.append(directory)
    error = sync_start(sync)
    if error:
        raise OSError(error, os.strerror(error))


def wait(Wal wal not None, uint64_t position, int64_t timeout_us) -> int:
    """Wait until `position` is durable. 0: it is; 1: the time is over; else minus the errno that poisoned the log."""
    cdef int result
    with nogil:
        result = sync_wait(&wal.sync, position, timeout_us)
    sync_pass_on(&wal.sync)
    return 1 if result == ETIMEDOUT else -result


def next_job(Wal wal not None, int64_t timeout_us) -> str:
    """For the helper thread: wait for "prepare", "seal" or "stop"; "" when the time is over."""
    cdef int job
    with nogil:
        job = sync_next_job(&wal.sync, timeout_us)
    return {JOB_PREPARE: "prepare", JOB_SEAL: "seal", JOB_STOP: "stop"}.get(job, "")


def ask_to_seal(Wal wal not None) -> None:
    """Let the helper thread look for sealed segments to list."""
    sync_ask(&wal.sync, JOB_SEAL)


def poison(Wal wal not None, int error) -> None:
    """Let no further append through."""
    sync_poison(&wal.sync, error)


def take_write_failure(Wal wal not None) -> bool:
    """Whether the append that fails now is the one whose write failed: its event may be in the log. True only once."""
    cdef bint failed = wal.write_failed
    wal.write_failed = False
    return failed


def stop(Wal wal not None) -> None:
    """End the sync thread and all waits, and refuse appends from now on. Reading goes on."""
    if wal.is_forked():
        return
    wal.state = WAL_CLOSED
    with nogil:
        sync_stop(&wal.sync)


def sync_times_us(Wal wal not None) -> tuple[int, int, int]:
    """Age of the oldest unsynced event now, the worst age seen, and the number of syncs."""
    cdef int64_t since, age, worst
    cdef uint64_t syncs
    with nogil:
        pthread_mutex_lock(&wal.sync.lock)      # never held while the disk works
        since = wal.sync.syncing_since_us or load_acquire_i64(&wal.sync.unsynced_since_us)
        worst, syncs = wal.sync.worst_unsynced_us, wal.sync.sync_count
        pthread_mutex_unlock(&wal.sync.lock)
    age = monotonic_us() - since if since else 0
    return age, max(age, worst), syncs
