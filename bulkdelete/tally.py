"""What a run has done so far: plain counts that anybody may read at any time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bulkdelete.records import Fate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkdelete.records import Batch, Outcome, RowFate

MOST_FAILURES: Final = 1000
"""So many failed rows are kept in memory for the report; the ledger keeps them all."""


@dataclass(slots=True)
class Tally:
    """The counts of one run; ``*_before`` are those of the runs before it on the same ledger.

    ``set_aside`` are the rows that are never sent, by their fate. ``last_failure`` says how the last attempt failed, in
    words that name no ids; it is empty where that did not. ``backing_off`` are the batches, or parts, that failed and
    wait now to be tried again.
    """

    rows_before: int = 0
    settled_before: int = 0
    acknowledged_before: int = 0
    rejected_before: int = 0
    set_aside_before: dict[Fate, int] = field(default_factory=dict)
    rows: int = 0
    batches: int = 0
    requests: int = 0
    retries: int = 0
    split_requests: int = 0
    acknowledged: int = 0
    rejected: int = 0
    failed_now: int = 0
    set_aside: defaultdict[Fate, int] = field(default_factory=lambda: defaultdict(int))
    backing_off: int = 0
    last_failure: str = ""
    failures: list[RowFate] = field(default_factory=list)

    def take_in(self, batch: Batch) -> None:
        """Count a batch that is about to be sent."""
        self.rows = max(self.rows, batch.end_row)
        self.batches += 1
        for row_fate in batch.set_aside:
            self.set_aside[row_fate.fate] += 1
            if row_fate.fate is not Fate.HELD:
                self.note(row_fate)

    def settle(self, outcome: Outcome) -> None:
        """Count what became of a batch or of a part of one."""
        if outcome.fate is Fate.ACKNOWLEDGED:
            self.acknowledged += outcome.records
        elif outcome.fate is Fate.REJECTED:
            self.rejected += outcome.records
        if outcome.failed:
            self.failed_now += outcome.records
        if outcome.row_fate is not None:
            self.note(outcome.row_fate)

    def begin_again(self) -> None:
        """Let what could not be resolved so far be no failure: it is sent once more in this run."""
        self.failed_now = self.rejected

    def counted(self, sleep: Callable[[float], Awaitable[None]]) -> Callable[[float], Awaitable[None]]:
        """Return *sleep* as a backoff: while it lasts, it is counted in ``backing_off``."""

        async def back_off(seconds: float) -> None:
            self.backing_off += 1
            try:
                await sleep(seconds)
            finally:
                self.backing_off -= 1

        return back_off

    def backs_off(self, workers: int) -> bool:
        """Return whether half of *workers* wait to try again; until something is acknowledged, one goes for all."""
        deciding = workers if self.acknowledged_before + self.acknowledged else 1
        return self.backing_off > 0 and 2 * self.backing_off >= deciding

    def note(self, row_fate: RowFate) -> None:
        """Keep *row_fate* for the report, unless there are many already."""
        if len(self.failures) < MOST_FAILURES:
            self.failures.append(row_fate)

    @property
    def failed(self) -> int:
        """Rows rejected in any run, or that this one could not resolve."""
        return self.rejected_before + self.failed_now

    @property
    def sent(self) -> int:
        """Records that have had an outcome after they were sent."""
        return self.acknowledged_before + self.acknowledged + self.failed

    @property
    def settled(self) -> int:
        """Rows that have their final fate."""
        return self.settled_before + sum(self.set_aside.values()) + self.acknowledged + self.rejected

    def most_failures(self, allowed: int | None) -> int:
        """Return how many rows may fail: *allowed*, or for ``None`` the larger of 100 and 0.1 % of those sent."""
        return max(100, self.sent // 1000) if allowed is None else allowed

    def too_many_failures(self, allowed: int | None) -> bool:
        """Return whether more rows failed than :meth:`most_failures`."""
        failed = self.failed
        return failed > 0 and failed > self.most_failures(allowed)
