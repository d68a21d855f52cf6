"""The table ``batch`` as values: what a resume compares its source with."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.ledger import schema
from bulkdelete.records import StoredRange

if TYPE_CHECKING:
    import sqlite3

COLUMNS: Final = "first_row, end_row, records, digest, state, ambiguous, invalid + held + duplicate"
"""The columns of ``batch`` that :func:`stored_range` takes, in their order."""

_RANGES_A_PAGE: Final = 1000
_PAGE: Final = f"SELECT {COLUMNS} FROM batch WHERE first_row >= ? ORDER BY first_row LIMIT {_RANGES_A_PAGE}"  # noqa: S608 - constants
_PARTS: Final = "SELECT first_row, end_row FROM part WHERE first_row >= ? AND first_row < ? ORDER BY first_row"
_SET_ASIDE: Final = "SELECT row FROM row WHERE row >= ? AND row < ? AND fate IN ('invalid', 'held', 'duplicate')"
_FINISHED: Final = frozenset({schema.ACKNOWLEDGED, schema.SETTLED})


def read_page(first_row: int, connection: sqlite3.Connection) -> list[StoredRange]:
    """Return the next ranges from *first_row* on, in row order; none after the last one."""
    return [stored_range(connection, columns) for columns in connection.execute(_PAGE, (first_row,)).fetchall()]


def stored_range(connection: sqlite3.Connection, columns: tuple[Any, ...]) -> StoredRange:
    """Return a row of ``batch`` as a value, with its parts and set-aside rows where it is not finished."""
    first_row, end_row, records, digest, state, ambiguous, set_aside = columns
    end_row, records = index(end_row), index(records)  # TypeError, where a damaged page has none
    if state in _FINISHED:
        return StoredRange(first_row, end_row, records, digest, finished=True, ambiguous=ambiguous > 0)
    within = (first_row, end_row)
    parts = tuple(range(start, stop) for start, stop in connection.execute(_PARTS, within))
    rows = connection.execute(_SET_ASIDE, within) if set_aside else ()
    return StoredRange(
        first_row,
        end_row,
        records,
        digest,
        finished=False,
        ambiguous=ambiguous > 0,
        sent=state != schema.PENDING,
        settled=parts,
        set_aside_rows=frozenset(row for (row,) in rows),
    )
