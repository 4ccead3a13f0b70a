"""One line on stderr that says how far a long piece of work is: share, rate, time left. Silent where no one watches."""

from __future__ import annotations

import os
import sys
import time
from typing import Self

WAIT_SECONDS = 1.0
"""What takes less shows no bar at all."""
STEP_SECONDS = 0.1
BAR_CELLS = 24


class Progress:
    """Called with bytes (or positions) done, their total if known, and events so far. A context manager.

    `unit` says what is counted, if not events.
    """

    def __init__(self, label: str, unit: str = "events") -> None:
        self.label = label
        self.unit = unit
        self.started_s = time.monotonic()
        self.drawn_s = 0.0
        self.events = 0
        # A dumb terminal cannot take a line back.
        self.watched = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.drawn_s:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)

    def __call__(self, done: int, total: int | None, events: int) -> None:
        self.events = events
        if not self.watched:
            return
        now_s = time.monotonic()
        if now_s - self.started_s < WAIT_SECONDS or now_s - self.drawn_s < STEP_SECONDS:
            return
        self.drawn_s = now_s
        line = self.line(done, total, events, now_s - self.started_s)
        print(f"\r\x1b[2K{line}", end="", file=sys.stderr, flush=True)

    def line(self, done: int, total: int | None, events: int, elapsed_s: float) -> str:
        """The line as it stands `elapsed_s` seconds in."""
        rate = events / elapsed_s if elapsed_s > 0 else 0.0
        counted = f"{events:,} {self.unit}  {rate:,.0f}/s"
        if not total or done <= 0:
            return f"{self.label}  {counted}"
        share = min(done / total, 1.0)
        filled = round(share * BAR_CELLS)
        left_s = elapsed_s * (1 - share) / share
        bar = "━" * filled + "╌" * (BAR_CELLS - filled)
        return f"{self.label}  {bar} {share:4.0%}  {counted}  {clock(left_s)} left"


def clock(seconds: float) -> str:
    """Seconds as `0:07`, `12:30` or `3:05:00`."""
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole:02}" if hours else f"{minutes}:{whole:02}"
