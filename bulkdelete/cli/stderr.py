"""Standard error: whoever talks there waits for no reader while an event loop runs, and not for long otherwise.

A terminal after Ctrl-S and a pipe that nobody reads take no more, and a write into them would hold the job, its signals
and its deadline for as long. The descriptor's own mode is not for us to change: the shell and others share it. So a
thread alone writes, and what it has not written yet is kept for it, up to a bound.
"""

from __future__ import annotations

import asyncio
import io
import os
import select
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TextIO

from bulkdelete.threads import NOT_STARTED

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_BYTES_KEPT: Final = 2**22
_MOMENT_SECONDS: Final = 0.02
"""So long may a write hold an event loop, once so much is kept that it would be lost."""
_END_SECONDS: Final = 1.0
"""So long may a reader take nothing before what is kept is not waited for any more."""


class Talk(io.TextIOBase):
    """A stream for talk, over *stream*: what it cannot write is lost, and *told* how many lines that were.

    What is written is shown in order, in lines that no other process writes into. A write outside an event loop is
    done when it returns, so that what is printed elsewhere comes after it, unless nobody reads.
    """

    _is_at_the_end = staticmethod(sys.is_finalizing)
    """Whether the interpreter ends: the last talk is closed when this module's names are gone already."""

    def __init__(self, stream: TextIO, told: Callable[[int], str]) -> None:
        self._stream = stream
        self._told = told
        self._turn = threading.Condition()
        self._begun = ""
        self._kept = bytearray()
        self._has_thread = False
        self._is_closing = False
        self._is_writing = False
        self._steps = 0
        self._steps_in_vain = -1
        self._loses = False
        self._lost_lines = 0

    def write(self, text: str) -> int:
        """Write *text*, as soon as its line is whole or flushed."""
        with self._turn:
            self._begun += text
            if "\n" in text:
                self._keep()
        return len(text)

    def flush(self) -> None:
        """Let what was written be shown, and wait for that outside an event loop."""
        with self._turn:
            self._keep()
            if _may_wait():
                self._wait_for_the_reader()

    def close(self) -> None:
        """Let the thread end once all is written; leave the stream below open, and at the interpreter's end all."""
        if not self._is_at_the_end():
            with self._turn:
                self._is_closing = True
                self._turn.notify_all()

    def isatty(self) -> bool:
        """Return whether a person may be looking."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the descriptor below."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # TextIOBase has an attribute
        """The encoding of the stream below."""
        return self._stream.encoding

    def _keep(self) -> None:
        """Keep what was begun for the thread, or lose it; once something is lost, all is until that has caught up."""
        said, self._begun = self._begun.encode(self.encoding, "backslashreplace"), ""
        if not said:
            return
        if not self._may_have_thread():
            self._write(said)
            return
        if not self._loses:
            self._loses = not self._turn.wait_for(lambda: self._has_room(len(said)), _MOMENT_SECONDS)
        if self._loses:
            self._lost_lines += said.count(b"\n")
        else:
            self._kept += said
            self._turn.notify_all()

    def _has_room(self, count: int) -> bool:
        return not self._kept or len(self._kept) + count <= _MOST_BYTES_KEPT

    def _may_have_thread(self) -> bool:
        """Return whether a thread writes; where none can be started, or runs any more, whoever talks writes."""
        if not self._has_thread and not self._is_at_the_end():
            self._is_closing = False
            with suppress(*NOT_STARTED):
                threading.Thread(target=self._write_all, name="bulkdelete stderr", daemon=True).start()
                self._has_thread = True
        return self._has_thread and not (self._is_at_the_end() and self._is_idle)

    @property
    def _is_idle(self) -> bool:
        return not (self._kept or self._is_writing)

    def _wait_for_the_reader(self) -> None:
        """Wait until all that is kept was written, or nothing is for some time; after that, a moment until some is."""
        while not self._is_idle:
            steps = self._steps
            patience = _MOMENT_SECONDS if steps == self._steps_in_vain else _END_SECONDS
            if not self._turn.wait_for(lambda: self._is_idle or self._steps != steps, patience):  # noqa: B023 - called here
                self._steps_in_vain = steps
                return

    def _write_all(self) -> None:
        while True:
            with self._turn:
                self._is_writing = False
                self._steps += 1
                self._turn.notify_all()
                if self._loses and not self._kept:
                    self._tell_of_the_lost()
                self._turn.wait_for(lambda: self._kept or self._is_closing)
                if not self._kept:
                    self._has_thread = False
                    return
                part = self._next()
                self._is_writing = True
            self._write(part)

    def _tell_of_the_lost(self) -> None:
        if self._lost_lines:
            self._kept += f"{self._told(self._lost_lines)}\n".encode(self.encoding, "backslashreplace")
        self._loses, self._lost_lines = False, 0

    def _next(self) -> bytes:
        """Return whole lines, as many as a pipe takes without those of others between them."""
        part = bytes(self._kept[: select.PIPE_BUF])
        part = part[: part.rfind(b"\n") + 1] or part
        del self._kept[: len(part)]
        return part

    def _write(self, said: bytes) -> None:
        left = memoryview(said)
        with suppress(OSError):
            while left:
                try:
                    left = left[os.write(self.fileno(), left) :]
                except BlockingIOError:  # somebody who shares the descriptor has changed its mode
                    poll = select.poll()
                    poll.register(self.fileno(), select.POLLOUT)
                    poll.poll()


def _may_wait() -> bool:
    """Return whether nothing is held up but what comes next: no event loop, and no other thread of a job."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return threading.current_thread() is threading.main_thread()
    return False
