"""Waiting, and hearing the person who says that it is enough."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

_Value = TypeVar("_Value")

_WATCHED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def signals_to(
    receive: Callable[[signal.Signals], object], watched: tuple[signal.Signals, ...] = _WATCHED
) -> Iterator[None]:
    """While entered, hand the *watched* signals to *receive*, in the running event loop.

    What is ignored, as nohup and a shell's background jobs have it, stays ignored.
    """
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in watched}
    heard = [number for number in watched if before[number] is not signal.SIG_IGN]
    for number in heard:
        loop.add_signal_handler(number, receive, number)
    try:
        yield
    finally:
        for number in heard:
            loop.remove_signal_handler(number)
            if number is not signal.SIGINT:  # of which the loop has put back Python's own
                signal.signal(number, before[number])


async def until_signalled() -> None:
    """Return when SIGINT, SIGTERM or SIGHUP comes."""
    came = asyncio.Event()
    with signals_to(lambda _: came.set()):
        await came.wait()


async def interruptible(work: Coroutine[Any, Any, _Value]) -> _Value:
    """Return what *work* comes to; Ctrl-C cancels it.

    The handler that ``asyncio.Runner`` sets does not wake a loop that is asleep where the signal reaches another thread
    or comes just before the sleep: then Ctrl-C is lost. The loop's own handlers have a pipe that wakes it.

    Raises:
        KeyboardInterrupt: SIGINT came.

    """
    if threading.current_thread() is not threading.main_thread():
        return await work  # no signal is handed to it there
    task = asyncio.ensure_future(work)
    came = False

    def interrupt(_: signal.Signals) -> None:
        nonlocal came
        came = True
        task.cancel()

    with signals_to(interrupt, (signal.SIGINT,)):
        try:
            return await task
        except asyncio.CancelledError:
            if came:
                raise KeyboardInterrupt from None
            raise
