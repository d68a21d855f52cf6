"""A copy, beside the ledger, of what can be read only once: whole and synced before the first row is taken from it."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from bulkdelete.errors import SourceError
from bulkdelete.sources.file import FileSource
from bulkdelete.sources.spool_lines import spool_lines, spooled_lots
from bulkdelete.sources.threads import OneThread

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from bulkdelete.sources.source import Source


async def spooled(source: Source, path: Path) -> Source:
    """Return a replayable source of the same rows, name and identity that reads from *path*.

    What can be read only once is first written there whole and synced, readable by its owner only; where *path* is
    there already, an earlier run has done that, and *source* is not read. A replayable source is returned as it is.

    Raises:
        SourceError: *source* broke, or the spool could not be written; there is no file at *path* then.

    """
    if source.replayable:
        return source
    thread, spool = OneThread(), _Spool(path)
    try:
        if not await thread.call(spool.is_finished):
            async with aclosing(_contents(source)) as contents:
                await thread.call(spool.begin)
                async for data in contents:
                    await thread.call(spool.write, data)
            await thread.call(spool.finish)
        size_bytes = await thread.call(_size_bytes, path)
    except OSError as error:
        raise SourceError(
            f"{source.name} could not be spooled to {path}: {error.strerror or error}. Nothing was sent. Make room, or "
            "put the ledger elsewhere, and start again"
        ) from error
    finally:
        await thread.end(spool.abandon)
    if isinstance(source, FileSource):
        return replace(source, path=path, replayable=True, size_bytes=size_bytes)
    return FileSource(
        name=source.name,
        path=path,
        lots=spooled_lots,
        identity=source.identity,
        max_line_bytes=sys.maxsize,
        replayable=True,
        size_bytes=size_bytes,
        file="",
    )


async def _contents(source: Source) -> AsyncGenerator[bytes, None]:
    if isinstance(source, FileSource):
        async with aclosing(source.raw_blocks()) as blocks:
            async for data in blocks:
                yield data
        return
    async with aclosing(source.blocks()) as blocks_of_rows:
        async for rows in blocks_of_rows:
            yield spool_lines(rows.items)


def put_in_place(fresh: Path, path: Path) -> None:
    """Give *fresh* the name *path*, durably, whatever has that name now; blocks."""
    fresh.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class _Spool:
    """The file at *path*, which is called otherwise until it is whole; every method blocks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}.partial")
        self._file: int | None = None

    def is_finished(self) -> bool:
        """Return whether an earlier run has written it whole; raise OSError where something else is there."""
        try:
            mode = self._path.lstat().st_mode
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(mode):
            raise OSError(0, "there is something else than a file")
        return True

    def begin(self) -> None:
        """Start anew, whatever an earlier run has left unfinished."""
        self._partial.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(self._partial, flags, 0o600)

    def write(self, data: bytes) -> None:
        """Append *data*."""
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def finish(self) -> None:
        """Make it durable, then give it its name, durably."""
        os.fsync(self._descriptor)
        self._close()
        put_in_place(self._partial, self._path)

    def abandon(self) -> None:
        """Drop what was begun and not finished, if anything was."""
        if self._file is not None:
            self._close()
            self._partial.unlink(missing_ok=True)

    @property
    def _descriptor(self) -> int:
        if self._file is None:
            raise OSError(0, "it was not begun")
        return self._file

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def _size_bytes(path: Path) -> int:
    return path.stat().st_size
