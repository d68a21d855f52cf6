"""Going through a ledger's batches, parts and rows side by side, in row order: whether each fits the others."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bulkdelete.digest import DIGEST_BYTES
from bulkdelete.ledger import schema, texts
from bulkdelete.ledger.totals import Totals
from bulkdelete.records import Fate

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from bulkdelete.ledger.findings import Problems

LONGEST_RANGE: Final = 1_000_000
"""No batch spans as many rows; what does is not taken at its word, so that memory stays constant."""

_BATCHES: Final = (
    "SELECT first_row, end_row, records, invalid, held, duplicate, length(digest), state, attempts, ambiguous "
    "FROM batch ORDER BY first_row"
)
_PARTS: Final = "SELECT first_row, end_row, records, fate FROM part ORDER BY first_row"
_ROWS: Final = "SELECT row, fate, reason, record, filter_column, file, line, code, request_id FROM row ORDER BY row"
_STATES: Final = {
    schema.OPEN: "open",
    schema.ACKNOWLEDGED: "acknowledged",
    schema.SETTLED: "settled",
    schema.UNRESOLVED: "unresolved",
    schema.PENDING: "pending",
}
_FATES_OF_PARTS: Final = frozenset({Fate.ACKNOWLEDGED.value, Fate.REJECTED.value})
_SET_ASIDE: Final = (Fate.INVALID.value, Fate.HELD.value, Fate.DUPLICATE.value)
_FATES_OF_ROWS: Final = frozenset({*_SET_ASIDE, Fate.REJECTED.value})


class _Batch(NamedTuple):
    """A row of ``batch``."""

    first_row: int
    end_row: int
    records: int
    invalid: int
    held: int
    duplicate: int
    digest_bytes: int
    state: int
    attempts: int
    ambiguous: int


class _Part(NamedTuple):
    """A row of ``part``."""

    first_row: int
    end_row: int
    records: int
    fate: str


class _InOrder:
    """The rows of a query, in the order of their first column, taken as far as they are wanted."""

    def __init__(self, rows: sqlite3.Cursor) -> None:
        self._rows = rows
        self._next: tuple[Any, ...] | None = next(rows, None)

    def before(self, row: float) -> Iterator[tuple[Any, ...]]:
        """Yield those not taken yet whose first column is less than *row*."""
        while self._next is not None and self._next[0] < row:
            taken, self._next = self._next, next(self._rows, None)
            yield taken


class Walk:
    """One walk through the ledger; memory is that of a single batch. What does not fit is told to *problems*."""

    def __init__(self, connection: sqlite3.Connection, problems: Problems) -> None:
        self._say = problems.add
        self._batches = connection.execute(_BATCHES)
        self._parts = _InOrder(connection.execute(_PARTS))
        self._rows = _InOrder(connection.execute(_ROWS))
        self._fates: Counter[str] = Counter()
        self._count = 0
        self.end_row = 0
        """The row after the last one of any batch."""

    def go(self) -> Totals:
        """Look at everything, and return what it adds up to, row by row."""
        for columns in self._batches:
            self._look_at(_Batch(*columns))
            self._count += 1
        self._say_strays(inf)
        fates = {fate.value: self._fates[fate.value] for fate in Fate}
        return Totals(rows=self.end_row, batches=self._count, **fates)

    def _look_at(self, batch: _Batch) -> None:
        if batch.first_row != self.end_row or batch.end_row <= batch.first_row:
            self._say_where(batch)
        self._look_at_counts(batch)
        self._say_strays(batch.first_row)
        until = min(batch.end_row, batch.first_row + LONGEST_RANGE)
        rows = [*self._rows.before(until)]
        parts = [_Part(*columns) for columns in self._parts.before(until)]
        if rows or batch.invalid or batch.held or batch.duplicate:
            self._look_at_rows(batch, rows)
        if rows or parts:
            self._look_at_parts(batch, parts, [columns[0] for columns in rows if columns[1] in _SET_ASIDE])
            self._look_at_rejected(parts, {columns[0] for columns in rows if columns[1] == Fate.REJECTED})
        self._look_at_state(batch, parts)
        self.end_row = max(self.end_row, batch.end_row)

    def _say_strays(self, row: float) -> None:
        """Say that what comes before *row* and was not taken lies in no batch."""
        for columns in self._parts.before(row):
            self._say(f"{_named(_Part(*columns))}: the part lies in no batch")
        for columns in self._rows.before(row):
            self._say(f"row {columns[0]}: it is kept as {_said(columns[1])}, and lies in no batch")

    def _say_where(self, batch: _Batch) -> None:
        if batch.end_row <= batch.first_row:
            self._say(f"the batch at row {batch.first_row} ends before row {batch.end_row}: it has no rows")
        elif not self._count:
            self._say(f"the ranges begin at row {batch.first_row}, and not at row 0")
        elif batch.first_row > self.end_row:
            self._say(f"rows {self.end_row} to {batch.first_row - 1} are in no batch: there is a gap in the ranges")
        else:
            self._say(f"{_named(batch)}: the range overlaps the one before it, which ends with row {self.end_row - 1}")

    def _look_at_counts(self, batch: _Batch) -> None:
        rows = batch.end_row - batch.first_row
        counts = (batch.records, batch.invalid, batch.held, batch.duplicate)
        if sum(counts) != rows or min(counts) < 0:
            self._say(
                f"{_named(batch)}: {batch.records} records, {batch.invalid} invalid, {batch.held} held and "
                f"{batch.duplicate} duplicate do not make its {rows} rows"
            )
        if rows > LONGEST_RANGE:
            self._say(f"{_named(batch)}: no batch spans {rows:,} rows")
        if batch.digest_bytes != DIGEST_BYTES:
            self._say(f"{_named(batch)}: its digest has {batch.digest_bytes} bytes, and not {DIGEST_BYTES}")
        if batch.attempts < 0 or batch.ambiguous not in {0, 1}:
            self._say(f"{_named(batch)}: attempts {batch.attempts} or ambiguous {batch.ambiguous} cannot be")

    def _look_at_rows(self, batch: _Batch, rows: Sequence[tuple[Any, ...]]) -> None:
        found = Counter([columns[1] for columns in rows])
        self._fates.update(found)
        for columns in rows:
            if columns[1] not in _FATES_OF_ROWS:
                self._say(f"row {columns[0]}: {_said(columns[1])} is no fate of a row that is kept")
            elif not _is_readable(columns):
                self._say(f"row {columns[0]}: what is kept of it cannot be read")
        for fate in _SET_ASIDE:
            counted = getattr(batch, fate)
            if found[fate] != counted:
                self._say(f"{_named(batch)}: {counted} of its rows are counted as {fate}, and {found[fate]} are kept")

    def _look_at_parts(self, batch: _Batch, parts: Sequence[_Part], aside: Sequence[int]) -> None:
        end_row = batch.first_row
        for part in parts:
            if not part.first_row < part.end_row <= batch.end_row:
                self._say(f"{_named(part)}: the part does not lie inside one batch")
            elif part.first_row < end_row:
                self._say(f"{_named(part)}: the part overlaps the one before it, which ends with row {end_row - 1}")
            if part.fate not in _FATES_OF_PARTS:
                self._say(f"{_named(part)}: {_said(part.fate)} is no fate of a part")
            records = part.end_row - part.first_row
            records -= bisect_left(aside, part.end_row) - bisect_left(aside, part.first_row)
            if part.records != records or part.records < 1:
                self._say(f"{_named(part)}: the part is said to hold {part.records} records, and has {records}")
            if part.fate != Fate.REJECTED:
                self._fates[part.fate] += part.records
            elif part.end_row != part.first_row + 1:
                self._say(f"{_named(part)}: the part is rejected, and is not a single record")
            end_row = max(end_row, part.end_row)

    def _look_at_rejected(self, parts: Sequence[_Part], rows: set[int]) -> None:
        of_parts = {part.first_row for part in parts if part.fate == Fate.REJECTED}
        for row in sorted(of_parts - rows):
            self._say(f"row {row}: it is a rejected part, and no reason is kept of it")
        for row in sorted(rows - of_parts):
            self._say(f"row {row}: it is kept as rejected, and no part of its batch is")

    def _look_at_state(self, batch: _Batch, parts: Sequence[_Part]) -> None:
        if batch.state == schema.ACKNOWLEDGED:
            self._fates[Fate.ACKNOWLEDGED] += batch.records
            if parts or not batch.records:
                found = "has parts with fates of their own" if parts else "has no records"
                self._say(f"{_named(batch)}: the batch is acknowledged as a whole, and {found}")
            return
        settled = sum(part.records for part in parts)
        left = batch.records - settled
        fate = Fate.PENDING if batch.state == schema.PENDING else Fate.UNRESOLVED
        self._fates[fate] += left
        if batch.state not in _STATES:
            self._say(f"{_named(batch)}: {batch.state} is no state of a batch")
        elif (left != 0) if batch.state == schema.SETTLED else (left <= 0):
            state = _STATES[batch.state]
            self._say(f"{_named(batch)}: the batch is {state}, and its parts hold {settled} of {batch.records} records")


def _named(range_of_rows: _Batch | _Part) -> str:
    first_row, last_row = range_of_rows.first_row, range_of_rows.end_row - 1
    return f"row {first_row}" if first_row == last_row else f"rows {first_row} to {last_row}"


def _said(value: object) -> str:
    return repr(value)[:80]


def _is_readable(columns: tuple[Any, ...]) -> bool:
    try:
        texts.from_row(columns)
    except (ValueError, TypeError, AttributeError):
        return False
    return True
