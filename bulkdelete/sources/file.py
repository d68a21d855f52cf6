"""A source that is a file, a FIFO or standard input."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bulkdelete.errors import RAISE_THE_LIMIT, SourceChanged, SourceError, SourceRefused, is_out_of_files
from bulkdelete.records import Rows
from bulkdelete.sources.ending import Ending
from bulkdelete.sources.lines import read_blocks
from bulkdelete.sources.streams import BLOCK_BYTES, RawStream, open_raw, open_stream
from bulkdelete.sources.threads import STEPS_AT_ONCE, from_thread
from bulkdelete.sources.transcoding import is_utf_8, looks_like_utf_16, transcoded
from bulkdelete.sources.unpacking import DamagedError, is_packed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from threading import Event

    from bulkdelete.sources.lines import Lines, Lot, Read
    from bulkdelete.sources.stamps import Stamp
    from bulkdelete.sources.unpacking import Unpacked

MADE_HARMLESS = "record (made harmless for spreadsheets)"
"""A column of the report for people, whose cells are changed and must not be read back."""
_ZIP, _TAR, _TAR_STANDS_AT = b"PK\x03\x04", b"ustar", 257
_READ_AT_ONCE_BYTES = 256 * 1024
_HEAD_BYTES = 16
_WIDEST_BYTES = 4
"""So many bytes has a line end in UTF-32."""
_HASHED_AT_ONCE_BYTES = 4 * 1024 * 1024


@dataclass
class FileSource:
    """The rows of the file at *path* (standard input where it is ``None``), as *lots* makes them of its lines.

    *file* is what rows name as their file. It is read *block_bytes* at a time, which rows do not depend on.
    """

    name: str
    path: Path | None
    lots: Callable[[Iterable[Lines]], Iterator[Lot]]
    identity: Mapping[str, str]
    max_line_bytes: int
    replayable: bool
    size_bytes: int | None
    file: str
    encoding: str = "utf-8"
    max_expansion: float = 250.0
    block_bytes: int = BLOCK_BYTES
    position_bytes: int = field(default=0, init=False)
    rows_read: int = field(default=0, init=False)
    _stamp: Stamp | None = field(default=None, init=False)
    _begun: bool = field(default=False, init=False)

    @property
    def paths(self) -> tuple[str, ...]:
        """The file's path, as it was given."""
        return () if self.path is None else (self.name,)

    @property
    def parts(self) -> tuple[FileSource]:
        """Itself."""
        return (self,)

    @property
    def files(self) -> tuple[str, ...]:
        """The file that it reads."""
        return () if self.path is None else (str(self.path),)

    def blocks(self) -> AsyncGenerator[Rows, None]:
        """Yield the rows; the file is read, and its lines are parsed, in a thread of their own."""
        return self.blocks_watched_by(Ending())

    def blocks_watched_by(self, ending: Ending) -> AsyncGenerator[Rows, None]:
        """Yield the rows as :meth:`blocks` does, where *ending* knows of other files of its source."""
        self._begin()
        return from_thread(partial(self._rows, ending), STEPS_AT_ONCE if self.replayable else 1)

    def ends_within_a_line(self) -> bool:
        """Return whether the last line has no end; of a packed file, and of one that cannot be read, nobody knows."""
        ends = b""
        for path in self.files:
            with suppress(OSError), Path(path).open("rb") as file:
                packed = is_packed(file.read(_HEAD_BYTES))
                file.seek(max(0, file.seek(0, os.SEEK_END) - (1 if is_utf_8(self.encoding) else _WIDEST_BYTES)))
                ends = b"" if packed else file.read()
        return ends != b"" and not {*ends} & {*b"\r\n"}

    def raw_blocks(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes as they are."""
        self._begin()
        return from_thread(self._bytes)

    async def fingerprint(self) -> str:
        """Return ``sha256:<hex>`` of the file's bytes as they lie on disk, or nothing where they can be read once.

        From then on, :meth:`blocks` refuses to go on when somebody writes to the file. A packed file is unpacked to
        its end, because its checksum stands there.

        Raises:
            SourceError: the file cannot be read, or is damaged.

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

    def _rows(self, ending: Ending, stop: Event) -> Generator[Rows, None, None]:
        row = 0
        try:
            with self._stream(stop) as stream:
                as_it_was = self._stamp or stream.stamp()
                blocks = ending.watched(read_blocks(self._reader(stream), self.block_bytes, self.max_line_bytes))
                for items, lines in ending.lots(self.lots(self._refusing_what_is_no_list(blocks))):
                    self.position_bytes, self.rows_read = stream.position_bytes, row + len(items)
                    self._check_unchanged(stream.stamp(), as_it_was, row)
                    yield Rows(row, items, self.file, lines if self.file else ())
                    row += len(items)
                self._check_unchanged(stream.stamp(), as_it_was, row)
        except (OSError, DamagedError) as error:
            mend = RAISE_THE_LIMIT if is_out_of_files(error) else "mend the file"
            taken = "The rows before it are whole, and nothing after them was taken" if row else "No row was taken"
            raise SourceError(
                f"{self.name}: reading broke off before row {row}: {_said(error)}. "
                f"{taken}. {mend[0].upper()}{mend[1:]}, and run the same command again"
            ) from error

    def _refusing_what_is_no_list(self, blocks: Iterator[Lines]) -> Iterator[Lines]:
        """Yield *blocks*, unless they are an archive, or a report for people, which is known by its first line."""
        for block in blocks:
            if archive := _archive(block.text):
                raise SourceRefused(
                    f"{self.name} is a {archive} archive of files. Nothing was sent. Unpack it, and give what is in it"
                )
            first = block.text.lstrip("\n").partition("\n")[0]
            if MADE_HARMLESS in first:
                raise SourceRefused(
                    f"{self.name}: this is the report for people, whose records are changed for spreadsheets. Nothing "
                    "was sent. Use the JSON Lines output of bulkdelete failures"
                )
            yield block
            if first:
                break
        yield from blocks

    def _bytes(self, stop: Event) -> Generator[bytes, None, None]:
        try:
            with open_raw(self.path, waits=not self.replayable, stop=stop) as stream:
                as_it_was = self._stamp or stream.stamp()
                while data := stream.read(_READ_AT_ONCE_BYTES):
                    yield data
                self._check_unchanged(stream.stamp(), as_it_was, 0)
        except OSError as error:
            raise SourceError(f"{self.name}: reading broke off: {_said(error)}. Nothing was sent") from error

    def _stream(self, stop: Event) -> AbstractContextManager[RawStream | Unpacked]:
        return open_stream(self.path, self.name, self.max_expansion, waits=not self.replayable, stop=stop)

    def _reader(self, stream: RawStream | Unpacked) -> Read:
        if not is_utf_8(self.encoding):
            return transcoded(stream.read, self.encoding, self.name)
        if isinstance(stream, RawStream) and looks_like_utf_16(stream.begins_with):
            raise SourceRefused(f"{self.name} is encoded in UTF-16. Nothing was sent. Say so with --encoding utf-16")
        return stream.read

    def _check_unchanged(self, stamp: Stamp, as_it_was: Stamp, row: int) -> None:
        if self.replayable and stamp != as_it_was:
            raise SourceChanged(
                f"{self.name} was written to, or replaced, while it was read, at row {row} or after. Nothing was sent "
                "from there on. Give the source as it was, or start a new ledger"
            )

    def _unpacked(self, stop: Event) -> Generator[str, None, None]:
        """Read the file to its end once, yielding nothing of it, where it is packed."""
        try:
            with self._stream(stop) as stream:
                self._stamp = stream.stamp()
                while not isinstance(stream, RawStream) and stream.read(_READ_AT_ONCE_BYTES):
                    yield ""
        except (OSError, DamagedError) as error:
            raise SourceError(
                f"{self.name} is damaged, and cannot be unpacked to its end: {_said(error)}. Nothing was sent. Get the "
                "file anew"
            ) from error

    def _hashed(self, stop: Event) -> Generator[str, None, None]:
        yield from self._unpacked(stop)
        digest, step = hashlib.sha256(), 0
        for data in self._bytes(stop):
            digest.update(data)
            step += len(data)
            if step >= _HASHED_AT_ONCE_BYTES:
                step = 0
                yield ""
        yield digest.hexdigest()


def _archive(beginning: str) -> str:
    """Return what kind of archive begins so, if one does; a spreadsheet's file is a zip archive, too."""
    raw = beginning[: _TAR_STANDS_AT + len(_TAR)].encode("utf-8", "surrogateescape")
    if raw.startswith(_ZIP):
        return "zip"
    return "tar" if raw.startswith(_TAR, _TAR_STANDS_AT) else ""


def _said(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
