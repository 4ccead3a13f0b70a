# One file in memory: mapped, or anonymous memory that stands for one, and how its bytes reach stable storage.
# Knows no record. The storages in storage.py make these; the sync thread calls mapping_sync() without the GIL.

from libc.stdint cimport int64_t, uint64_t


cdef enum mapping_kind:
    MAPPED_FILE = 1         # shared mapping of `fd`
    WRITTEN_FILE = 2        # private memory; bytes reach `fd` by mapping_write()
    DIRECTORY = 3           # no bytes: only sync
    MEMORY = 4              # anonymous memory; `synced`, where there is one, holds the bytes as of the last sync


ctypedef struct faults_t:
    int64_t countdown       # operations until one fails; 0: none fails
    int error               # the errno it fails with
    int sticky              # 1: all that follow fail too
    int64_t operations      # seen so far


ctypedef struct mapping_t:
    char* data
    uint64_t bytes
    char* synced
    uint64_t changes        # of a directory in memory: entries changed so far, and how many of them a sync covered
    uint64_t synced_changes
    faults_t* faults
    int fd
    int kind                # settle() changes it while the sync thread may look


# All give 0 or errno; mapping_write() is for a WRITTEN_FILE only.
# mapping_taken: ESTALE where somebody removed the file or cut it short, so that a sync of it means nothing.
cdef int mapping_sync(mapping_t* mapping) noexcept nogil
cdef int mapping_write(mapping_t* mapping, uint64_t offset, uint64_t nbytes) noexcept nogil
cdef int mapping_taken(const mapping_t* mapping) noexcept nogil
# Reads a read-only MAPPED_FILE once, so that a read error is an errno here and no signal later.
cdef int mapping_load(mapping_t* mapping) noexcept nogil
# The same for a part of it, which begins at a page.
cdef int mapping_load_part(mapping_t* mapping, uint64_t offset, uint64_t nbytes) noexcept nogil

# Takes whole pages of a mapped file between two offsets out of the page table; returns where it came to. Their bytes stay
# in the page cache, and reading brings them back.
cdef uint64_t mapping_let_go(mapping_t* mapping, uint64_t begin, uint64_t end) noexcept nogil


cdef class Faults:
    cdef faults_t c_faults


cdef class Mapping:
    cdef mapping_t c_mapping
    cdef Faults faults
    cdef bint writable
    cdef int exports
    cdef void _release(self) noexcept
    cdef int _anonymous(self, uint64_t nbytes) except -1
    cdef int _fill(self) except -1
