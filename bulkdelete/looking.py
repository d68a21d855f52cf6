"""A look at the first records of a source, and at what is on hold beside them, before anything is sent."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final

from bulkdelete.errors import HoldsRefused, SourceError, SourceRefused
from bulkdelete.sanity import MOST_ROUNDED_SHARE, MOST_ROUNDED_SHARE_OF_A_FILE, ROWS_LOOKED_AT, looks_wrong
from bulkdelete.sources import first_records
from bulkdelete.sources.iterables import IterableSource
from bulkdelete.threads import UNSENT, in_thread

if TYPE_CHECKING:
    from bulkdelete.holds import Holds
    from bulkdelete.records import Item
    from bulkdelete.settings import Settings
    from bulkdelete.sources import Source

_FEWEST_ALIKE: Final = 10
_MOSTLY: Final = 0.9
_LONG: Final = 12
"""So many digits have ids that are not counted up from 1: of those that are, later ones are longer."""


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


async def compare(held: Holds, source: Source, settings: Settings) -> None:
    """Return if the ids *held* may be some of *source*, as far as its first ones can be looked at now.

    Raises:
        HoldsRefused: those of the source are long numbers of one length, and all on hold are of one other length.

    """
    if not settings.holds.sanity_check or len(held.lengths) != 1:
        return
    if isinstance(source, IterableSource):
        first = source.beginning(ROWS_LOOKED_AT)
    else:
        first = await first_records(source.parts[0], ROWS_LOOKED_AT) if source.replayable else []
    numbers = [len(one) for one in first if isinstance(one, str) and one.isdecimal()]
    [(length, count)] = Counter(numbers).most_common(1) or [(0, 0)]
    on_hold = max(held.lengths)
    if length >= _LONG and on_hold != length and count >= max(_FEWEST_ALIKE, _MOSTLY * len(first)):
        raise HoldsRefused(
            f"all ids on hold have {on_hold} characters, and the first {count:,} ids of the source have {length} "
            "digits: none of them would be held back. Nothing was sent. Write the ids on hold as those of the source "
            "are; if it is what you mean, say so with --no-holds-sanity-check"
        )


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
