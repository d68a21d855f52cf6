"""Whoever reads a job's outcomes as ``deleter.stream`` gives them: to their end, or not."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bulkdelete.records import FATES, Ended, Fate
from bulkdelete.streaming import Outcomes

if TYPE_CHECKING:
    from bulkdelete.job import Job
    from bulkdelete.records import Outcome, Report
    from tests.simulation.oracle import Image

RESTS_EVERY, RESTS_SECONDS = 20, 5.0
"""A rest is long enough for the job to have to wait for its reader."""


class EnoughError(Exception):
    """What a reader raises that has read enough."""


@dataclass
class Reader:
    """Runs a job by reading what becomes of it; after so many outcomes it leaves, or *raises*."""

    leaves_after: int | None = None
    raises: bool = False
    given: list[Outcome] = field(default_factory=list)

    async def __call__(self, job: Job) -> Report | None:
        return await self.read(Outcomes(job))

    async def read(self, outcomes: Outcomes) -> Report | None:
        """Read what ``deleter.stream`` gave; return the report where neither it nor a cancellation raises."""
        try:
            async with outcomes:
                await self._read(outcomes)
                assert self.leaves_after is None or not self.raises, "there was not so much to read"
        except EnoughError:
            assert self.raises
        return outcomes.report

    async def _read(self, outcomes: Outcomes) -> None:
        if self.leaves_after == 0:
            return self._leave()
        async for outcome in outcomes:
            self.given.append(outcome)
            if len(self.given) == self.leaves_after:
                return self._leave()
            if len(self.given) % RESTS_EVERY == 0:
                await asyncio.sleep(RESTS_SECONDS)
        return None

    def _leave(self) -> None:
        if self.raises:
            raise EnoughError

    def check_told(self, report: Report | None, image: Image | None) -> None:
        """A row's last fate was given once, and is in the ledger's *image*; of a complete job all were given."""
        fates: dict[int, Fate] = {}
        for outcome in self.given:
            for row in _rows(outcome):
                assert fates.get(row, Fate.UNRESOLVED) is Fate.UNRESOLVED, f"the fate of row {row} was given twice"
                fates[row] = outcome.fate
        for row, fate in fates.items():
            if image is not None and fate not in {Fate.UNRESOLVED, Fate.PENDING}:
                assert image.fates[row] == fate.value, f"row {row} is {image.fates[row]}, and {fate} was given"
        if report is not None and report.ended is Ended.COMPLETE and self.leaves_after is None:
            counted = Counter(fates.values())
            assert {fate: counted[Fate(fate)] for fate in FATES} == {fate: getattr(report, fate) for fate in FATES}


def _rows(outcome: Outcome) -> list[int]:
    if outcome.row_fate is not None:
        return [outcome.row_fate.row]
    return [row for row in outcome.batch.rows if outcome.first_row <= row < outcome.end_row]
