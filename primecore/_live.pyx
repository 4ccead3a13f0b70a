"""LIVE, the page that an owner shares with those who read its store: how far the log goes. Knows no segment, no path."""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from primecore._format cimport LIVE_BYTES, LIVE_VERSION, live_t
from primecore._mapping cimport WRITTEN_FILE, Mapping, mapping_write

cdef extern from "atomics.h" nogil:
    uint64_t load_acquire_u64(const uint64_t*)
    void store_release_u64(uint64_t*, uint64_t)

cdef extern from "threads.h" nogil:
    int64_t monotonic_us()

cdef extern from "<unistd.h>" nogil:
    int usleep(unsigned int)


cdef enum:
    FIRST_PAUSE_US = 250
    LONGEST_PAUSE_US = 6000         # of one that has waited long: an idle reader wakes 170 times a second, for 2 us each


def first_bytes(bytes store_uuid not None) -> bytes:
    """The contents of a new LIVE: nothing published, no owner yet."""
    cdef live_t page
    if len(store_uuid) != 16:
        raise ValueError("store_uuid: expected 16 bytes")
    memset(&page, 0, sizeof(live_t))
    memcpy(page.magic, b"PRIMELIV", 8)
    page.format_version = LIVE_VERSION
    memcpy(page.store_uuid, <const char*>store_uuid, 16)
    return (<char*>&page)[:LIVE_BYTES]


cdef class Live:
    """One process's view of LIVE: the owner's, which stores into it, or a reader's.

    Raises ValueError where the file is not the LIVE of this store.
    """

    def __cinit__(self, Mapping mapping not None, bytes store_uuid not None):
        cdef live_t* page = <live_t*>mapping.c_mapping.data
        if mapping.c_mapping.bytes < LIVE_BYTES or len(store_uuid) != 16:
            raise ValueError("it is too short")
        if memcmp(page.magic, b"PRIMELIV", 8) or page.format_version != LIVE_VERSION or \
                memcmp(page.store_uuid, <const char*>store_uuid, 16):
            raise ValueError("it is not the LIVE of this store")
        self.mapping = mapping
        self.page = page

    @property
    def epoch(self) -> int:
        """Changes with every owner; odd while one recovers the log."""
        return load_acquire_u64(&self.page.epoch)

    @property
    def committed_position(self) -> int:
        """The last event that the owner says is in the log."""
        return load_acquire_u64(&self.page.committed_position)

    @property
    def durable_position(self) -> int:
        """The last event that the owner says survives power loss."""
        return load_acquire_u64(&self.page.durable_position)

    def begin(self) -> None:
        """The owner: from now on the log's end may be cut; readers look away."""
        store(self, &self.page.epoch, (self.page.epoch + 1) | 1)

    def settle(self, uint64_t last_position, uint64_t durable_position) -> None:
        """The owner, after `begin`: the log is whole up to `last_position`; readers look again."""
        store(self, &self.page.committed_position, last_position)
        store(self, &self.page.durable_position, durable_position)
        store(self, &self.page.epoch, self.page.epoch + 1)

    def wait(self, uint64_t committed_position, uint64_t epoch, int64_t timeout_us) -> bool:
        """A reader: wait until something else than these is published; False when the time is over."""
        cdef int64_t until_us = monotonic_us() + timeout_us
        cdef int64_t pause_us = FIRST_PAUSE_US
        cdef bint changed = False
        with nogil:
            while True:
                if load_acquire_u64(&self.page.committed_position) != committed_position or \
                        load_acquire_u64(&self.page.epoch) != epoch:
                    changed = True
                    break
                if monotonic_us() >= until_us:
                    break
                usleep(<unsigned int>pause_us)
                pause_us += pause_us / 4
                if pause_us > LONGEST_PAUSE_US:
                    pause_us = LONGEST_PAUSE_US
        return changed


cdef int store(Live live, uint64_t* at, uint64_t value) except -1:
    store_release_u64(at, value)
    if live.mapping.c_mapping.kind == WRITTEN_FILE:
        mapping_write(&live.mapping.c_mapping, <char*>at - live.mapping.c_mapping.data, 8)
    return 0


if sizeof(live_t) != LIVE_BYTES:
    raise ImportError("this compiler lays LIVE out otherwise than docs/format.md says")
