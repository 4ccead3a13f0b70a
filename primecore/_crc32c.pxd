# CRC-32C in its finished form: crc32c_extend(0, data, size) is the checksum, and calls chain.

from libc.stdint cimport uint32_t


cdef uint32_t crc32c_extend(uint32_t crc, const void* data, size_t size) noexcept nogil
