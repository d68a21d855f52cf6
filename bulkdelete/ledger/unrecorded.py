"""The ledger of a call without a ledger: the same door, and nothing behind it but counts."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from bulkdelete.ledger.totals import Totals
from bulkdelete.records import Fate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from bulkdelete.errors import LedgerStorageError
    from bulkdelete.records import Batch, Ended, Outcome, StoredRange


class UnrecordedLedger:
    """Keeps counts in memory, and what may be sent once more; it forgets everything else."""

    def __init__(self) -> None:
        self.path: str | None = None
        self.run: int | None = None
        self.lost: LedgerStorageError | None = None
        self.totals = Totals()
        self.facts: dict[str, str] = {}
        self._rows = 0
        self._batches = 0
        self._open = 0
        self._fates: Counter[Fate] = Counter()
        self._left: dict[int, tuple[Fate, int]] = {}
        """What came so far of what may be sent once more, and of how many records, by the first row."""
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._done.set_result(None)

    def intend(self, batch: Batch) -> asyncio.Future[None]:
        """Count the batch."""
        self._open += batch.open_records
        if batch.stored:
            self._take_back(batch)
            return self._done
        self._rows = batch.end_row
        self._batches += 1
        for row_fate in batch.set_aside:
            self._fates[row_fate.fate] += 1
        return self._done

    def record(self, outcome: Outcome) -> asyncio.Future[None]:
        """Count the outcome."""
        self._open -= outcome.records
        self._fates[outcome.fate] += outcome.records
        if outcome.again:
            self._left[outcome.first_row] = outcome.fate, outcome.records
        return self._done

    def remember(self, key: str, value: str) -> asyncio.Future[None]:
        """Keep a fact for as long as the call lasts."""
        self.facts[key] = value
        return self._done

    def release(self, key: str, value: str) -> None:
        """Keep a fact; there is no later run that it would look after."""
        self.facts[key] = value

    def write_releases(self) -> None:
        """There is nothing to write."""

    def forget(self, key: str) -> asyncio.Future[None]:
        """Forget a fact that is none any more."""
        del self.facts[key]
        return self._done

    def note(self, kind: str, **detail: object) -> asyncio.Future[None]:  # noqa: ARG002 - nobody is there to read it
        """Forget what happened."""
        return self._done

    async def ranges(self) -> AsyncGenerator[StoredRange, None]:
        """Yield nothing: no run was before this one."""
        nothing: tuple[StoredRange, ...] = ()
        for stored in nothing:
            yield stored

    async def count(self) -> Totals:
        """Return the counts; what has no outcome is unresolved."""
        fates = self._fates
        return Totals(
            rows=self._rows,
            batches=self._batches,
            acknowledged=fates[Fate.ACKNOWLEDGED],
            rejected=fates[Fate.REJECTED],
            invalid=fates[Fate.INVALID],
            held=fates[Fate.HELD],
            duplicate=fates[Fate.DUPLICATE],
            unresolved=fates[Fate.UNRESOLVED] + self._open,
            pending=fates[Fate.PENDING],
        )

    def _take_back(self, batch: Batch) -> None:
        """Count what is left of *batch*, which is sent once more, no longer as what came of it before."""
        for span in batch.spans:
            at = span.start
            while at < span.stop:
                fate, records = self._left.pop(batch.rows[at])
                self._fates[fate] -= records
                at += records

    async def close(self, ended: Ended | None, reason: str = "", requests: int = 0, retries: int = 0) -> str:  # noqa: ARG002 - nothing is kept of it
        """There is nothing to close, and no digest."""
        return ""
