"""What is sent once more at the end of a run, a few at a time, before it is taken for a failure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bulkdelete.records import Fate

if TYPE_CHECKING:
    from bulkdelete.records import Batch, Outcome

GENTLY: Final = 4
MOST: Final = 20
MOST_SHARE: Final = 0.001
"""So many batches that ran out of attempts, or were refused in a way that looked like a wrong file, or this share of
all where that is more, are no failures until they were sent once more. Where three tenths fail by chance, 8 attempts
are not enough for 0.3^8 of them, 66 in a million."""
MOST_RECORDS: Final = 100_000
"""While two thirds of the batches do not run out of attempts, so many records may wait for that: a part of the server
was down. They take some 15 MB of memory."""


class Deferred:
    """The batches of one run that are sent once more, by their first rows, each as the parts that are left of it."""

    def __init__(self) -> None:
        self._parts: dict[int, list[Batch]] = {}
        self._records = 0
        self._is_over = False

    def __len__(self) -> int:
        return len(self._parts)

    def takes(self, outcome: Outcome, batches: int) -> bool:
        """Take *outcome*, of a run of so many *batches* so far, if that is worth it; return whether it did."""
        row = outcome.batch.first_row
        if not outcome.again or self._is_over:
            return False
        if row not in self._parts and not self._has_room(outcome.records, batches):
            return False
        self._parts.setdefault(row, []).append(once_more(outcome))
        self._records += outcome.records
        return True

    def _has_room(self, records: int, batches: int) -> bool:
        if len(self) < max(MOST, MOST_SHARE * batches):
            return True
        return 3 * len(self) < batches and self._records + records <= MOST_RECORDS

    def give_back(self) -> list[Batch]:
        """Return what was taken; nothing is taken any more."""
        self._is_over = True
        parts = [part for parts in self._parts.values() for part in parts]
        self._parts = {}
        return parts


def once_more(outcome: Outcome) -> Batch:
    """Return the batch of *outcome* with what it could not resolve, as the ledger holds it."""
    batch = outcome.batch
    start = bisect_left(batch.rows, outcome.first_row)
    span = range(start, start + outcome.records)
    ambiguous = batch.ambiguous or outcome.ambiguous
    sent = batch.sent or outcome.fate is Fate.UNRESOLVED
    return replace(batch, spans=(span,), set_aside=(), ambiguous=ambiguous, sent=sent, stored=True, thorough=True)
