"""Calls in the event loop's own threads, and what is said where no thread can be started."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.errors import BulkDeleteError

T = TypeVar("T")
NOT_STARTED: Final = (RuntimeError, MemoryError)
"""What is raised where no thread can be started."""
UNSENT: Final = ". Nothing was sent"


def begin(call: Callable[[], T], purpose: str, kind: type[BulkDeleteError], unharmed: str = "") -> asyncio.Future[T]:
    """Begin *call* in a thread, for *purpose*; where none can be started, raise a *kind* of error, and call nothing.

    The error's last words are what is *unharmed*.

    An executor keeps what it found no thread for, and would call it in the next thread that it has: much later, and
    unasked. So each call is made only if it was not called off.
    """
    made: Future[T] = Future()
    try:
        asyncio.get_running_loop().run_in_executor(None, _make, made, partial(copy_context().run, call))
    except NOT_STARTED as error:
        if made.cancel():
            raise kind(no_thread(purpose, error) + unharmed) from error
    return asyncio.wrap_future(made)


async def in_thread(call: Callable[[], T], purpose: str, kind: type[BulkDeleteError], unharmed: str = "") -> T:
    """Return what *call* returns in a thread; raise as :func:`begin` does."""
    return await begin(call, purpose, kind, unharmed)


def no_thread(purpose: str, error: BaseException) -> str:
    """Return what is said where no thread can be started for *purpose*."""
    return (
        f"no thread can be started to {purpose} in: {str(error) or 'there is no memory for one'}. Let the process have "
        f"more threads (such as by its pids limit) or memory, and start again"
    )


def _make(made: Future[T], call: Callable[[], T]) -> None:
    if not made.set_running_or_notify_cancel():
        return
    try:
        made.set_result(call())
    except BaseException as error:  # noqa: BLE001 - whatever it raises is for whoever awaits it
        made.set_exception(error)
        del made  # which the error's traceback would hold
