"""One file in memory: mapped, or anonymous memory that stands for one. Knows no record and no path."""

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_FillInfo
from libc.errno cimport EDQUOT, EINTR, EIO, ENOMEM, ENOSPC, errno
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset

import os

cdef extern from "<sys/mman.h>" nogil:
    void* mmap(void*, size_t, int, int, int, int64_t)
    int munmap(void*, size_t)
    int PROT_READ
    int PROT_WRITE
    int MAP_SHARED
    int MAP_PRIVATE
    int MAP_FIXED
    int MAP_ANONYMOUS
    int MAP_NORESERVE
    void* MAP_FAILED
    int madvise(void*, size_t, int)

cdef extern from "<unistd.h>" nogil:
    ssize_t pwrite(int, const void*, size_t, int64_t)
    ssize_t pread(int, void*, size_t, int64_t)
    int close_descriptor "close"(int)

cdef extern from "atomics.h" nogil:
    int load_acquire_int(const int*)
    uint64_t load_acquire_u64(const uint64_t*)
    void store_release_int(int*, int)
    void store_release_u64(uint64_t*, uint64_t)

cdef extern from "disk.h" nogil:
    int disk_sync_data(int fd)
    int disk_sync_all(int fd)


cdef extern from *:
    """
    #include <errno.h>
    #include <fcntl.h>
    #include <stdint.h>
    #include <sys/mman.h>
    #include <sys/stat.h>
    #include <unistd.h>

    /* ESTALE where the file has no name any more, or fewer bytes than are mapped; else 0. The times of the file are not
       asked for: Linux gives a file whose times were read a new one at its next write, and has each sync of the data
       wait for that too (ext4: 1.45 times as long). */
    static int file_taken(int fd, uint64_t nbytes) {
    #if defined(STATX_NLINK) && defined(STATX_SIZE)
        struct statx status;
        if (statx(fd, "", AT_EMPTY_PATH, STATX_NLINK | STATX_SIZE, &status)) return errno;
        return status.stx_nlink == 0 || status.stx_size < nbytes ? ESTALE : 0;
    #else
        struct stat status;
        if (fstat(fd, &status)) return errno;
        return status.st_nlink == 0 || (uint64_t)status.st_size < nbytes ? ESTALE : 0;
    #endif
    }

    /* Makes every page that holds the first bytes one that is still to be written, leaving them as they are. */
    static void touch_pages(char *data, uint64_t nbytes) {
        for (uint64_t offset = 0; offset < nbytes; offset += 4096) {
            volatile char *byte = data + offset;
            *byte = *byte;
        }
    }

    /* 0, or the errno with which the next operation is to fail. */
    static int faults_next(int64_t *countdown, int64_t *operations, int error, int sticky) {
        __atomic_add_fetch(operations, 1, __ATOMIC_RELAXED);
        int64_t left = __atomic_load_n(countdown, __ATOMIC_ACQUIRE);
        if (left == 0) return 0;
        if (left == 1 && sticky) return error;
        left = __atomic_sub_fetch(countdown, 1, __ATOMIC_ACQ_REL);
        return left == 0 ? error : 0;
    }

    #if defined(MADV_HUGEPAGE)
    #define HUGE_PAGES MADV_HUGEPAGE
    #else
    #define HUGE_PAGES 0
    #endif
    #if !defined(MADV_POPULATE_WRITE)
    #define POPULATE_READ 22
    #define POPULATE_WRITE 23
    #else
    #define POPULATE_READ MADV_POPULATE_READ
    #define POPULATE_WRITE MADV_POPULATE_WRITE
    #endif

    /* Brings a mapped file into memory; 0 or errno. With `enter`, its pages enter the page table at once, read-only;
     * kernels before 5.14 do not know that advice. */
    static int load_pages(int fd, char *data, uint64_t start, uint64_t nbytes, int enter) {
    #if defined(__linux__)
        if (enter && madvise(data + start, nbytes, POPULATE_READ) == 0) return 0;
        if (enter && errno == EFAULT) return EIO;
    #endif
        char page[65536];
        for (uint64_t offset = start; offset < start + nbytes;) {
            ssize_t done = pread(fd, page, sizeof page, (off_t)offset);
            if (done < 0 && errno == EINTR) continue;
            if (done < 0) return errno;
            if (done == 0) return 0;
            offset += (uint64_t)done;
        }
        return 0;
    }
    """
    int file_taken(int, uint64_t) noexcept nogil
    void touch_pages(char*, uint64_t) noexcept nogil
    int POPULATE_WRITE
    int FORGET_PAGES "MADV_DONTNEED"
    int HUGE_PAGES
    int load_pages(int, char*, uint64_t, uint64_t, int) noexcept nogil
    int faults_next(int64_t*, int64_t*, int, int) noexcept nogil


cdef enum:
    HUGE_FROM_BYTES = 4 << 20        # small stores stay small
    PAGE_BYTES = 65536               # a multiple of every page size


cdef void mapping_simulate_disk(mapping_t* mapping) noexcept nogil:
    # As a disk does, it takes what it finds of records that are written meanwhile.
    memcpy(mapping.synced, mapping.data, mapping.bytes)


cdef int mapping_sync(mapping_t* mapping) noexcept nogil:
    cdef int error = 0, kind
    if mapping.faults != NULL:
        error = faults_next(&mapping.faults.countdown, &mapping.faults.operations, mapping.faults.error,
                            mapping.faults.sticky)
        if error:
            return error
    kind = load_acquire_int(&mapping.kind)
    if kind == DIRECTORY:
        if mapping.fd >= 0:
            return disk_sync_all(mapping.fd)
        mapping.synced_changes = load_acquire_u64(&mapping.changes)
    elif kind == MEMORY:
        if mapping.synced != NULL:
            mapping_simulate_disk(mapping)
    elif mapping.fd >= 0:
        return disk_sync_data(mapping.fd)
    return 0


cdef int mapping_taken(const mapping_t* mapping) noexcept nogil:
    if mapping.fd < 0 or load_acquire_int(&mapping.kind) == DIRECTORY:
        return 0
    return file_taken(mapping.fd, mapping.bytes)


cdef int mapping_write(mapping_t* mapping, uint64_t offset, uint64_t nbytes) noexcept nogil:
    cdef ssize_t done
    cdef int error = 0
    if mapping.faults != NULL:
        error = faults_next(&mapping.faults.countdown, &mapping.faults.operations, mapping.faults.error,
                            mapping.faults.sticky)
        if error:
            # The worst there is: it arrived, and says that it did not.
            pwrite(mapping.fd, mapping.data + offset, nbytes, <int64_t>offset)
            return error
    while nbytes:
        done = pwrite(mapping.fd, mapping.data + offset, nbytes, <int64_t>offset)
        if done < 0:
            if errno == EINTR:
                continue
            return errno
        if done == 0:
            return EIO
        offset += done
        nbytes -= done
    return 0


cdef uint64_t mapping_let_go(mapping_t* mapping, uint64_t begin, uint64_t end) noexcept nogil:
    cdef uint64_t until = end & ~<uint64_t>(PAGE_BYTES - 1)
    if load_acquire_int(&mapping.kind) != MAPPED_FILE or until <= begin:
        return begin
    madvise(mapping.data + begin, until - begin, FORGET_PAGES)
    return until


cdef int mapping_load(mapping_t* mapping) noexcept nogil:
    return mapping_load_part(mapping, 0, mapping.bytes)


cdef int mapping_load_part(mapping_t* mapping, uint64_t offset, uint64_t nbytes) noexcept nogil:
    return load_pages(mapping.fd, mapping.data, offset, nbytes, 1) if mapping.kind == MAPPED_FILE else 0


cdef class Faults:
    """Makes the n-th operation of a storage fail: Python's by `check()`, the sync thread's by itself."""

    def __cinit__(self):
        memset(&self.c_faults, 0, sizeof(faults_t))

    def arm(self, countdown: int, error: int, *, sticky: bool = False) -> None:
        """Let the `countdown`-th operation from now fail with errno `error`; with `sticky`, all later ones too."""
        self.c_faults.error = error
        self.c_faults.sticky = sticky
        self.c_faults.countdown = countdown

    def disarm(self) -> None:
        """Let nothing fail any more."""
        self.c_faults.countdown = 0

    @property
    def operations(self) -> int:
        """Operations seen so far."""
        return self.c_faults.operations

    @property
    def armed(self) -> bool:
        """Whether a failure is still to come (or goes on)."""
        return self.c_faults.countdown != 0

    def check(self, path: str = "") -> None:
        """Count one operation, and raise OSError if it is its turn."""
        error = faults_next(&self.c_faults.countdown, &self.c_faults.operations, self.c_faults.error,
                            self.c_faults.sticky)
        if error:
            raise OSError(error, os.strerror(error), path)


cdef class Mapping:
    """Bytes of one file, a directory's handle, or memory alone. Supports the buffer protocol.

    Made by the class methods; `close()` unmaps and closes, and is refused while a memoryview of it lives.
    """

    def __cinit__(self):
        memset(&self.c_mapping, 0, sizeof(mapping_t))
        self.c_mapping.fd = -1

    def __dealloc__(self):
        self._release()

    cdef void _release(self) noexcept:
        cdef mapping_t* mapping = &self.c_mapping
        if mapping.data != NULL:
            munmap(mapping.data, mapping.bytes)
            mapping.data = NULL
        if mapping.synced != NULL:
            munmap(mapping.synced, mapping.bytes)
            mapping.synced = NULL
        if mapping.fd >= 0:
            close_descriptor(mapping.fd)
            mapping.fd = -1

    @classmethod
    def file(cls, int fd, uint64_t nbytes, *, bint writable, bint written=False):
        """Map the first `nbytes` of `fd`, which is owned from now on (also when this raises).

        With `written`, memory of our own holds the bytes instead, and they reach the file by pwrite.
        Raises OSError.
        """
        cdef Mapping self = Mapping.__new__(Mapping)
        cdef int protection = PROT_READ | (PROT_WRITE if writable else 0)
        self.c_mapping.fd = fd
        self.c_mapping.kind = WRITTEN_FILE if written else MAPPED_FILE
        self.writable = writable
        if nbytes == 0:
            raise ValueError("a file without bytes cannot be mapped")
        if written:
            self._anonymous(nbytes)
            self._fill()
            return self
        cdef void* data = mmap(NULL, nbytes, protection, MAP_SHARED, fd, 0)
        if data == MAP_FAILED:
            raise OSError(errno, os.strerror(errno))
        self.c_mapping.data = <char*>data
        self.c_mapping.bytes = nbytes
        return self

    @classmethod
    def memory(cls, uint64_t nbytes, *, bint simulates_disk=False):
        """Anonymous zeroed memory; with `simulates_disk`, a second copy keeps what the last sync saw."""
        cdef Mapping self = Mapping.__new__(Mapping)
        self.c_mapping.kind = MEMORY
        self.writable = True
        if nbytes == 0:
            raise ValueError("memory without bytes cannot be mapped")
        self._anonymous(nbytes)
        if nbytes >= HUGE_FROM_BYTES:
            madvise(self.c_mapping.data, nbytes, HUGE_PAGES)
        cdef void* synced
        if simulates_disk:
            synced = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            if synced == MAP_FAILED:
                raise OSError(errno, os.strerror(errno))
            self.c_mapping.synced = <char*>synced
        return self

    @classmethod
    def directory(cls, int fd=-1):
        """A directory's handle: `fd` (owned from now on), or a simulated one."""
        cdef Mapping self = Mapping.__new__(Mapping)
        self.c_mapping.kind = DIRECTORY
        self.c_mapping.fd = fd
        return self

    cdef int _anonymous(self, uint64_t nbytes) except -1:
        cdef void* data = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        if data == MAP_FAILED:
            raise OSError(ENOMEM, os.strerror(ENOMEM))
        self.c_mapping.data = <char*>data
        self.c_mapping.bytes = nbytes
        return 0

    cdef int _fill(self) except -1:
        cdef uint64_t offset = 0
        cdef ssize_t done
        while offset < self.c_mapping.bytes:
            done = pread(self.c_mapping.fd, self.c_mapping.data + offset, self.c_mapping.bytes - offset,
                         <int64_t>offset)
            if done < 0:
                if errno == EINTR:
                    continue
                raise OSError(errno, os.strerror(errno))
            if done == 0:
                break
            offset += done
        return 0

    def share_faults(self, Faults faults not None) -> None:
        """Let syncs of this mapping fail when `faults` says so."""
        self.faults = faults
        self.c_mapping.faults = &faults.c_faults

    def load(self) -> None:
        """Read every page once, so that a read error is an OSError here instead of a signal later."""
        cdef int error
        if self.c_mapping.kind != MAPPED_FILE:
            return
        with nogil:
            error = mapping_load(&self.c_mapping)
        if error:
            raise OSError(error, os.strerror(error))
        if not self.writable:
            # What is never written is never synced: a reader of a thousand segments needs no thousand descriptors.
            close_descriptor(self.c_mapping.fd)
            self.c_mapping.fd = -1

    def expect_writes(self) -> None:
        """Forget which pages were read.

        The first write to a page that is entered as read-only costs 15 us on ext4, to one that is not entered 0.6 us.
        """
        if self.c_mapping.kind == MAPPED_FILE:
            with nogil:
                madvise(self.c_mapping.data, self.c_mapping.bytes, FORGET_PAGES)

    def populate(self) -> None:
        """Give every page its memory now, where that does not mean writing it to a disk later. Best effort."""
        with nogil:
            madvise(self.c_mapping.data, self.c_mapping.bytes, POPULATE_WRITE)

    def settle(self) -> None:
        """Replace the private memory of a written file by a mapping of the file itself, in place: slices stay good."""
        cdef void* data
        if self.c_mapping.kind != WRITTEN_FILE:
            return
        data = mmap(self.c_mapping.data, self.c_mapping.bytes, PROT_READ, MAP_SHARED | MAP_FIXED, self.c_mapping.fd, 0)
        if data == MAP_FAILED:
            raise OSError(errno, os.strerror(errno))
        store_release_int(&self.c_mapping.kind, MAPPED_FILE)    # behind the mapping: the sync thread lets go of its pages
        self.writable = False

    def sync(self) -> None:
        """Bring all bytes written so far (of a directory: its entries) to stable storage.

        Raises OSError, never for want of room: a reservation that finds none may be tried again, a sync may not.
        """
        cdef int error
        with nogil:
            error = mapping_sync(&self.c_mapping)
        if error in (ENOSPC, EDQUOT):
            raise OSError(EIO, f"a sync failed ({os.strerror(error)})")
        if error:
            raise OSError(error, os.strerror(error))

    def write_through(self, uint64_t offset, uint64_t nbytes) -> None:
        """Bring bytes that were changed in memory to the file, where the mapping does not do so by itself."""
        cdef int error = 0
        if offset + nbytes > self.c_mapping.bytes:
            raise ValueError(f"{offset}+{nbytes} lies beyond {self.c_mapping.bytes} bytes")
        if self.c_mapping.kind == WRITTEN_FILE:
            with nogil:
                error = mapping_write(&self.c_mapping, offset, nbytes)
        if error:
            raise OSError(error, os.strerror(error))

    def rewrite(self, uint64_t nbytes) -> None:
        """Let the next sync write the first `nbytes` as they are in memory, whether or not they are on the disk already.

        After a failed sync the cache may call pages written that never were, and keeps them while anyone maps them.
        Raises OSError.
        """
        if nbytes > self.c_mapping.bytes:
            raise ValueError(f"{nbytes} bytes are more than {self.c_mapping.bytes}")
        if self.c_mapping.kind == WRITTEN_FILE:
            self.write_through(0, nbytes)
        elif self.c_mapping.kind == MAPPED_FILE and self.writable:
            with nogil:
                touch_pages(self.c_mapping.data, nbytes)

    def note_change(self) -> int:
        """Count one changed entry of a simulated directory; gives the new count."""
        store_release_u64(&self.c_mapping.changes, self.c_mapping.changes + 1)
        return self.c_mapping.changes

    @property
    def synced_changes(self) -> int:
        """Changed entries of a simulated directory that a sync covered."""
        return self.c_mapping.synced_changes

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.c_mapping.bytes

    @property
    def writes_through(self) -> bool:
        """Whether bytes reach the file by pwrite instead of by the mapping."""
        return self.c_mapping.kind == WRITTEN_FILE

    def synced_copy(self) -> bytes:
        """The bytes as of the last sync, of memory that simulates a disk."""
        if self.c_mapping.synced == NULL:
            raise ValueError("only memory that simulates a disk keeps a synced copy")
        return self.c_mapping.synced[:self.c_mapping.bytes]

    def close(self) -> None:
        """Unmap and close; may be called again."""
        if self.exports:
            raise BufferError("a memoryview of this mapping is still alive")
        self._release()

    def __len__(self):
        return self.c_mapping.bytes

    def __getbuffer__(self, Py_buffer* view, int flags):
        if self.c_mapping.data == NULL:
            raise BufferError("the mapping is closed, or a directory")
        if flags & PyBUF_WRITABLE and not self.writable:
            raise BufferError("the mapping is read-only")
        PyBuffer_FillInfo(view, self, self.c_mapping.data, self.c_mapping.bytes, not self.writable, flags)
        self.exports += 1

    def __releasebuffer__(self, Py_buffer* view):
        self.exports -= 1
