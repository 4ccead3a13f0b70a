"""Tables as sections of a file, dumped and mapped back. Knows memory and mapped files; not what sections hold, no path."""

from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.errno cimport EINTR, EIO, errno
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy

import mmap as _mmap
import os

from primecore._mapping cimport Mapping, mapping_load_part
from primecore._memory cimport ARENA_CLASSES, Arena, Region


cdef extern from "<sys/mman.h>" nogil:
    void* mmap(void*, size_t, int, int, int, int64_t)
    int munmap(void*, size_t)
    int PROT_READ
    int PROT_WRITE
    int MAP_PRIVATE
    int MAP_SHARED
    int MAP_FIXED
    int MAP_ANONYMOUS
    void* MAP_FAILED


cdef extern from "xxhash.h" nogil:
    ctypedef struct XXH3_state_t:
        pass
    XXH3_state_t* XXH3_createState()
    int XXH3_freeState(XXH3_state_t*)
    int XXH3_64bits_reset_withSeed(XXH3_state_t*, uint64_t)
    int XXH3_64bits_update(XXH3_state_t*, const void*, size_t)
    uint64_t XXH3_64bits_digest(const XXH3_state_t*)
    uint64_t XXH3_64bits_withSeed(const void*, size_t, uint64_t)


cdef extern from "Python.h":
    int PyBUF_READ


cdef extern from "<unistd.h>" nogil:
    ssize_t pwrite(int, const void*, size_t, int64_t)
    int close(int)


cdef extern from "aside.h" nogil:
    int aside_fork(int keep)
    void aside_exit()
    void aside_kill(int pid)
    void aside_wait(int pid)


cdef extern from "atomics.h" nogil:
    uint64_t load_acquire_u64(const uint64_t*)
    void store_release_u64(uint64_t*, uint64_t)


# What sections begin at: a page here, so that they can be mapped one by one.
PAGE_BYTES = _mmap.PAGESIZE

cdef char[65536] zeros      # a page of the largest size


class BadImage(ValueError):
    """A file is not an image that these tables can be loaded from; says why."""


cdef uint64_t block_hash(const char* data, size_t nbytes, uint64_t salt) noexcept nogil:
    return XXH3_64bits_withSeed(data, nbytes, salt)


cdef int write_all(int fd, const char* data, size_t nbytes, int64_t offset) noexcept nogil:
    cdef ssize_t done
    while nbytes:
        done = pwrite(fd, data, nbytes, offset)
        if done < 0:
            if errno == EINTR:
                continue
            return errno
        if done == 0:
            return EIO
        data += done
        offset += done
        nbytes -= <size_t>done
    return 0


cdef class Draft:
    """Sections to be written one behind the other, each from a page on. The memory they name must not change meanwhile."""

    def __cinit__(self):
        self.sections = []
        self.notes = {}
        self.kept = []
        self.page_bytes = PAGE_BYTES

    def __dealloc__(self):
        free(self.pieces)

    cdef int add(self, str name, const void* data, size_t nbytes) except -1:
        cdef size_t over = self.end % self.page_bytes
        if over:
            self.piece(zeros, self.page_bytes - over)
        self.sections.append([name, self.end, 0])
        return self.more(data, nbytes)

    cdef int more(self, const void* data, size_t nbytes) except -1:
        if nbytes:
            self.piece(data, nbytes)
            self.sections[len(self.sections) - 1][2] += nbytes
        return 0

    cdef int piece(self, const void* data, size_t nbytes) except -1:
        cdef size_t capacity
        cdef piece_t* grown
        if self.count == self.capacity:
            capacity = self.capacity * 2 if self.capacity else 256
            grown = <piece_t*>realloc(self.pieces, capacity * sizeof(piece_t))
            if grown == NULL:
                raise MemoryError("no room for a draft")
            self.pieces = grown
            self.capacity = capacity
        self.pieces[self.count].data = <const char*>data
        self.pieces[self.count].nbytes = nbytes
        self.count += 1
        self.end += nbytes
        return 0

    cdef int region(self, str name, Region region) except -1:
        return self.add(name, region.base, region.used_bytes)

    cdef int arena(self, str name, Arena arena) except -1:
        cdef uint32_t size_class
        self.notes[name] = {
            "free_bytes": arena.free_total,
            "heads": [arena.heads[size_class] for size_class in range(<uint32_t>ARENA_CLASSES)],
        }
        return self.region(name, arena.region)

    def add_bytes(self, str name not None, bytes data not None) -> None:
        """A section that holds `data`."""
        self.kept.append(data)
        self.add(name, <const char*>data, <size_t>len(data))

    def add_again(self, Image image not None, str name not None) -> None:
        """A section of an image, as it was read."""
        cdef size_t nbytes
        cdef char* data = image.at(name, &nbytes)
        self.kept.append(image)
        self.add(name, data, nbytes)

    @property
    def nbytes(self) -> int:
        """Bytes of all sections, padding to whole pages included."""
        return self.end + (-self.end) % self.page_bytes

    cdef int run(self, void* hashing, uint64_t salt, uint64_t* found, int fd, int64_t offset) noexcept nogil:
        cdef XXH3_state_t* state = <XXH3_state_t*>hashing
        cdef size_t pad = (self.page_bytes - self.end % self.page_bytes) % self.page_bytes
        cdef size_t i, take, filled = 0, block = 0, left
        cdef const char* data
        cdef int error
        XXH3_64bits_reset_withSeed(state, salt)
        for i in range(self.count + 1):
            data = self.pieces[i].data if i < self.count else zeros
            left = self.pieces[i].nbytes if i < self.count else pad
            while left:
                take = BLOCK_BYTES - filled
                if take > left:
                    take = left
                XXH3_64bits_update(state, data, take)
                if fd >= 0:
                    error = write_all(fd, data, take, offset)
                    if error:
                        return error
                    offset += <int64_t>take
                data += take
                left -= take
                filled += take
                if filled == BLOCK_BYTES:
                    found[block] = XXH3_64bits_digest(state)
                    block += 1
                    filled = 0
                    XXH3_64bits_reset_withSeed(state, salt)
        if filled:
            found[block] = XXH3_64bits_digest(state)
        return 0

    @property
    def blocks(self) -> int:
        """How many hashes hashes() gives."""
        return (self.nbytes + BLOCK_BYTES - 1) // BLOCK_BYTES

    def hashes(self, uint64_t salt) -> bytes:
        """One XXH3-64 (8 bytes, little-endian) for each MiB of what write() gives; computed without the GIL."""
        cdef size_t blocks = self.blocks
        cdef uint64_t* found = <uint64_t*>malloc(blocks * sizeof(uint64_t) + 8)
        cdef XXH3_state_t* state = XXH3_createState()
        try:
            if found == NULL or state == NULL:
                raise MemoryError("no room for hashes")
            with nogil:
                self.run(state, salt, found, -1, 0)
            return (<const char*>found)[:blocks * sizeof(uint64_t)]
        finally:
            XXH3_freeState(state)
            free(found)

    def parts(self):
        """What write() is to write: views of memory, one behind the other."""
        cdef size_t i
        for i in range(self.count):
            yield PyMemoryView_FromMemory(<char*>self.pieces[i].data, <Py_ssize_t>self.pieces[i].nbytes, PyBUF_READ)
        if self.nbytes > self.end:
            yield bytes(self.nbytes - self.end)


cdef class Aside:
    """A process that writes a draft into a file, as its memory is now: it may change as soon as this is made.

    `fd` is owned from now on; the draft goes to `begin` in its file. Raises OSError where no process can be made.
    """

    def __cinit__(self, Draft draft not None, int fd, size_t begin, uint64_t salt):
        cdef void* shared
        cdef XXH3_state_t* state
        self.fd = fd
        self.blocks = draft.blocks
        self.shared_bytes = (self.blocks + 1) * sizeof(uint64_t)
        shared = mmap(NULL, self.shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
        if shared == MAP_FAILED:
            raise OSError(errno, os.strerror(errno))
        self.shared = <uint64_t*>shared
        state = XXH3_createState()
        if state == NULL:
            raise MemoryError("no room for hashes")
        with nogil:
            self.pid = aside_fork(fd)
            if self.pid == 0:
                store_release_u64(self.shared, <uint64_t>draft.run(state, salt, self.shared + 1, fd, <int64_t>begin) + 1)
                aside_exit()
        XXH3_freeState(state)
        if self.pid < 0:
            error, self.pid = -self.pid, 0
            raise OSError(error, os.strerror(error))

    def __dealloc__(self):
        if self.pid > 0:
            aside_kill(self.pid)
        self.end()
        if self.shared != NULL:
            munmap(self.shared, self.shared_bytes)

    cdef int end(self) noexcept:
        if self.pid > 0:
            with nogil:
                aside_wait(self.pid)
            self.pid = 0
        if self.fd >= 0:
            close(self.fd)
            self.fd = -1
        return 0

    def wait(self) -> bytes:
        """Wait until the draft is written; gives its hashes. Raises OSError where it could not be written."""
        cdef uint64_t ended
        if self.pid:
            with nogil:
                aside_wait(self.pid)
            self.pid = 0
        ended = load_acquire_u64(self.shared)
        if ended != 1:
            error = <int>(ended - 1) if ended else EIO
            raise OSError(error, os.strerror(error) if ended else "the process that wrote it was killed")
        return (<const char*>(self.shared + 1))[:self.blocks * sizeof(uint64_t)]

    def finish(self, bytes head not None) -> None:
        """Write what stands before the draft, and close the file. Raises OSError."""
        cdef int error = write_all(self.fd, head, <size_t>len(head), 0)
        self.end()
        if error:
            raise OSError(error, os.strerror(error))


cdef class Image:
    """A file whose sections become tables. `begin` is where the first section lies; nothing is trusted before `check`."""

    def __cinit__(self, Mapping mapping not None, size_t begin, list sections not None, dict notes not None):
        cdef void* data
        self.mapping = mapping
        self.nbytes = mapping.c_mapping.bytes
        self.notes = notes
        self.taken = set()
        self.sections = {name: (begin + offset, nbytes) for name, offset, nbytes in sections}
        for name, (offset, nbytes) in self.sections.items():
            if offset % PAGE_BYTES or nbytes < 0 or offset + nbytes > self.nbytes:
                raise BadImage(f"section {name} lies at {offset}, where it cannot be mapped")
        if mapping.c_mapping.fd >= 0:
            data = mmap(NULL, self.nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, mapping.c_mapping.fd, 0)
        else:
            data = mmap(NULL, self.nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        if data == MAP_FAILED:
            raise OSError(errno, os.strerror(errno))
        self.data = <char*>data
        if mapping.c_mapping.fd < 0:
            memcpy(self.data, mapping.c_mapping.data, self.nbytes)

    def __dealloc__(self):
        if self.data != NULL:
            munmap(self.data, self.nbytes)

    def check(self, bytes hashes not None, uint64_t salt, size_t begin, size_t first, size_t step) -> int:
        """The number of the first block (of `first`, `first` + `step` ...) whose hash does not hold; -1: all do.

        Without the GIL, so that threads may share the blocks. A block that cannot be read does not hold.
        """
        cdef size_t blocks = <size_t>len(hashes) // 8
        cdef const char* expected = hashes
        cdef size_t block = first, start, nbytes
        cdef uint64_t wanted
        cdef int64_t bad = -1
        with nogil:
            while block < blocks:
                start = begin + block * BLOCK_BYTES
                nbytes = BLOCK_BYTES if start + BLOCK_BYTES <= self.nbytes else self.nbytes - start
                memcpy(&wanted, expected + block * 8, 8)
                if (
                    start >= self.nbytes or mapping_load_part(&self.mapping.c_mapping, start, nbytes)
                    or block_hash(self.mapping.c_mapping.data + start, nbytes, salt) != wanted
                ):
                    bad = <int64_t>block
                    break
                block += step
        return bad

    cdef char* at(self, str name, size_t* nbytes) except NULL:
        if name not in self.sections:
            raise BadImage(f"it has no section {name}")
        self.taken.add(name)
        offset, size = self.sections[name]
        nbytes[0] = <size_t>size
        return self.data + <size_t>offset

    cdef int region(self, str name, Region region) except -1:
        cdef size_t nbytes
        cdef char* source = self.at(name, &nbytes)
        cdef size_t mapped = (nbytes + <size_t>PAGE_BYTES - 1) // <size_t>PAGE_BYTES * <size_t>PAGE_BYTES
        cdef void* got
        if nbytes < region.used_bytes or mapped > region.reserved_bytes:
            raise BadImage(f"section {name} has {nbytes} bytes, which do not fit its table")
        if nbytes and self.mapping.c_mapping.fd >= 0:
            got = mmap(region.base, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
                       self.mapping.c_mapping.fd, source - self.data)
            if got == MAP_FAILED:
                raise OSError(errno, os.strerror(errno))
        elif nbytes:
            memcpy(region.base, source, nbytes)
        region.grow(nbytes)
        return 0

    cdef int arena(self, str name, Arena arena) except -1:
        cdef uint32_t size_class
        noted = self.note(name)
        self.region(name, arena.region)
        arena.free_total = noted["free_bytes"]
        for size_class in range(<uint32_t>ARENA_CLASSES):
            arena.heads[size_class] = noted["heads"][size_class]
        return 0

    def note(self, str name not None) -> dict:
        """What a part noted when it was dumped."""
        if name not in self.notes:
            raise BadImage(f"it has no note {name}")
        self.taken.add(name)
        return self.notes[name]

    def get(self, str name not None) -> bytes:
        """The bytes of a section."""
        cdef size_t nbytes
        cdef char* data = self.at(name, &nbytes)
        return data[:nbytes]

    def untaken(self) -> list:
        """Sections and notes that no part took: tables this version does not have."""
        return sorted((set(self.sections) | set(self.notes)) - self.taken)
