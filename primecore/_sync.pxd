# The thread that brings the log to stable storage, and those who wait for it. Takes the GIL never.

ctypedef struct sync_t:
    int error               # errno of the failure that poisoned the log, else 0
