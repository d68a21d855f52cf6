"""The source beside its ledger: whether every row is still the one that the ledger's digests stand for."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from bulkdelete.cli.rereading import Window
from bulkdelete.digest import digest
from bulkdelete.errors import SourceError
from bulkdelete.ledger import LONGEST_RANGE
from bulkdelete.ledger.facts import SOURCE_ROWS, SPOOL
from bulkdelete.settings import with_default_column

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulkdelete.ledger import LedgerReader, Problems
    from bulkdelete.records import StoredRange
    from bulkdelete.sources import Source

_IDENTITY: Final = "identity.source "
_CONTENT: Final = f"{_IDENTITY}content"


async def compare(reader: LedgerReader, source: Source, facts: Mapping[str, str], problems: Problems) -> None:
    """Read *source* to its end, or to where the ledger's ranges end, and tell *problems* what of it is not as stored.

    *facts* are those of the ledger. A source that cannot be read to there is a problem too.
    """
    comparing = _Comparing(source, problems)
    comparing.look_at_identity(facts)
    try:
        await comparing.look_at_content(facts)
        async with aclosing(source.blocks()) as blocks:
            await comparing.look_at_rows(Window(blocks), reader, facts)
    except SourceError as error:
        problems.add(f"the source cannot be read again: {error}")


class _Comparing:
    """One comparison of *source* with its ledger."""

    def __init__(self, source: Source, problems: Problems) -> None:
        self._source = source
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
        for stored in reader.ranges():
            if 0 < stored.end_row - stored.first_row <= LONGEST_RANGE:  # another one was found fault with already
                await window.move_to(stored)
                if not self._is_as_stored(window, stored):
                    return
                end_row = stored.end_row
        if SOURCE_ROWS in facts and await window.goes_on_after(end_row):
            self._say(f"the source goes on after row {end_row - 1}, where it ended: rows were added")

    def _is_as_stored(self, window: Window, stored: StoredRange) -> bool:
        """Compare one range; return whether it is worthwhile to go on."""
        if window.end_row < stored.end_row:
            self._say(f"the source ends after {window.end_row:,} rows; the ledger holds rows to {stored.end_row - 1}")
            return False
        if digest(window.items) != stored.digest:
            self._say(
                f"rows {stored.first_row} to {stored.end_row - 1} of the source are not those that the ledger holds: "
                "a row was changed, added or removed there or before"
            )
        return True
