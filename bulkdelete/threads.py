"""Calls in the event loop's own threads, and what is said where no thread can be started."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.errors import BulkDeleteError

T = TypeVar("T")
NOT_STARTED: Final = (RuntimeError, MemoryError)
"""What is raised where no thread can be started."""
NO_THREAD: Final = "can't start new thread"
"""What Python says then, where it is not for a lack of memory."""
UNSENT: Final = ". Nothing was sent"
_WAIT_SECONDS: Final = 0.5
"""So long may a thread that there is already take to be free for a call, where no other can be started."""


def begin(call: Callable[[], T], purpose: str, kind: type[BulkDeleteError], unharmed: str = "") -> asyncio.Future[T]:
    """Begin *call* in a thread, for *purpose*; where none can be started, that ends with a *kind* of error.

    The error's last words are what is *unharmed*. An executor keeps the calls that it found no thread for, and makes
    them in the next one that it has: much later, and unasked. So each of these is made only if it was not given up.
    """
    made: Future[T] = Future()
    begun = Lock()
    loop = asyncio.get_running_loop()
    try:
        loop.run_in_executor(None, _make, begun, made, partial(copy_context().run, call))
    except NOT_STARTED as error:
        loop.call_later(_WAIT_SECONDS, _give_up, begun, made, kind(no_thread(purpose, error) + unharmed))
    return asyncio.wrap_future(made)


async def in_thread(call: Callable[[], T], purpose: str, kind: type[BulkDeleteError], unharmed: str = "") -> T:
    """Return what *call* returns in a thread; raise as :func:`begin` says."""
    return await begin(call, purpose, kind, unharmed)


def no_thread(purpose: str, error: BaseException) -> str:
    """Return what is said where no thread can be started for *purpose*."""
    return (
        f"no thread can be started to {purpose} in: {str(error) or 'there is no memory for one'}. Let the process have "
        "more threads (such as by its pids limit) or memory, and start again"
    )


def _make(begun: Lock, made: Future[T], call: Callable[[], T]) -> None:
    if not begun.acquire(blocking=False) or not made.set_running_or_notify_cancel():
        return
    try:
        made.set_result(call())
    except BaseException as error:  # noqa: BLE001 - whatever it raises is for whoever awaits it
        made.set_exception(error)
        del made  # which the error's traceback would hold


def _give_up(begun: Lock, made: Future[T], error: BulkDeleteError) -> None:
    if begun.acquire(blocking=False) and made.set_running_or_notify_cancel():
        made.set_exception(error)
