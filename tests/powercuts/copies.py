"""The copy of what can be read only once: what the ledger knows of it, the disk holds, wherever the power is cut.

An image is sound where the ledger knows a copy that was submitted, and not one before the last that was acknowledged;
where the file beside it is that copy whole, or one that was submitted later; and where the same call goes on.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from bulkdelete.copying import copied, spool_of
from bulkdelete.ledger import open_ledger
from bulkdelete.ledger.facts import SPOOL
from bulkdelete.sources import from_iterable
from bulkdelete.sources.spool_lines import spool_lines
from tests.powercuts.judging import at_hand, judged
from tests.powercuts.recording import recorded
from tests.unit.test_ledger import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from random import Random

    from tests.powercuts.disk import Event
    from tests.powercuts.judging import Found, Image

MOST_RECORDS = 300
"""As many lie on some ten sectors."""


class Copies:
    """Runs of one job before its first batch, each with the records that it was *given*."""

    def __init__(self, given: Sequence[Sequence[str]]) -> None:
        self.given = given
        contents = [f"sha256:{hashlib.sha256(spool_lines(records)).hexdigest()}" for records in given]
        self.contents = [None, *contents]

    async def record(self, synchronous: str) -> list[Event]:
        """Return what was done to the disk."""
        with at_hand({}) as path, recorded(path.parent) as recorder:
            for number, records in enumerate(self.given, 1):
                recorder.note("submit", number)
                await self._copy(path, records, synchronous)
                recorder.note("acknowledge", number)
        return recorder.events

    async def judge(self, image: Image) -> Found:
        """Open *image* as a run after the power cut does, look at the copy, and make the call again."""
        return await judged(image, self._fault)

    async def _fault(self, path: Path, image: Image) -> tuple[str, int]:
        ledger = await open_ledger(path, IDENTITY)
        await ledger.close(None)
        knows, is_there = ledger.facts.get(SPOOL), _content(spool_of(path))
        may_be = range(image.acknowledged, image.submitted + 1)
        known = [number for number in may_be if self.contents[number] == knows]
        if not known:
            return "the ledger does not know the copy that was acknowledged", 1
        if is_there not in self.contents[known[0] : image.submitted + 1]:
            return f"the ledger knows the copy {knows}, and on the disk is {is_there}", min(image.acknowledged, 1)
        records = self.given[max(image.submitted, 1) - 1]
        found = await self._copy(path, records, "full")
        return "" if found == records else f"the same call again reads {len(found)} records of {len(records)}", 0

    @staticmethod
    async def _copy(path: Path, records: Sequence[str], synchronous: str) -> Sequence[object]:
        ledger = await open_ledger(path, IDENTITY, synchronous=synchronous)
        try:
            source = await copied(from_iterable(iter(records)), ledger, spool_of(path))
            return [item async for rows in source.blocks() for item in rows.items]
        finally:
            await ledger.close(None)


def thought_of(dice: Random) -> Copies:
    """Return runs that are given the records of the one before, or others, as the second one is."""
    given: list[Sequence[str]] = []
    for number in range(dice.randint(2, 4)):
        if number < 2 or dice.random() < 0.6:
            given.append([f"{number}{row:017}" for row in range(dice.randint(1, MOST_RECORDS))])
        else:
            given.append(given[-1])
    return Copies(given)


def _content(spool: Path) -> str | None:
    return f"sha256:{hashlib.sha256(spool.read_bytes()).hexdigest()}" if spool.exists() else None
