"""A look at the first records of a source, and at what is on hold beside them, before anything is sent."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from bulkdelete.errors import HoldsRefused, SourceError, SourceRefused
from bulkdelete.nothings import COLUMN_NAMES, NO_IDS
from bulkdelete.records import Defect
from bulkdelete.sanity import MOST_ROUNDED_SHARE, MOST_ROUNDED_SHARE_OF_A_FILE, ROWS_LOOKED_AT, looks_wrong
from bulkdelete.sources import first_records
from bulkdelete.sources.iterables import IterableSource
from bulkdelete.spelling import unlike
from bulkdelete.threads import UNSENT, in_thread

if TYPE_CHECKING:
    from bulkdelete.holds import Holds
    from bulkdelete.records import Item
    from bulkdelete.settings import IdentifierSettings, Settings
    from bulkdelete.sources import Source

_FEWEST_OF_A_PART: Final = 3
_NO_IDS: Final = NO_IDS | COLUMN_NAMES


async def look(source: Source, settings: Settings) -> None:
    """Return if every file of *source* has its column, and the first ids look like ids.

    Raises:
        SourceRefused: they do not, or a file cannot be read as it should: before anything of another one is sent.

    """
    looked_at = settings.source.sanity_check
    first: list[Item] = []
    for part in source.parts:
        of_part = await first_records(part, ROWS_LOOKED_AT if looked_at else 1)
        first += of_part[: ROWS_LOOKED_AT - len(first)]
        if looked_at and len(source.parts) > 1:
            _refuse_if(await _looks_wrong(of_part, MOST_ROUNDED_SHARE_OF_A_FILE, part), part.name)
    if looked_at:
        _refuse_if(await _looks_wrong(first, MOST_ROUNDED_SHARE, source.parts[0]), source.name)


async def compare(held: Holds, source: Source, settings: Settings, rules: IdentifierSettings | None) -> None:
    """Return if what is *held* may be some of *source*, as far as its first ones can be looked at now.

    *rules* say what ids of the table look like.

    Raises:
        HoldsRefused: they are written in another way than those of the source, and would hold none of them back.

    """
    if not settings.holds.sanity_check or not len(held):
        return
    records = [one for one in await _first(source) if not isinstance(one, Defect)]
    first = [one for one in records if not isinstance(one, str) or one.lower() not in _NO_IDS]
    lengths = () if rules is None else rules.lengths
    wrong = await in_thread(partial(unlike, held, first, lengths), "compare what is on hold", HoldsRefused, UNSENT)
    if wrong:
        raise HoldsRefused(
            f"{wrong}. Nothing was sent. Write what is on hold as the source does; if it is what you mean, say so "
            "with --no-holds-sanity-check (holds.sanity_check = false)"
        )


async def _first(source: Source) -> list[Item]:
    """Return the first records of every part of *source*; of what can be read once only those that are in memory."""
    if isinstance(source, IterableSource):
        return source.beginning(ROWS_LOOKED_AT)
    if not source.replayable:
        return []
    of_each = max(_FEWEST_OF_A_PART, ROWS_LOOKED_AT // len(source.parts))
    return [item for part in source.parts for item in await first_records(part, of_each)]


async def _looks_wrong(items: list[Item], most_rounded: float, source: Source) -> str:
    """Look at *items* in a thread: ten thousand of them take 10 ms."""
    look = partial(looks_wrong, items, most_rounded, read_as=source.identity)
    return await in_thread(look, "look at the records", SourceError, UNSENT)


def _refuse_if(wrong: str, name: str) -> None:
    if wrong:
        raise SourceRefused(
            f"{name}: {wrong}. This does not look like the column of record ids. Nothing was sent. If it is "
            "what you mean, say so with --no-sanity-check (source.sanity_check = false)"
        )
