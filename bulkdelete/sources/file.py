"""A source that is a file, a FIFO or standard input."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bulkdelete.errors import SourceError
from bulkdelete.records import Rows
from bulkdelete.sources.lines import read_blocks
from bulkdelete.sources.streams import BLOCK_BYTES, open_raw, open_stream
from bulkdelete.sources.threads import from_thread

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Mapping
    from pathlib import Path
    from threading import Event

    from bulkdelete.records import Defect
    from bulkdelete.sources.lines import Block, Lot

_HASHED_AT_ONCE_BYTES = 4 * 1024 * 1024


@dataclass
class FileSource:
    """The rows of the file at *path* (standard input where it is ``None``), as *lots* makes them of its lines.

    *file* is what rows name as their file. It is read *block_bytes* at a time, which rows do not depend on.
    """

    name: str
    path: Path | None
    lots: Callable[[Iterable[Block | Defect]], Iterator[Lot]]
    identity: Mapping[str, str]
    max_line_bytes: int
    replayable: bool
    size_bytes: int | None
    file: str
    block_bytes: int = BLOCK_BYTES
    position_bytes: int = field(default=0, init=False)
    _begun: bool = field(default=False, init=False)

    def blocks(self) -> AsyncGenerator[Rows, None]:
        """Yield the rows; the file is read, and its lines are parsed, in a thread of their own."""
        self._begin()
        return from_thread(self._rows)

    def raw_blocks(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes as they are."""
        self._begin()
        return from_thread(self._bytes)

    async def fingerprint(self) -> str:
        """Return ``sha256:<hex>`` of the file's bytes as they lie on disk, or nothing where they can be read once.

        Raises:
            SourceError: the file cannot be read.

        """
        if not self.replayable:
            return ""
        digest = ""
        async for so_far in from_thread(self._hashed):
            digest = so_far
        return f"sha256:{digest}"

    def _begin(self) -> None:
        if self._begun and not self.replayable:
            raise SourceError(f"{self.name} was read already, and it can be read only once")
        self._begun = True

    def _rows(self, stop: Event) -> Generator[Rows, None, None]:
        row = 0
        try:
            with open_stream(self.path, waits=not self.replayable, stop=stop) as stream:
                for items, lines in self.lots(read_blocks(stream.read, self.block_bytes, self.max_line_bytes)):
                    self.position_bytes = stream.position_bytes
                    yield Rows(row, items, self.file, lines if self.file else ())
                    row += len(items)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(
                f"{self.name}: reading broke off before row {row}: {_said(error)}. The rows before it are whole, and "
                "nothing after them was taken. Mend the file, and run the same command again"
            ) from error

    def _bytes(self, stop: Event) -> Generator[bytes, None, None]:
        try:
            with open_raw(self.path, waits=not self.replayable, stop=stop) as stream:
                while data := stream.read(self.block_bytes):
                    yield data
        except OSError as error:
            raise SourceError(f"{self.name}: reading broke off: {_said(error)}. Nothing was sent") from error

    def _hashed(self, stop: Event) -> Generator[str, None, None]:
        digest, step = hashlib.sha256(), 0
        for data in self._bytes(stop):
            digest.update(data)
            step += len(data)
            if step >= _HASHED_AT_ONCE_BYTES:
                step = 0
                yield ""
        yield digest.hexdigest()


def _said(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
