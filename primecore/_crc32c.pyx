"""CRC-32C (RFC 3720), by the processor's instruction where it has one. Knows bytes only."""

from libc.stdint cimport uint8_t, uint32_t


cdef extern from "crc32c.h" nogil:
    ctypedef uint32_t (*crc32c_function)(uint32_t, const uint8_t*, size_t) noexcept nogil
    crc32c_function crc32c_raw
    uint32_t crc32c_raw_table(uint32_t, const uint8_t*, size_t)
    int crc32c_native_supported()
    void crc32c_setup()


crc32c_setup()


cdef uint32_t crc32c_extend(uint32_t crc, const void* data, size_t size) noexcept nogil:
    return ~crc32c_raw(~crc, <const uint8_t*>data, size)


def crc32c(const uint8_t[::1] data not None, uint32_t crc=0) -> int:
    """The CRC-32C of `data` (any contiguous buffer), continued from `crc`.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    >>> crc32c(b"6789", crc32c(b"12345")) == crc32c(b"123456789")
    True
    """
    return crc32c_extend(crc, &data[0] if data.shape[0] else NULL, data.shape[0])


def crc32c_portable(const uint8_t[::1] data not None, uint32_t crc=0) -> int:
    """As `crc32c`, always by tables: the twin that tests compare with."""
    return <uint32_t>~crc32c_raw_table(~crc, &data[0] if data.shape[0] else NULL, data.shape[0])


def has_native_crc32c() -> bool:
    """Whether this processor computes CRC-32C itself."""
    return bool(crc32c_native_supported())
