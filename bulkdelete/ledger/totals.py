"""Counts of rows by fate, and how SQL counts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from bulkdelete.ledger.facts import SOURCE_ROWS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping


class Totals(NamedTuple):
    """Rows by fate, over all runs; open batches count as unresolved. The fates always add up to ``rows``."""

    rows: int = 0
    batches: int = 0
    acknowledged: int = 0
    rejected: int = 0
    invalid: int = 0
    held: int = 0
    duplicate: int = 0
    unresolved: int = 0
    pending: int = 0

    @property
    def remaining(self) -> int:
        """Rows that running again may still settle."""
        return self.unresolved + self.pending

    @property
    def answered(self) -> int:
        """Rows that were sent and have their final answer."""
        return self.acknowledged + self.rejected

    @property
    def sent(self) -> int:
        """Rows that were sent, or may have been."""
        return self.acknowledged + self.rejected + self.unresolved


def is_complete(totals: Totals, facts: Mapping[str, str]) -> bool:
    """Return whether every row of the source has its final fate; of a source without rows, counts do not tell."""
    return bool(totals.rows) and facts.get(SOURCE_ROWS) == str(totals.rows) and not totals.remaining


_BATCHES: Final = """
SELECT coalesce(sum(end_row - first_row), 0), count(*), coalesce(sum(records) FILTER (WHERE state = 1), 0),
       coalesce(sum(invalid), 0), coalesce(sum(held), 0), coalesce(sum(duplicate), 0),
       coalesce(sum(records) FILTER (WHERE state IN (0, 3)), 0), coalesce(sum(records) FILTER (WHERE state = 4), 0)
FROM batch
"""
_PARTS: Final = """
SELECT coalesce(sum(records) FILTER (WHERE fate = 'acknowledged'), 0),
       coalesce(sum(records) FILTER (WHERE fate = 'rejected'), 0),
       coalesce(sum(records) FILTER (WHERE state IN (0, 3)), 0),
       coalesce(sum(records) FILTER (WHERE state = 4), 0)
FROM (SELECT part.records, part.fate,
             (SELECT state FROM batch WHERE first_row <= part.first_row ORDER BY first_row DESC LIMIT 1) AS state
      FROM part)
"""


def count(connection: sqlite3.Connection) -> Totals:
    """Count the whole ledger by SQL."""
    rows, batches, whole, invalid, held, duplicate, unresolved, pending = connection.execute(_BATCHES).fetchone()
    acknowledged, rejected, of_unresolved, of_pending = connection.execute(_PARTS).fetchone()
    return Totals(
        rows=rows,
        batches=batches,
        acknowledged=whole + acknowledged,
        rejected=rejected,
        invalid=invalid,
        held=held,
        duplicate=duplicate,
        unresolved=unresolved - of_unresolved,
        pending=pending - of_pending,
    )
