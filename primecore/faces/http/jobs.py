"""Work that may take longer than a blink, in threads, so that the server goes on answering. Knows no store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from primecore.faces.http.settings import Settings
from primecore.faces.http.wire import Refusal

T = TypeVar("T")
_AGAIN = [(b"retry-after", b"1")]


class Slots:
    """A bounded number of places: `with slots:` takes one or raises Refusal."""

    def __init__(self, most: int, what: str) -> None:
        self._most, self._what = most, what
        self.taken = 0

    def __enter__(self) -> None:
        if self.taken >= self._most:
            raise Refusal("too_busy", f"{self._taken()} already", "try again in a second", _AGAIN)
        self.taken += 1

    def _taken(self) -> str:
        return f"{self._most:,} {self._what} are open"

    def __exit__(self, *_: object) -> None:
        self.taken -= 1


class Jobs:
    """Two pools of threads: one for questions and short writes, one for bulk. Who finds the queue full is told so."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._short = ThreadPoolExecutor(settings.threads, thread_name_prefix="prime-http")
        self._bulk = ThreadPoolExecutor(settings.bulk_threads, thread_name_prefix="prime-bulk")
        self.waiting = 0

    async def write(self, function: Callable[..., T], *arguments: Any) -> T:
        """Runs a write to its end: what it did is told, however long it took."""
        return await self._submit(self._short, function, arguments)

    async def bulk(self, function: Callable[..., T], *arguments: Any) -> T:
        """Runs a long write to its end, beside the short ones."""
        return await self._submit(self._bulk, function, arguments)

    async def read(self, function: Callable[..., T], *arguments: Any) -> T:
        """Runs a question. Raises Refusal when it takes too long; its thread ends when the answer is there."""
        future = self._submit(self._short, function, arguments)
        try:
            async with asyncio.timeout(self._settings.read_seconds):
                return await asyncio.shield(future)
        except TimeoutError:
            if future.done():
                return future.result()
            future.add_done_callback(_forget)
            raise Refusal(
                "timed_out",
                f"no answer within {self._settings.read_seconds:g} s",
                "ask for less: a smaller depth, limit or range",
            ) from None

    def _submit(
        self, pool: ThreadPoolExecutor, function: Callable[..., T], arguments: tuple[Any, ...]
    ) -> asyncio.Future[T]:
        if self.waiting >= self._settings.threads + self._settings.waiting:
            raise Refusal("too_busy", f"{self.waiting:,} requests are being worked on", "try again in a second", _AGAIN)
        self.waiting += 1
        future = asyncio.get_running_loop().run_in_executor(pool, function, *arguments)
        future.add_done_callback(self._done)
        return future

    def _done(self, _: object) -> None:
        self.waiting -= 1

    def close(self) -> None:
        """Waits for what is running; what has not begun is dropped."""
        self._short.shutdown(cancel_futures=True)
        self._bulk.shutdown(cancel_futures=True)


def _forget(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()  # looked at, or asyncio complains that nobody did
