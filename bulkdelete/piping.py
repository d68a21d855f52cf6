"""A program that is started, and pipes to and from it, the same on every event loop.

Those that an event loop makes itself may be sockets, as uvloop's are: a program cannot open ``/dev/stdin`` or
``/dev/stderr`` then, and one that ends before it is written to is an error. What uvloop starts also has copies of our
standard streams open, and what it leaves running keeps whoever reads those from their end.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

UNKNOWN: Final = 255
"""The exit code of a program that has ended, and nobody can tell how."""
_MOST_BYTES_IN_ONE_READ: Final = 2**16
_LOOK_SECONDS: Final = 0.02


class Pipe:
    """A pipe of which the program gets one end, ``reading`` or ``writing``; both are closed at the end of ``with``.

    Raises:
        OSError: there can be no more.

    """

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self._open = {self.reading, self.writing}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close(self.reading)
        self._close(self.writing)

    async def feed(self, data: bytes) -> None:
        """Write *data*, and no more, to the program that was started; what it does not read is lost."""
        self._close(self.reading)
        left = memoryview(data)

        def write() -> bool:
            nonlocal left
            left = left[os.write(self.writing, left) :]
            return not left

        loop = asyncio.get_running_loop()
        await _until(write, self.writing, loop.add_writer, loop.remove_writer)
        self._close(self.writing)

    async def drain(self, most: int, *, reads_on: bool = False) -> bytes:
        """Return what the program that was started, and those that it starts, write until the last has ended.

        Of more than *most* bytes so many are returned, and one more. Whether it *reads on* then is for whoever waits
        for their end: they come to none before somebody has read what they write.
        """
        self._close(self.writing)
        came = bytearray()

        def read() -> bool:
            part = os.read(self.reading, _MOST_BYTES_IN_ONE_READ)
            came.extend(part[: most + 1 - len(came)])
            return not part or (len(came) > most and not reads_on)

        loop = asyncio.get_running_loop()
        await _until(read, self.reading, loop.add_reader, loop.remove_reader)
        return bytes(came)

    def _close(self, end: int) -> None:
        if end in self._open:
            self._open.remove(end)
            os.close(end)


class Program:
    """The program *words*, which runs with three streams, descriptors or what :mod:`subprocess` takes, and no more.

    Where it is *apart*, it leads a session of its own, which has no terminal. Whoever starts it waits for its end.

    Raises:
        OSError: it cannot be started.

    """

    def __init__(
        self,
        words: Sequence[str],
        streams: tuple[int, int | None, int | None],
        env: Mapping[str, str] | None = None,
        *,
        apart: bool = False,
    ) -> None:
        stdin, stdout, stderr = streams
        self._apart = apart
        self._process = subprocess.Popen(  # noqa: S603 - the operator's own words
            words, stdin=stdin, stdout=stdout, stderr=stderr, env=env, start_new_session=apart
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """What it ended with, a signal's number below zero; ``None`` while it runs, :data:`UNKNOWN` if nobody can tell.

        Where a process ignores ``SIGCHLD``, or waits for children of others, :mod:`subprocess` makes that a 0.
        """
        if self._process.returncode is None:
            try:
                ended, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self._process.returncode = UNKNOWN
            else:
                self._process.returncode = os.waitstatus_to_exitcode(status) if ended else None
        return self._process.returncode

    def kill(self) -> None:
        """End it at once, if it runs; where it is *apart* and was not awaited yet, with all that it has started."""
        with suppress(ProcessLookupError):  # it may end meanwhile, and be reaped by the system
            if self._apart and self._process.returncode is None:
                os.killpg(self.pid, signal.SIGKILL)  # of what was awaited, the number may be another's
            elif self.exit_code is None:
                os.kill(self.pid, signal.SIGKILL)

    async def wait(self) -> int:
        """Return its exit code, once it has ended."""
        with suppress(AttributeError, OSError):  # not on Linux, or this one cannot be looked at
            if self.exit_code is None:  # else its number may be another's
                await self._until_readable(os.pidfd_open(self.pid))
        while self.exit_code is None:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(_LOOK_SECONDS)
        return self.exit_code

    async def _until_readable(self, end: int) -> None:
        """Wait until *end*, a descriptor of the process, says that it has ended, and close that."""
        loop = asyncio.get_running_loop()
        try:
            await _until(lambda: self.exit_code is not None, end, loop.add_reader, loop.remove_reader)
        finally:
            os.close(end)


def has_terminal() -> bool:
    """Return whether there is a terminal that a program which is not apart may ask at."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


async def _until(
    has_ended: Callable[[], bool],
    end: int,
    add: Callable[[int, Callable[[], None]], None],
    remove: Callable[[int], bool],
) -> None:
    """Call *has_ended* whenever the *end* of a pipe is ready, until it returns true or the other end is closed."""
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def go_on() -> None:
        try:
            over = has_ended()
        except BlockingIOError:
            return
        except OSError:
            over = True
        if over and not ended.done():
            ended.set_result(None)

    os.set_blocking(end, False)
    add(end, go_on)
    try:
        await ended
    finally:
        remove(end)
