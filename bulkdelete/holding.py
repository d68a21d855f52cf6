"""Hold lists -> :class:`Holds`: read whole before the first batch, and closed: what cannot be read stops the job."""

from __future__ import annotations

import os
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

from bulkdelete import screening
from bulkdelete.errors import HoldsRefused, SourceError
from bulkdelete.holds import Holds
from bulkdelete.ids import Ids
from bulkdelete.records import Defect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bulkdelete.records import Record, Rows
    from bulkdelete.settings import HoldsSettings
    from bulkdelete.sources import Source

_LONGEST_ID_CHARACTERS = 4096


async def read_holds(
    sources: Iterable[Source], settings: HoldsSettings, wall_clock: Callable[[], float] = time.time
) -> Holds:
    """Return what *sources* hold back.

    Raises:
        HoldsRefused: one of them cannot be read to its end, is empty without ``allow_empty``, is older than
            ``max_age_seconds``, or holds a row that can be no record.

    """
    holds = Holds()
    for source in sources:
        _check_age(source, settings.max_age_seconds, wall_clock())
        before = len(holds)
        try:
            async with aclosing(source.blocks()) as blocks:
                async for rows in blocks:
                    holds.add(_checked(rows, source.name))
        except SourceError as error:
            raise HoldsRefused(f"the hold list cannot be read: {error}. Nothing was sent") from error
        if len(holds) == before and not settings.allow_empty:
            raise HoldsRefused(
                f"the hold list {source.name} holds nothing new. Nothing was sent. If that is meant, say so with "
                "--allow-empty-holds"
            )
    return holds


def _checked(rows: Rows, name: str) -> list[Record] | Ids:
    """Return the records of *rows*; a row that is none may stand for a record that must not be deleted."""
    if isinstance(rows.items, Ids) and rows.items.length <= _LONGEST_ID_CHARACTERS:
        return rows.items
    records: list[Record] = []
    for index, item in enumerate(rows.items):
        fault = item.reason if isinstance(item, Defect) else screening.fault(item, _LONGEST_ID_CHARACTERS)
        if isinstance(item, Defect) or fault:
            place = f"line {rows.lines[index]}" if rows.lines else f"row {rows.first_row + index}"
            raise HoldsRefused(
                f"the hold list {name}, {place}: {fault}. What it should hold back is not clear. Nothing was sent. "
                "Mend that row, and run the same command again"
            )
        records.append(item)
    return records


def _check_age(source: Source, max_age_seconds: float | None, now: float) -> None:
    if max_age_seconds is None:
        return
    if not source.replayable or not source.paths:
        raise HoldsRefused(f"the hold list {source.name} has no age, and one is asked for. Nothing was sent")
    age = max(now - os.stat(path).st_mtime for path in source.files)  # noqa: PTH116 - names as given
    if age > max_age_seconds:
        raise HoldsRefused(
            f"the hold list {source.name} was last written {age:.0f} s ago; holds.max_age_seconds is "
            f"{max_age_seconds:.0f}. Nothing was sent. Make it anew"
        )
