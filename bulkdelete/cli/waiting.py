"""Waiting for the person to say that it is enough."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_WATCHED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def signals_to(receive: Callable[[signal.Signals], object]) -> Iterator[None]:
    """While entered, hand SIGINT, SIGTERM and SIGHUP to *receive*, in the running event loop."""
    loop = asyncio.get_running_loop()
    for number in _WATCHED:
        loop.add_signal_handler(number, receive, number)
    try:
        yield
    finally:
        for number in _WATCHED:
            loop.remove_signal_handler(number)


async def until_signalled() -> None:
    """Return when SIGINT, SIGTERM or SIGHUP comes."""
    came = asyncio.Event()
    with signals_to(lambda _: came.set()):
        await came.wait()
