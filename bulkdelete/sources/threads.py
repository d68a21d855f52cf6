"""A thread of its own for what blocks, so that the event loop never does."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from threading import Event
from typing import TYPE_CHECKING, Final, TypeVar

from bulkdelete.errors import SourceError
from bulkdelete.threads import NOT_STARTED, no_thread

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator

T = TypeVar("T")
END_WITHIN_SECONDS: Final = 2.0
"""How long the end of a thread is awaited; one that blocks longer in somebody's iterator ends when that returns."""
STEPS_AT_ONCE: Final = 4
SECONDS_AT_ONCE: Final = 0.0003
"""So many steps at most, begun in so short a time, are made in one call: what a call costs may be more than they do."""


class OneThread:
    """One thread, for blocking calls one after another; it starts with the first call.

    Each call is the event loop's ``run_in_executor``, so that the loop decides where it runs. All of them see the
    context variables of whoever made it, in one copy, so that what a generator sets at one step is there at the next.
    """

    def __init__(self) -> None:
        self._context = copy_context()
        self._is_begun = False
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bulkdelete-source")

    def begin(self, function: Callable[..., T], *args: object) -> asyncio.Future[T]:
        """Begin a call, after those begun before.

        Raises:
            SourceError: no thread can be started, and the call is not made.

        """
        loop = asyncio.get_running_loop()
        try:
            begun = loop.run_in_executor(self._pool, self._context.run, function, *args)
        except NOT_STARTED as error:
            raise SourceError(no_thread("read the source", error)) from error
        self._is_begun = True
        return begun

    async def call(self, function: Callable[..., T], *args: object) -> T:
        """Return what the call returns, or raise what it raises."""
        return await self.begin(function, *args)

    async def end(self, last: Callable[[], None]) -> None:
        """Let the thread finish the call it is in, make the call *last*, and end; what *last* raises is dropped.

        Where no thread was started there is nothing to end, and *last* is not called.
        """
        if not self._is_begun:
            return
        ending = self.begin(_quietly, last)
        self._pool.shutdown(wait=False)
        done, _ = await asyncio.wait({ending}, timeout=END_WITHIN_SECONDS)
        if done:
            self._pool.shutdown(wait=True)


async def from_thread(
    read: Callable[[Event], Generator[T, None, None]], steps_at_once: int = 1
) -> AsyncGenerator[T, None]:
    """Yield what the generator ``read(stop)`` yields in a thread of its own, which reads some steps ahead.

    With more than one of *steps_at_once*, what a generator has may be kept back while it waits for somebody else.

    ``stop`` is set when the async generator is closed, at whatever point; the thread has then ended when ``aclose()``
    returns, or, where a step blocks for more than :data:`END_WITHIN_SECONDS`, ends with that step.
    """
    stop = Event()
    reader = read(stop)
    thread = OneThread()
    ahead = thread.begin(_steps, reader, steps_at_once)
    try:
        going_on = True
        while going_on:
            steps, going_on, error = await ahead
            if going_on:
                ahead = thread.begin(_steps, reader, steps_at_once)
            for step in steps:
                yield step
            if error is not None:
                raise error
    finally:
        stop.set()
        ahead.cancel()  # what was read ahead is not wanted any more, nor what went wrong in it
        await thread.end(reader.close)


def _steps(reader: Iterator[T], most: int) -> tuple[list[T], bool, BaseException | None]:
    """Return what *reader* gives next, whether there may be more, and what it raised after that."""
    steps: list[T] = []
    until = time.monotonic() + SECONDS_AT_ONCE
    try:
        for step in reader:
            steps.append(step)
            if len(steps) >= most or time.monotonic() >= until:
                return steps, True, None
    except BaseException as error:  # noqa: BLE001 - what somebody's iterator raises, its reader gets
        return steps, False, error
    return steps, False, None


def _quietly(last: Callable[[], None]) -> None:
    with suppress(Exception):
        last()
