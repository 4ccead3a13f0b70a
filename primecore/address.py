"""Where a store's socket is, and how to name it where its path is too long. Knows paths only."""

from __future__ import annotations

import os

NAME = "writer.sock"
FRESH = "writer.new"  # until somebody listens there
_SUN_PATH_BYTES = 100  # the least that systems allow is 104, with its zero


class Address:
    """Where a store's socket is, as a path that a socket address has room for. `close()` it after use."""

    def __init__(self, directory: str, name: str = NAME) -> None:
        """Raises OSError; NotADirectoryError where the path is too long and the system offers no way round."""
        self._fd = -1
        self.path = os.path.join(directory, name)
        if len(os.fsencode(self.path)) > _SUN_PATH_BYTES:
            if not os.path.isdir("/proc/self/fd"):
                raise NotADirectoryError("the store's path is too long for a socket")
            self._fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self.path = f"/proc/self/fd/{self._fd}/{name}"

    def close(self) -> None:
        """Lets go of the directory."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
