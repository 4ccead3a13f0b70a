# One mapped file, or anonymous memory that stands for one: bytes, a size, and how to bring them to stable storage.

from libc.stdint cimport uint64_t


ctypedef struct mapping_t:
    char* data
    uint64_t bytes
    int fd                  # -1: anonymous memory
