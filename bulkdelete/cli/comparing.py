"""The source beside its ledger: whether every row is still the one that the ledger's digests stand for."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bulkdelete.cli.rereading import Window
from bulkdelete.digest import digest
from bulkdelete.errors import SourceError
from bulkdelete.identities import with_default_column
from bulkdelete.ledger import LONGEST_RANGE, same_record
from bulkdelete.ledger.facts import SOURCE_PATH, SOURCE_ROWS, SPOOL
from bulkdelete.records import Defect, Fate, Filter
from bulkdelete.sources import FILES, STANDARD_INPUT
from bulkdelete.terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from bulkdelete.ledger import Event, LedgerReader, Problems
    from bulkdelete.records import Item, Record, RowFate, StoredRange
    from bulkdelete.sources import Source

_IDENTITY: Final = "identity.source "
_CONTENT: Final = f"{_IDENTITY}content"


async def compare(
    reader: LedgerReader, source: Source, facts: Mapping[str, str], problems: Problems, names: Collection[str] = ()
) -> None:
    """Read *source* to its end, or to where the ledger's ranges end, and tell *problems* what of it is not as stored.

    *facts* are those of the ledger, and *names* what :func:`names_of` says. A source that cannot be read to there is a
    problem too.
    """
    comparing = _Comparing(source, problems, names)
    comparing.look_at_identity(facts)
    try:
        await comparing.look_at_content(facts)
        async with aclosing(source.blocks()) as blocks:
            await comparing.look_at_rows(Window(blocks), reader, facts)
    except SourceError as error:
        problems.add(f"the source cannot be read again: {error}")


def names_of(facts: Mapping[str, str], events: Iterable[Event]) -> set[str]:
    """Return the names that a ledger's only file had, one run and another; none where it was not kept of each run."""
    of_runs = [event.detail.get("source") for event in events if event.kind == "settings"]
    paths = [path for told in of_runs if isinstance(told, dict) for path in told.get("path") or ()]
    if not paths:
        return set()
    known = (STANDARD_INPUT if path == "-" else str(path) for path in [*paths, facts.get(SOURCE_PATH, "")])
    return {Path(path).name for path in known}


class _Comparing:
    """One comparison of *source* with its ledger."""

    def __init__(self, source: Source, problems: Problems, names: Collection[str]) -> None:
        self._source = source
        self._names = names
        self._several = FILES in source.identity
        self._say = problems.add

    def look_at_identity(self, facts: Mapping[str, str]) -> None:
        stored = {key.removeprefix(_IDENTITY): value for key, value in facts.items() if key.startswith(_IDENTITY)}
        stored.pop("content", None)
        stored = with_default_column(stored)
        for key in sorted({*stored, *self._source.identity}):
            is_now, was = self._source.identity.get(key), stored.get(key)
            if is_now != was:
                self._say(f"the source's {key}: it is {is_now or 'none'}, and was {was or 'none'}")

    async def look_at_content(self, facts: Mapping[str, str]) -> None:
        was = facts.get(_CONTENT) or facts.get(SPOOL)
        is_now = await self._source.fingerprint()
        if was and is_now and is_now != was:
            self._say(f"the source's content: it is {is_now}, and was {was}")

    async def look_at_rows(self, window: Window, reader: LedgerReader, facts: Mapping[str, str]) -> None:
        end_row = 0
        kept = _Kept(reader.readable_failures())
        for stored in reader.ranges():
            if 0 < stored.end_row - stored.first_row <= LONGEST_RANGE:  # another one was found fault with already
                await window.move_to(stored)
                if not self._is_as_stored(window, stored, kept):
                    return
                end_row = stored.end_row
        if SOURCE_ROWS in facts and await window.goes_on_after(end_row):
            self._say(f"the source goes on after row {end_row - 1}, where it ended: rows were added")

    def _is_as_stored(self, window: Window, stored: StoredRange, kept: _Kept) -> bool:
        """Compare one range; return whether it is worthwhile to go on."""
        if window.end_row < stored.end_row:
            self._say(f"the source ends after {window.end_row:,} rows; the ledger holds rows to {stored.end_row - 1}")
            return False
        rows = [*kept.within(stored)]
        if digest(window.items) != stored.digest:
            self._say(
                f"rows {stored.first_row} to {stored.end_row - 1} of the source are not those that the ledger holds: "
                "a row was changed, added or removed there or before, or read otherwise by an earlier version"
            )
            return True
        for row_fate in rows:
            item, file, line = window.at(row_fate.row)
            self._look_at_record(row_fate, item)
            self._look_at_place(row_fate, file, line)
        return True

    def _look_at_record(self, kept: RowFate, item: Item) -> None:
        record = item.text if isinstance(item, Defect) else item
        is_possible = kept.fate is Fate.INVALID or not isinstance(item, Defect)
        if not same_record(kept.record, record) or not is_possible:
            there = _told(record) if is_possible else f"no record ({_told(record)})"
            self._say(
                f"row {kept.row}: the ledger keeps {_told(kept.record)} as {kept.fate}, and the source holds {there} "
                "there"
            )

    def _look_at_place(self, kept: RowFate, file: str, line: int | None) -> None:
        if kept.fate is Fate.REJECTED:
            if kept.file or kept.line is not None:
                self._say(f"row {kept.row}: the ledger has it in {_place(kept)}, and keeps no place of rejected rows")
        elif kept.line != line or not self._is_name_of(kept.file, file):
            here = f"line {line} of {Path(file).name}"
            self._say(f"row {kept.row}: the ledger has it in {_place(kept)}, and the source in {here}")

    def _is_name_of(self, kept: str, file: str) -> bool:
        """Return whether *kept* may be what *file* was called, wherever it lay; a file alone may have been renamed."""
        if self._several:
            return Path(kept).name == Path(file).name
        return bool(kept) and (not self._names or Path(kept).name in {Path(file).name, *self._names})


class _Kept:
    """The rows that a ledger keeps one by one, range after range."""

    def __init__(self, rows: Iterator[RowFate]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def within(self, stored: StoredRange) -> Iterator[RowFate]:
        """Yield those of *stored*, and forget those before it."""
        while self._next is not None and self._next.row < stored.end_row:
            if self._next.row >= stored.first_row:
                yield self._next
            self._next = next(self._rows, None)


def _told(record: Record) -> str:
    told = f"{record.column} = {record.value}" if isinstance(record, Filter) else record
    return harmless(told, most=400) or "an empty text"


def _place(kept: RowFate) -> str:
    line = "no line" if kept.line is None else f"line {kept.line}"
    return f"{line} of {harmless(Path(kept.file).name, most=80) or 'no file'}"
