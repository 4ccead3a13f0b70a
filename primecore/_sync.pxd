# The thread that brings the log to stable storage, and those who wait for it. Takes the GIL never.
#
# One lock guards all but the fields marked "shared", which the writer stores and loads with atomics on its fast path.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from primecore._mapping cimport mapping_t
from primecore._segment cimport segment_t


cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_cond_t:
        pass
    ctypedef struct pthread_t:
        pass


cdef extern from "threads.h" nogil:
    ctypedef struct gate_t:
        uint32_t word


cdef enum sync_mode:
    SYNC_INTERVAL = 0       # at the latest interval_us after the first unsynced append; at once when someone waits
    SYNC_ALWAYS = 1         # the same: its callers always wait
    SYNC_NEVER = 2          # only when someone waits


cdef enum sync_job:         # what the helper thread is asked to do
    JOB_NONE = 0
    JOB_STOP = 1
    JOB_PREPARE = 2         # make the next segment's file
    JOB_SEAL = 3            # a sealed segment is durable: list it in the manifest


ctypedef struct sync_t:
    pthread_mutex_t lock
    pthread_mutex_t chain_lock          # guards chains, and promises against settle(); never taken while `lock` is held
    pthread_cond_t wake                 # the sync thread sleeps on it
    pthread_cond_t idle                 # sync_stop waits for a sync that a waiter runs
    gate_t[2] covered                   # those whom this round's sync covers, and those who wait for the next one's
    pthread_cond_t work                 # the helper thread
    pthread_t thread
    int running
    int syncing                         # a sync runs: the thread's, or that of a waiter who was alone
    int waiters                         # shared: who finds his position durable leaves without the lock
    uint64_t round                      # number of the sync that runs, or comes next
    uint64_t covering                   # the position that the running sync covers
    int64_t awake_at_us                 # when the thread looks again by itself; 0: when it is woken
    int64_t promise_since_us            # first sync since the last promise; 0: none
    int stopping
    int mode                            # sync_mode
    int error                           # errno of the failure that poisoned the log, else 0
    int64_t interval_us
    uint64_t requested                  # the highest position someone waits for
    uint64_t promised                   # the highest durable position written into a header
    uint64_t sync_count
    int64_t unsynced_since_us           # shared: when the first append since the last sync began came; 0: none
    int64_t syncing_since_us            # the same of the appends that the running sync covers
    int64_t worst_unsynced_us
    uint32_t first_unsynced             # shared: number of the oldest segment that a sync must still cover
    uint64_t directory_wanted           # shared: segments that took their name
    uint64_t directory_synced
    int prepare_wanted                  # shared
    int seal_wanted
    mapping_t* directory
    mapping_t* live                     # LIVE, or NULL
    segment_t** segments                # Wal's
    uint32_t* segment_count             # Wal's, shared
    uint64_t* committed_position        # Wal's, shared
    uint64_t* durable_position          # Wal's, shared
    int* wal_state                      # Wal's, shared: set when the log is poisoned
    int poisoned_state


cdef int sync_init(sync_t* sync) noexcept nogil                         # 0 or errno
cdef void sync_destroy(sync_t* sync) noexcept nogil                     # after sync_stop
cdef int sync_start(sync_t* sync) noexcept nogil                        # 0 or errno
cdef void sync_stop(sync_t* sync) noexcept nogil                        # ends the thread without a last sync
cdef void sync_poison(sync_t* sync, int error) noexcept nogil
cdef void sync_first_append(sync_t* sync) noexcept nogil                # the writer's first append since a sync began
cdef void sync_ask(sync_t* sync, int job) noexcept nogil                # wakes the helper thread
cdef int sync_next_job(sync_t* sync, int64_t timeout_us) noexcept nogil # a sync_job
# 0: durable; ETIMEDOUT; or the errno of the failure that poisoned the log
cdef int sync_wait(sync_t* sync, uint64_t position, int64_t timeout_us) noexcept nogil
# Due after every sync_wait, with the GIL taken again: it wakes the next who waits. Were all woken at once, each would be
# put to sleep again in the queue for the GIL.
cdef void sync_pass_on(sync_t* sync) noexcept nogil
