"""What hangs is a failure that says what it was: a seed that never ends is told like one that breaks a promise."""

from __future__ import annotations

import faulthandler
import os
import signal
import tempfile
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType

A = TypeVar("A")
T = TypeVar("T")
LONGEST_SECONDS = 30.0
AGAIN_SECONDS = 3.0
_told_to: list[IO[str]] = []


class Hangs(KeyboardInterrupt):
    """It takes too long. No task and no ``except Exception`` keeps it: it ends the loop that it comes up in."""


@contextmanager
def bounded(what: str, seconds: float = LONGEST_SECONDS) -> Iterator[None]:
    """Raise :class:`Hangs` after *seconds* in here, and again while that is not heeded.

    Where that does not help, because nothing of Python runs any more, a process of :func:`in_processes` ends, and
    *what* is told.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def hang(_: int, frame: FrameType | None) -> None:
        raise Hangs(f"{what} takes more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, hang)
    _say(what, seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if _told_to:
            faulthandler.cancel_dump_traceback_later()


def in_processes(call: Callable[[A], T], arguments: Iterable[A], processes: int) -> Iterator[T]:
    """Yield what *call* returns for each of *arguments*, as it comes, from so many processes.

    Where one of those dies, or hangs so that it has to end, ``RuntimeError`` says what it was about. What no process
    can be given raises what ``pickle`` says of it, before there is any: a pool that meets it does not end.
    """
    arguments = [*arguments]
    for argument in arguments:
        ForkingPickler.dumps((call, argument))
    with (
        tempfile.TemporaryDirectory(prefix="hanging-") as folder,
        ProcessPoolExecutor(processes, get_context("spawn"), _begin, (folder,)) as pool,
    ):
        try:
            for future in as_completed([pool.submit(call, argument) for argument in arguments]):
                yield future.result()
        except BrokenProcessPool:
            told = [file.read_text() for file in sorted(Path(folder).iterdir())]
            raise RuntimeError("a process has died; they were about\n" + "\n".join(told)) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(folder: str) -> None:
    _told_to.append((Path(folder) / str(os.getpid())).open("w"))
    faulthandler.enable(_told_to[0])
    threading.Thread(target=_end_with_the_campaign, daemon=True).start()


def _end_with_the_campaign() -> None:
    campaign = parent_process()
    if campaign is not None:
        campaign.join()
        os._exit(1)


def _say(what: str, seconds: float) -> None:
    for file in _told_to:
        file.seek(0)
        file.truncate()
        print(what, file=file, flush=True)
        faulthandler.dump_traceback_later(2 * seconds, exit=True, file=file)
