"""A thread of its own for what blocks, so that the event loop never does."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event
from typing import TYPE_CHECKING, Final, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

T = TypeVar("T")
END_WITHIN_SECONDS: Final = 2.0
"""How long the end of a thread is awaited; one that blocks longer in somebody's iterator ends when that returns."""
_END: Final = object()


class OneThread:
    """One thread, for blocking calls one after another; it starts with the first call.

    Each call is the event loop's ``run_in_executor``, so that the loop decides where it runs.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bulkdelete-source")

    def begin(self, function: Callable[..., T], *args: object) -> asyncio.Future[T]:
        """Begin a call, after those begun before."""
        return asyncio.get_running_loop().run_in_executor(self._pool, function, *args)

    async def call(self, function: Callable[..., T], *args: object) -> T:
        """Return what the call returns, or raise what it raises."""
        return await self.begin(function, *args)

    async def end(self, last: Callable[[], None]) -> None:
        """Let the thread finish the call it is in, make the call *last*, and end; what *last* raises is dropped."""
        ending = self.begin(_quietly, last)
        self._pool.shutdown(wait=False)
        done, _ = await asyncio.wait({ending}, timeout=END_WITHIN_SECONDS)
        if done:
            self._pool.shutdown(wait=True)


async def from_thread(read: Callable[[Event], Generator[T, None, None]]) -> AsyncGenerator[T, None]:
    """Yield what the generator ``read(stop)`` yields in a thread of its own, which reads one step ahead.

    ``stop`` is set when the async generator is closed, at whatever point; the thread has then ended when ``aclose()``
    returns, or, where a step blocks for more than :data:`END_WITHIN_SECONDS`, ends with that step.
    """
    stop = Event()
    reader = read(stop)
    thread = OneThread()
    try:
        ahead = thread.begin(next, reader, _END)
        while (step := await ahead) is not _END:
            ahead = thread.begin(next, reader, _END)
            yield cast("T", step)
    finally:
        stop.set()
        if not ahead.cancel() and not ahead.cancelled():
            ahead.exception()  # what was read ahead is not wanted any more, nor what went wrong in it
        await thread.end(reader.close)


def _quietly(last: Callable[[], None]) -> None:
    with suppress(Exception):
        last()
