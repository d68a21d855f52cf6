"""The bytes of a file, a FIFO or standard input, unpacked where they are packed; all of it blocking.

Every wait ends soon after ``stop`` is set, so that a reader's thread can always be ended.
"""

from __future__ import annotations

import os
import select
import sys
from contextlib import ExitStack, contextmanager
from io import FileIO
from typing import TYPE_CHECKING, Final

from bulkdelete.sources.stamps import stamp_of
from bulkdelete.sources.unpacking import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from threading import Event

    from bulkdelete.sources.stamps import Stamp
    from bulkdelete.sources.unpacking import Unpacked

BLOCK_BYTES: Final = 64 * 1024
"""Reading them takes a thread a millisecond, for which the event loop may have to wait."""
_LOOK_AT_STOP_MILLISECONDS: Final = 50
_STANDARD_INPUT: Final = 0
_WITHOUT_WAITING_FOR_A_WRITER: Final = os.O_NONBLOCK if sys.platform == "linux" else 0


class RawStream:
    """The bytes of *file* as they are; *waits* says that a read may wait for somebody else, as on a FIFO."""

    def __init__(self, file: FileIO, *, waits: bool, stop: Event) -> None:
        self._file = file
        self._stop = stop
        self._poll = select.poll() if waits else None
        if self._poll is not None:
            self._poll.register(file, select.POLLIN)
        self._head = b""
        self.position_bytes = 0
        """How many bytes have been read."""

    def read(self, most_bytes: int) -> bytes:
        """Return up to *most_bytes* bytes, at least one unless the stream has ended.

        Raises:
            InterruptedError: ``stop`` was set.
            OSError: the system's own.

        """
        if self._head:
            head, self._head = self._head[:most_bytes], self._head[most_bytes:]
            return head
        while True:
            self._wait()
            data = self._file.read(most_bytes)
            if data is not None:  # None: there was nothing to read after all
                self.position_bytes += len(data)
                return data

    def stamp(self) -> Stamp:
        """Return what changes when somebody writes to the file, or puts another one in its place."""
        return stamp_of(self._file.fileno())

    def begins_with(self, magic: bytes) -> bool:
        """Return whether the bytes begin with *magic*; they can still all be read."""
        while len(self._head) < len(magic) and magic.startswith(self._head):
            head, self._head = self._head, b""
            more = self.read(BLOCK_BYTES)
            self._head = head + more
            if not more:
                break
        return self._head.startswith(magic)

    def _wait(self) -> None:
        ready = self._poll is None
        while not self._stop.is_set():
            if ready or (self._poll is not None and self._poll.poll(_LOOK_AT_STOP_MILLISECONDS)):
                return
        raise InterruptedError("the reading was stopped")


@contextmanager
def open_raw(path: Path | None, *, waits: bool, stop: Event) -> Iterator[RawStream]:
    """Open *path*, or standard input where it is ``None``, as raw bytes."""
    with ExitStack() as opened:
        if path is None:
            file = FileIO(_STANDARD_INPUT, closefd=False)
        else:
            file = opened.enter_context(FileIO(path, opener=_open_without_waiting if waits else None))
        yield RawStream(file, waits=waits, stop=stop)


@contextmanager
def open_stream(
    path: Path | None, name: str, max_expansion: float, *, waits: bool, stop: Event
) -> Iterator[RawStream | Unpacked]:
    """Open *path*, or standard input where it is ``None``, unpacked where it is packed; errors call it *name*."""
    with open_raw(path, waits=waits, stop=stop) as raw:
        yield unpacked(raw, name, max_expansion) or raw


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | _WITHOUT_WAITING_FOR_A_WRITER)
