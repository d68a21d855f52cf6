"""The source of a ledger read again beside it: its rows range by range, and the records of those left over."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from bulkdelete.copying import spool_of
from bulkdelete.digest import digest
from bulkdelete.errors import SettingsError, SourceChanged, SourceError
from bulkdelete.ledger.facts import SOURCE_PATH
from bulkdelete.records import Defect, Fate, RowFate
from bulkdelete.resuming import is_of_files, open_again, read_once
from bulkdelete.sources import spooled

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence

    from bulkdelete.ledger import LedgerReader
    from bulkdelete.ledger.reading import Left
    from bulkdelete.records import Item, Rows, StoredRange
    from bulkdelete.sources import Source

_REASONS: Final = {
    Fate.UNRESOLVED: "perhaps sent, no final answer",
    Fate.PENDING: "read, certainly not sent",
}
_SAY_WHERE: Final = "Say where the source is now with --source FILE"
_CALL_AGAIN: Final = "Make the call again with the same records and this ledger: it sends what is left"


async def open_rows(reader: LedgerReader, source_path: str | None) -> AsyncIterator[RowFate]:
    """Yield the unresolved and pending rows of a ledger; *source_path* is where the source is now, if it was moved.

    Raises:
        SettingsError: the source is gone; the message names the ranges that are left.
        SourceChanged: the source is not the one that the ledger knows.

    """
    if next(iter(reader.open_ranges()), None) is None:
        return
    source = await _source(reader, source_path)
    async with aclosing(source.blocks()) as blocks:
        window = Window(blocks)
        for left in reader.open_ranges():
            stored = left.stored
            await window.move_to(stored)
            if digest(window.items) != stored.digest:
                raise SourceChanged(
                    f"{source.name}: rows {stored.first_row} to {stored.end_row - 1} are not those that the ledger "
                    "knows. Give the source as it was with --source"
                )
            for row_fate in window.open_rows(left):
                yield row_fate


class Window:
    """The rows of one range at a time, of a source that is read once from front to end."""

    def __init__(self, blocks: AsyncGenerator[Rows, None]) -> None:
        self._blocks = blocks
        self._read: list[Rows] = []
        self.end_row = 0
        """The row after the last one that was read."""
        self.items: Sequence[Item] = []

    async def move_to(self, stored: StoredRange) -> None:
        """Read on until ``items`` are the rows of *stored*, fewer where the source ends before."""
        self._read = [rows for rows in self._read if _end(rows) > stored.first_row]
        while self.end_row < stored.end_row and await self._read_on():
            self._read = [rows for rows in self._read if _end(rows) > stored.first_row]
        parts = [rows.items[_within(rows, stored)] for rows in self._read]
        self.items = parts[0] if len(parts) == 1 else [item for part in parts for item in part]

    def at(self, row: int) -> tuple[Item, str, int | None]:
        """Return what stands at *row*, which is one of the range's, with its file and line."""
        rows = next(rows for rows in self._read if row < _end(rows))
        index = row - rows.first_row
        return rows.items[index], rows.file, rows.lines[index] if rows.lines else None

    async def goes_on_after(self, row: int) -> bool:
        """Return whether the source has *row*, or any after it."""
        while self.end_row <= row and await self._read_on():
            self._read.clear()
        return self.end_row > row

    async def _read_on(self) -> bool:
        rows = await anext(self._blocks, None)
        if rows is None:
            return False
        self._read.append(rows)
        self.end_row = _end(rows)
        return True

    def open_rows(self, left: Left) -> Iterator[RowFate]:
        """Yield the rows of *left* that have no final fate."""
        stored, reason = left.stored, left.message or _REASONS[left.fate]
        closed = stored.set_aside_rows.union(*stored.settled)
        for rows in self._read:
            part = _within(rows, stored)
            for index in range(part.start, part.stop):
                row, item = rows.first_row + index, rows.items[index]
                if row not in closed and not isinstance(item, Defect):
                    line = rows.lines[index] if rows.lines else None
                    yield RowFate(row, left.fate, reason, item, rows.file, line, left.code, left.request_id)


def _end(rows: Rows) -> int:
    return rows.first_row + len(rows.items)


def _within(rows: Rows, stored: StoredRange) -> slice:
    first = max(0, stored.first_row - rows.first_row)
    return slice(first, max(first, min(len(rows.items), stored.end_row - rows.first_row)))


async def _source(reader: LedgerReader, given: str | None) -> Source:
    spool = spool_of(reader.path)
    try:
        if given is None and SOURCE_PATH not in reader.facts and spool.exists():
            return await spooled(read_once(reader.facts), spool)
        return open_again(reader.facts, given)
    except SourceError as error:
        ranges = ", ".join(f"{stored.first_row}..{stored.end_row}" for stored, *_ in reader.open_ranges())
        then = _SAY_WHERE if is_of_files(reader.facts) else _CALL_AGAIN
        raise SettingsError(
            f"the ids of the rows left over cannot be read again: {error}. The rows are first_row..end_row {ranges}. "
            f"{then}"
        ) from None
