"""The event loop that a command runs on: the only place that chooses one. The library runs on its caller's."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args

import click

from bulkdelete.cli.options import field_of
from bulkdelete.errors import SettingsError
from bulkdelete.settings import EventLoop
from bulkdelete.threads import NOT_STARTED

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

_DESCRIPTORS: Final = 9
"""So many does an event loop of uvloop have when it begins, ..."""
_DESCRIPTORS_OF_A_RUN: Final = 2
"""... and so many of them does it open whenever it runs, and close after it."""
_THREADS: Final = 4 + 4
"""So many threads need uvloop's loop for itself, and a job beside it."""
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


@contextmanager
def runner(wanted: EventLoop) -> Iterator[asyncio.Runner]:
    """Give what runs coroutines on the event loop that is *wanted*, and say in the log which one that is.

    What was run is not lost to a lack of file descriptors or memory at the end, where the loop cannot be closed in
    order.

    Raises:
        SettingsError: uvloop is wanted, and it is not installed, or has too few threads here.

    """
    factory = factory_of(wanted)
    _log.info("the event loop is %s", "asyncio's" if factory is _Asyncios else "uvloop's")
    running = asyncio.Runner(loop_factory=factory)
    try:
        running.get_loop()  # whoever makes a coroutine for it has one that runs
        yield running
    finally:
        with suppress(OSError, MemoryError):
            running.close()


def factory_of(wanted: EventLoop) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes the event loop that is *wanted*; raise as :func:`runner`."""
    factory = None if wanted == "asyncio" else _uvloop()
    if factory is None:
        if wanted == "uvloop":
            raise SettingsError(
                "event_loop: uvloop is not installed, or cannot be used here: pip install 'bulkdelete[fast]', or take "
                "auto or asyncio. Nothing was sent"
            )
        return _Asyncios
    if not _may_start_threads(_THREADS):
        few = f"uvloop's event loop needs {_THREADS} threads, which cannot be started here"
        if wanted == "uvloop":
            raise SettingsError(
                f"event_loop: {few}: let the process have more (such as by its pids limit), or take auto or asyncio. "
                "Nothing was sent"
            )
        _log.warning("%s: asyncio's is taken, which needs fewer", few)
        return _Asyncios
    return factory


def run(work: Callable[[], Coroutine[Any, Any, _Value]], wanted: EventLoop) -> _Value:
    """Run what *work* makes, on the event loop that is *wanted*; return what it comes to.

    Raises:
        SettingsError: as :func:`runner` does.

    """
    with runner(wanted) as running:
        return running.run(work())


class _StartsNoThreadAtItsEnd(asyncio.AbstractEventLoop):
    """A loop that waits itself for its threads to end, where those of the libraries start one more to wait in.

    Where threads have run out, they raise at the end of a job that is done; where memory has, they wait for ever.
    """

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(thread_name_prefix="asyncio")
        self.set_default_executor(self._threads)

    async def shutdown_default_executor(self, *_: object, **__: object) -> None:
        self._threads.shutdown()


class _Asyncios(_StartsNoThreadAtItsEnd, asyncio.SelectorEventLoop): ...


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes an event loop of uvloop, where that is installed."""
    try:
        import uvloop  # noqa: PLC0415 - it need not be there
    except ImportError:
        return None

    class Loop(_StartsNoThreadAtItsEnd, uvloop.Loop):  # type: ignore[misc]  # by its types, it is no loop of asyncio
        """One that knows the time as finely as asyncio's own, and stays whole where descriptors run out."""

        def time(self) -> float:
            return time.monotonic()

        def run_until_complete(self, future: Any) -> Any:  # noqa: ANN401 - as uvloop has it
            try:
                _require_descriptors(_DESCRIPTORS_OF_A_RUN)
            except OSError:
                if asyncio.iscoroutine(future):
                    future.close()
                raise
            return super().run_until_complete(future)

    def made() -> Loop:
        _take_closed_streams()
        _require_descriptors(_DESCRIPTORS)
        loop = Loop()
        _start_threads(loop)
        return loop

    return made


def _start_threads(loop: asyncio.AbstractEventLoop) -> None:
    """Let libuv start the threads that it asks for names in: where it cannot, it ends the process without a word.

    It would do so at the first connection, when perhaps fewer can be started than now.
    """
    loop.run_until_complete(loop.getnameinfo(("127.0.0.1", 0), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV))


def _may_start_threads(count: int) -> bool:
    """Return whether so many threads can be started, by starting them."""
    done = threading.Event()
    started: list[threading.Thread] = []
    try:
        for _ in range(count):
            thread = threading.Thread(target=done.wait)
            thread.start()
            started.append(thread)
    except NOT_STARTED:
        return False
    finally:
        done.set()
        for thread in started:
            thread.join()
    return True


def _require_descriptors(count: int) -> None:
    """Raise ``OSError`` where there are fewer file descriptors: uvloop would break off in its middle."""
    with ExitStack() as opened:
        for _ in range(count):
            opened.callback(os.close, os.open(os.devnull, os.O_RDONLY))


def _take_closed_streams() -> None:
    """Let nothing else get the number of a standard stream that is closed: closing that would end uvloop's process.

    Whoever reads or writes there is refused as before.
    """
    for stream, useless in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_RDONLY)):
        try:
            os.fstat(stream)
        except OSError:
            os.open(os.devnull, useless)  # which takes the lowest number that is free
