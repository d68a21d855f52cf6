"""The canary of a job: how many records it still has to send, and what came of those that it sent.

It may take several runs: what counts is every record that got its final answer since it began, as long as no run
without a canary came between.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from bulkdelete.errors import LedgerStorageError
from bulkdelete.ledger.facts import CANARY, CANARY_BEGAN
from bulkdelete.reports import CanaryCounts

if TYPE_CHECKING:
    from bulkdelete.ledger import Ledger, Totals
    from bulkdelete.tally import Tally


class Canary:
    """A canary of *records* that began when so many were *acknowledged* and *rejected*; *answered* are so now."""

    def __init__(self, records: int, answered: int, acknowledged: int, rejected: int) -> None:
        self._records = records
        self._acknowledged = acknowledged
        self._rejected = rejected
        self.missing = max(0, records - (answered - acknowledged - rejected))
        """How many records it still has to send; before none is missing, at least one batch was sent."""

    def came_of(self, sent: int, totals: Totals, tally: Tally) -> CanaryCounts:
        """Return what came of the canary, of which this run *sent* so many records, as *tally* counts them."""
        acknowledged = totals.acknowledged - self._acknowledged
        rejected = totals.rejected - self._rejected
        unresolved = max(0, sent - tally.acknowledged - tally.rejected)
        return CanaryCounts(acknowledged + rejected + unresolved, acknowledged, rejected, unresolved)

    def told(self, came: CanaryCounts, totals: Totals) -> str:
        """Return in words what *came* of the canary, and what of *totals* is none of it."""
        counts = f"{came.acknowledged:,} acknowledged, {came.rejected:,} rejected, {came.unresolved:,} unresolved"
        more = f"; that is more than {self._records:,}: an earlier canary, or a batch that an earlier run cut, is whole"
        others = totals.unresolved - came.unresolved
        before = f"; earlier runs had {self._acknowledged:,} acknowledged and {self._rejected:,} rejected before"
        return "".join(
            (
                f"{came.sent:,} records were sent in the canary ({counts})",
                more if came.sent > self._records else "",
                before if self._acknowledged or self._rejected else "",
                f"; another {others:,} are unresolved since earlier runs" if others else "",
            )
        )


async def canary_of(ledger: Ledger, records: int | None) -> Canary | None:
    """Return the canary that comes before the rest, of so many *records*; ``None`` where none does."""
    began, totals = ledger.facts.get(CANARY_BEGAN), ledger.totals
    if CANARY in ledger.facts:
        return None
    if records is None:
        if began:
            await _remember(ledger, "")
        return None
    if not began:
        began = json.dumps([totals.acknowledged, totals.rejected])
        await _remember(ledger, began)
    return Canary(records, totals.answered, *json.loads(began))


async def _remember(ledger: Ledger, began: str) -> None:
    with suppress(LedgerStorageError):  # the engine will see it too, and say so
        await ledger.remember(CANARY_BEGAN, began)
