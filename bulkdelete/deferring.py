"""What is sent once more at the end of a run, a few at a time, before it is taken for a failure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from bulkdelete.records import Fate

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    """The batches of one run that are sent once more, by their first rows, each with the parts that are left of it."""

    def __init__(self) -> None:
        self._parts: dict[int, list[Outcome]] = {}
        self._given_up: set[int] = set()
        """The first rows of batches of which something that was sent stays unresolved."""
        self._records = 0
        self._is_over = False

    def __len__(self) -> int:
        return len(self._parts)

    def takes(self, outcome: Outcome, batches: int) -> bool:
        """Take *outcome*, of a run of so many *batches* so far, if that is worth it; return whether it did."""
        row = outcome.batch.first_row
        may_be = outcome.again and not self._is_over
        if not (may_be and (row in self._parts or self._has_room(outcome.records, batches))):
            if outcome.fate is Fate.UNRESOLVED:
                self._given_up.add(row)
            return False
        self._parts.setdefault(row, []).append(outcome)
        self._records += outcome.records
        return True

    def _has_room(self, records: int, batches: int) -> bool:
        if len(self) < max(MOST, MOST_SHARE * batches):
            return True
        return 3 * len(self) < batches and self._records + records <= MOST_RECORDS

    def give_back(self) -> list[Batch]:
        """Return what was taken, one batch for all parts of one; nothing is taken any more."""
        self._is_over = True
        batches = [once_more(parts, given_up=row in self._given_up) for row, parts in self._parts.items()]
        self._parts = {}
        return batches


def once_more(parts: Sequence[Outcome], *, given_up: bool = False) -> Batch:
    """Return the batch of *parts*, which it could not resolve, with them, as the ledger holds it.

    It is one: the ledger says of all that is left of a batch at once whether it was sent. Where something else of it
    that was sent is *given up*, none of it is pending any more.
    """
    batch = parts[0].batch
    spans = [(_span(part), part.fate) for part in sorted(parts, key=attrgetter("first_row"))]
    return replace(
        batch,
        spans=tuple(span for span, _ in spans),
        unsent=() if given_up else tuple(span for span, fate in spans if fate is Fate.PENDING),
        set_aside=(),
        ambiguous=batch.ambiguous or any(part.ambiguous for part in parts),
        sent=batch.sent or given_up or any(part.fate is Fate.UNRESOLVED for part in parts),
        stored=True,
        thorough=True,
    )


def _span(part: Outcome) -> range:
    start = bisect_left(part.batch.rows, part.first_row)
    return range(start, start + part.records)
