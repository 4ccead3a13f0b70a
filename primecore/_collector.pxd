# The garbage collector, held off for a moment. Up to CPython 3.11 making an object may start it, and what it runs (others'
# finalizers, gc.callbacks) may let go of the GIL. Code that must not be come in between, and makes objects, pauses it.
# Nobody sees the pause, since the GIL is held throughout. From 3.12 on it waits for Python code by itself.

cdef extern from "Python.h":
    int collector_pause "PyGC_Disable" ()           # what to hand to collector_resume
    int PyGC_Enable()


cdef inline void collector_resume(int was_running) noexcept:
    if was_running:
        PyGC_Enable()
