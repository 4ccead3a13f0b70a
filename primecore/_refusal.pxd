# Words for what the scanners refuse: builds InvalidEvent. Needs the GIL; reads the text only to find column and path.

from libc.stdint cimport uint32_t
from primecore._json cimport scan_error_t


# Builds (does not raise) primecore.errors.InvalidEvent. `text` is what was scanned; `line` is 1-based, 0 where there
# is none.
cdef object refusal(const scan_error_t* error, const char* text, uint32_t size, str source, long line)
