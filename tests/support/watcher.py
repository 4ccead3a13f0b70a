"""A child process that follows a store read-only and says what it shows, a line for each that it reads on stdin.

Run as `python watcher.py PATH`. `POSITION` waits until that many events are shown.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time


def shown(prime: object) -> str:
    """Position, digest, and a hash of every event of the log."""
    whole = hashlib.sha256()
    for event in prime.events():
        whole.update(repr(event).encode())
    return f"{prime.position} {prime.digest()} {whole.hexdigest()}"


def main(path: str) -> None:
    import primecore

    with primecore.open(path, read_only=True) as prime:
        os.write(1, b"up %d\n" % prime.position)
        for line in sys.stdin:
            until_s = time.monotonic() + 30
            while prime.position < int(line) and time.monotonic() < until_s:
                time.sleep(0.002)
            os.write(1, shown(prime).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1])
