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

WATCHED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def signals_to(
    receive: Callable[[signal.Signals], object], watched: tuple[signal.Signals, ...] = WATCHED
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


async def interruptible(
    work: Coroutine[Any, Any, _Value], watched: tuple[signal.Signals, ...] = (signal.SIGINT,)
) -> _Value:
    """Return what *work* comes to; Ctrl-C cancels it, or whichever signal is *watched*.

    The handler that ``asyncio.Runner`` sets does not wake a loop that is asleep where the signal reaches another thread
    or comes just before the sleep: then Ctrl-C is lost. The loop's own handlers have a pipe that wakes it.

    Raises:
        KeyboardInterrupt: one of them came, which is its argument.

    """
    if threading.current_thread() is not threading.main_thread():
        return await work  # no signal is handed to it there
    task = asyncio.ensure_future(work)
    came: list[signal.Signals] = []

    def interrupt(number: signal.Signals) -> None:
        came.append(number)
        task.cancel()

    with signals_to(interrupt, watched):
        try:
            return await task
        except asyncio.CancelledError:
            if came:
                raise KeyboardInterrupt(came[0]) from None
            raise
