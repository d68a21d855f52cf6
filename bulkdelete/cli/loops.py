"""The event loop that a command runs on: the only place that chooses one. The library runs on its caller's."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args

import click

from bulkdelete.cli.options import field_of
from bulkdelete.errors import SettingsError
from bulkdelete.settings import EventLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_Value = TypeVar("_Value")

_log: Final = logging.getLogger("bulkdelete.loops")  # beside the command line's talk, which is always shown

loop_option: Final = click.option(
    "--event-loop",
    type=click.Choice(get_args(EventLoop)),
    default="auto",
    show_default=True,
    help=" ".join((field_of("event_loop").description or "").split()),
)
"""The option of the commands that have no settings."""


def runner(wanted: EventLoop) -> asyncio.Runner:
    """Return what runs coroutines on the event loop that is *wanted*, and say in the log which one that is.

    Raises:
        SettingsError: uvloop is wanted, and it is not installed.

    """
    factory = factory_of(wanted)
    _log.info("the event loop is %s", "asyncio's" if factory is None else "uvloop's")
    return asyncio.Runner(loop_factory=factory)


def factory_of(wanted: EventLoop) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the event loop that is *wanted*, or ``None`` for asyncio's own; raise as :func:`runner`."""
    factory = None if wanted == "asyncio" else _uvloop()
    if factory is None and wanted == "uvloop":
        raise SettingsError(
            "event_loop: uvloop is not installed, or cannot be used here: pip install 'bulkdelete[fast]', or take auto "
            "or asyncio. Nothing was sent"
        )
    return factory


def run(work: Callable[[], Coroutine[Any, Any, _Value]], wanted: EventLoop) -> _Value:
    """Run what *work* makes, on the event loop that is *wanted*; return what it comes to.

    Raises:
        SettingsError: as :func:`runner` does.

    """
    with runner(wanted) as running:
        return running.run(work())


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes an event loop of uvloop, where that is installed."""
    try:
        import uvloop  # noqa: PLC0415 - it need not be there
    except ImportError:
        return None

    class Loop(uvloop.Loop):
        """One that knows the time as finely as asyncio's own, and not in whole milliseconds."""

        def time(self) -> float:
            return time.monotonic()

    return Loop
