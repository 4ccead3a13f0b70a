"""The thread that brings the log to stable storage, and those who wait for it. Takes the GIL never; knows no record.

One sync covers all that was appended before it began. The thread sleeps until something is unsynced, then until the
interval is over or someone waits; whoever comes while a sync runs shares the next one. Who waits alone does not wake the
thread but syncs himself: handing the work over and back costs a third of a sync on a fast disk.
"""

from libc.errno cimport ETIMEDOUT
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from primecore._live cimport live_durable
from primecore._mapping cimport mapping_let_go, mapping_sync, mapping_taken
from primecore._segment cimport segment_chain, segment_promise, segment_t

cdef extern from "<pthread.h>" nogil:
    int pthread_mutex_init(pthread_mutex_t*, void*)
    int pthread_mutex_destroy(pthread_mutex_t*)
    int pthread_mutex_lock(pthread_mutex_t*)
    int pthread_mutex_unlock(pthread_mutex_t*)
    int pthread_cond_destroy(pthread_cond_t*)
    int pthread_cond_signal(pthread_cond_t*)
    int pthread_cond_broadcast(pthread_cond_t*)
    int pthread_cond_wait(pthread_cond_t*, pthread_mutex_t*)
    int pthread_join(pthread_t, void**)

cdef extern from "threads.h" nogil:
    int64_t monotonic_us()
    int condition_init(pthread_cond_t*)
    int condition_wait_until(pthread_cond_t*, pthread_mutex_t*, int64_t)
    int thread_start(pthread_t*, void* (*)(void*) noexcept nogil, void*)
    int gate_init(gate_t*)
    void gate_destroy(gate_t*)
    int gate_wait(gate_t*, uint32_t, int64_t)
    void gate_open(gate_t*, int)
    void gate_wake(gate_t*, int)
    int EVERYBODY "INT_MAX"

cdef extern from "atomics.h" nogil:
    int load_acquire_int(const int*)
    int64_t load_acquire_i64(const int64_t*)
    uint32_t load_acquire_u32(const uint32_t*)
    uint64_t load_acquire_u64(const uint64_t*)
    void store_release_int(int*, int)
    void store_release_u32(uint32_t*, uint32_t)
    void store_release_i64(int64_t*, int64_t)
    void store_release_u64(uint64_t*, uint64_t)
    int64_t exchange_i64(int64_t*, int64_t)
    int add_int(int*, int)


cdef enum:
    PROMISE_DELAY_US = 1000000          # a promise dirties one more page: not after every sync
    CHAINS = 2                          # waiters that a sync wakes itself; each wakes one more (sync_pass_on)


cdef int sync_init(sync_t* sync) noexcept nogil:
    cdef int error
    memset(sync, 0, sizeof(sync_t))
    error = pthread_mutex_init(&sync.lock, NULL) or pthread_mutex_init(&sync.chain_lock, NULL)
    error = error or condition_init(&sync.wake) or condition_init(&sync.idle) or condition_init(&sync.work)
    return error or gate_init(&sync.covered[0]) or gate_init(&sync.covered[1])


cdef void sync_destroy(sync_t* sync) noexcept nogil:
    pthread_cond_destroy(&sync.work)
    gate_destroy(&sync.covered[1])
    gate_destroy(&sync.covered[0])
    pthread_cond_destroy(&sync.idle)
    pthread_cond_destroy(&sync.wake)
    pthread_mutex_destroy(&sync.chain_lock)
    pthread_mutex_destroy(&sync.lock)


cdef int sync_start(sync_t* sync) noexcept nogil:
    cdef int error
    sync.stopping = 0
    error = thread_start(&sync.thread, sync_body, sync)
    sync.running = error == 0
    return error


cdef void sync_stop(sync_t* sync) noexcept nogil:
    pthread_mutex_lock(&sync.lock)
    sync.stopping = 1
    pthread_cond_broadcast(&sync.wake)
    pthread_cond_broadcast(&sync.work)
    open_both(sync)
    while sync.syncing:                     # a waiter's; the thread ends by itself
        pthread_cond_wait(&sync.idle, &sync.lock)
    pthread_mutex_unlock(&sync.lock)
    if sync.running:
        pthread_join(sync.thread, NULL)
        sync.running = 0


cdef inline void open_both(sync_t* sync) noexcept nogil:
    gate_open(&sync.covered[0], EVERYBODY)
    gate_open(&sync.covered[1], EVERYBODY)


cdef inline void poison_locked(sync_t* sync, int error) noexcept nogil:
    if not sync.error:
        sync.error = error
        store_release_int(sync.wal_state, sync.poisoned_state)
    open_both(sync)
    pthread_cond_broadcast(&sync.work)


cdef void sync_poison(sync_t* sync, int error) noexcept nogil:
    pthread_mutex_lock(&sync.lock)
    poison_locked(sync, error)
    pthread_mutex_unlock(&sync.lock)


cdef void sync_first_append(sync_t* sync) noexcept nogil:
    # Under the lock, so that the thread cannot fall asleep between its look at the field and its wait.
    cdef int64_t now_us
    pthread_mutex_lock(&sync.lock)
    now_us = monotonic_us()
    store_release_i64(&sync.unsynced_since_us, now_us)
    if sync.mode != SYNC_NEVER and not 0 < sync.awake_at_us <= now_us + sync.interval_us:
        pthread_cond_signal(&sync.wake)     # else it looks soon enough by itself: waking it costs more than the append
    pthread_mutex_unlock(&sync.lock)


cdef void sync_ask(sync_t* sync, int job) noexcept nogil:
    pthread_mutex_lock(&sync.lock)
    if job == JOB_PREPARE:
        sync.prepare_wanted = 1
    else:
        sync.seal_wanted = 1
    pthread_cond_broadcast(&sync.work)
    pthread_mutex_unlock(&sync.lock)


cdef int sync_next_job(sync_t* sync, int64_t timeout_us) noexcept nogil:
    cdef int job = JOB_NONE
    cdef int64_t deadline_us = monotonic_us() + timeout_us if timeout_us >= 0 else 0
    pthread_mutex_lock(&sync.lock)
    while job == JOB_NONE:
        if sync.stopping:
            job = JOB_STOP
        elif sync.prepare_wanted:
            sync.prepare_wanted = 0
            job = JOB_PREPARE
        elif sync.seal_wanted:
            sync.seal_wanted = 0
            job = JOB_SEAL
        elif condition_wait_until(&sync.work, &sync.lock, deadline_us):
            break
    pthread_mutex_unlock(&sync.lock)
    return job


cdef int sync_wait(sync_t* sync, uint64_t position, int64_t timeout_us) noexcept nogil:
    cdef int result = -1
    cdef int late = 0
    cdef int64_t deadline_us = monotonic_us() + timeout_us if timeout_us >= 0 else 0
    cdef gate_t* gate
    cdef uint64_t number
    cdef uint32_t seen
    pthread_mutex_lock(&sync.lock)
    add_int(&sync.waiters, 1)
    while result < 0:
        if load_acquire_u64(sync.durable_position) >= position:
            result = 0
        elif sync.error or sync.stopping:
            result = sync.error or ETIMEDOUT
        elif late:
            result = ETIMEDOUT
        elif load_acquire_int(&sync.waiters) == 1 and not sync.syncing and load_acquire_u64(sync.committed_position) >= position:
            sync_once(sync)
        else:
            if position > sync.requested:
                sync.requested = position
            number = sync.round
            if sync.syncing and position > sync.covering:
                number += 1
            gate = &sync.covered[number & 1]
            seen = load_acquire_u32(&gate.word)
            if not sync.syncing:
                pthread_cond_signal(&sync.wake)
            pthread_mutex_unlock(&sync.lock)
            late = gate_wait(gate, seen, deadline_us)
            # Those who are woken together would queue for the lock; what they ask for stands behind an atomic.
            if load_acquire_u64(sync.durable_position) >= position:
                add_int(&sync.waiters, -1)
                return 0
            pthread_mutex_lock(&sync.lock)
    add_int(&sync.waiters, -1)
    if load_acquire_int(&sync.waiters) and sync.requested > load_acquire_u64(sync.durable_position):
        pthread_cond_signal(&sync.wake)     # who came during a sync of our own
    pthread_mutex_unlock(&sync.lock)
    return result


cdef void sync_pass_on(sync_t* sync) noexcept nogil:
    # Of two gates, since a waiter may have been woken at either. Nobody waits there in most calls.
    if load_acquire_int(&sync.waiters):
        gate_wake(&sync.covered[0], 1)
        gate_wake(&sync.covered[1], 1)


cdef int sync_files(sync_t* sync, uint32_t count, uint64_t directory) noexcept nogil:
    cdef uint32_t number
    cdef segment_t* segment
    cdef int error = 0
    for number in range(sync.first_unsynced, count):
        # Writing a page back makes it read-only in the page table first, and tells every processor that runs us so: a
        # third of the work of a busy log. Pages that are full are better taken out of the table, all at once.
        segment = sync.segments[number]
        segment.let_go_offset = mapping_let_go(
            segment.mapping, segment.let_go_offset, load_acquire_u64(&segment.tail)
        )
        error = mapping_sync(segment.mapping)
        # A segment that held no event was replaced under its name.
        if not error and load_acquire_u64(&segment.event_count):
            error = mapping_taken(segment.mapping)
        if error:
            return error
    if directory != sync.directory_synced and sync.directory != NULL:
        error = mapping_sync(sync.directory)
    return error


cdef int sync_once(sync_t* sync) noexcept nogil:
    # Called and left with the lock held; lets go of it while the disk works. `syncing` keeps all others out.
    cdef uint64_t committed, directory
    cdef uint32_t count
    cdef int64_t age_us
    cdef int error
    cdef gate_t* gate = &sync.covered[sync.round & 1]
    # In this order: whoever appends from here on sets unsynced_since_us again and is covered by the next sync.
    sync.syncing_since_us = exchange_i64(&sync.unsynced_since_us, 0)
    committed = load_acquire_u64(sync.committed_position)
    directory = load_acquire_u64(&sync.directory_wanted)
    count = load_acquire_u32(sync.segment_count)
    sync.covering = committed
    sync.syncing = 1
    pthread_mutex_unlock(&sync.lock)
    error = sync_files(sync, count, directory)
    pthread_mutex_lock(&sync.lock)
    sync.syncing = 0
    sync.round += 1
    sync.sync_count += 1
    if sync.stopping:
        pthread_cond_broadcast(&sync.idle)
    if error:
        poison_locked(sync, error)
        return error
    if load_acquire_u64(sync.committed_position) > committed and not load_acquire_i64(&sync.unsynced_since_us):
        # The writer stores its position and then loads unsynced_since_us; its processor may do that the other way round
        # and miss our zero. A fence there would cost every append; a look here, a whole sync later, costs nothing.
        store_release_i64(&sync.unsynced_since_us, sync.syncing_since_us or monotonic_us())
    if sync.syncing_since_us:
        age_us = monotonic_us() - sync.syncing_since_us
        if age_us > sync.worst_unsynced_us:
            sync.worst_unsynced_us = age_us
    sync.syncing_since_us = 0
    sync.directory_synced = directory
    if count - 1 > sync.first_unsynced:
        store_release_u32(&sync.first_unsynced, count - 1)
        sync.seal_wanted = 1
        pthread_cond_broadcast(&sync.work)
    store_release_u64(sync.durable_position, committed)
    if sync.live != NULL:
        live_durable(sync.live, committed)
    gate_open(gate, CHAINS)
    if not sync.promise_since_us:
        sync.promise_since_us = monotonic_us()
        pthread_cond_signal(&sync.wake)
    return 0


cdef void hash_behind(sync_t* sync) noexcept nogil:
    # Lock held, let go of in between. Hashing here keeps it off the write path; whoever seals finds little left to do.
    cdef segment_t* segment
    pthread_mutex_unlock(&sync.lock)
    pthread_mutex_lock(&sync.chain_lock)
    segment = sync.segments[load_acquire_u32(sync.segment_count) - 1]
    segment_chain(segment, load_acquire_u64(&segment.tail))
    pthread_mutex_unlock(&sync.chain_lock)
    pthread_mutex_lock(&sync.lock)


cdef int64_t promise_if_due(sync_t* sync) noexcept nogil:
    # Lock held, let go of in between. 0: nothing to promise; else when it is due.
    cdef uint64_t durable = load_acquire_u64(sync.durable_position)
    cdef int64_t due_us = sync.promise_since_us + PROMISE_DELAY_US
    cdef int error
    if not sync.promise_since_us or monotonic_us() < due_us:
        return due_us if sync.promise_since_us else 0
    sync.promise_since_us = 0
    if durable <= sync.promised:
        return 0
    sync.promised = durable
    hash_behind(sync)
    # chain_lock: the writer makes a segment read-only under it, after it published the next one.
    pthread_mutex_unlock(&sync.lock)
    pthread_mutex_lock(&sync.chain_lock)
    error = segment_promise(sync.segments[load_acquire_u32(sync.segment_count) - 1], durable, 0)
    pthread_mutex_unlock(&sync.chain_lock)
    pthread_mutex_lock(&sync.lock)
    if error:
        poison_locked(sync, error)
    return 0


cdef void* sync_body(void* argument) noexcept nogil:
    cdef sync_t* sync = <sync_t*>argument
    cdef int64_t since_us, deadline_us, due_us
    cdef uint64_t durable
    pthread_mutex_lock(&sync.lock)
    while not sync.stopping and not sync.error:
        due_us = promise_if_due(sync)
        since_us = load_acquire_i64(&sync.unsynced_since_us)
        durable = load_acquire_u64(sync.durable_position)
        deadline_us = since_us + sync.interval_us if since_us and sync.mode != SYNC_NEVER else 0
        if not sync.syncing and (
            (sync.requested > durable and load_acquire_u64(sync.committed_position) > durable)
            or (deadline_us and monotonic_us() >= deadline_us)
        ):
            if sync_once(sync) == 0:
                hash_behind(sync)
            continue
        if sync.syncing and deadline_us and monotonic_us() >= deadline_us:
            deadline_us = monotonic_us() + sync.interval_us     # a waiter's sync runs: look again when it is long over
        if due_us and (not deadline_us or due_us < deadline_us):
            deadline_us = due_us
        if not sync.stopping and not sync.error:
            sync.awake_at_us = deadline_us
            condition_wait_until(&sync.wake, &sync.lock, deadline_us)
            sync.awake_at_us = 0
    pthread_mutex_unlock(&sync.lock)
    return NULL
