"""Rows -> screened batches: ranges ``[first_row, end_row)`` with the records left of them.

A batch ends when it holds ``size`` records, when its body reaches the byte cap, or when it spans
:data:`MOST_ROWS` rows; so batches are full whatever is screened away.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bulkdelete import protocol, screening
from bulkdelete.capping import BodyCap
from bulkdelete.digest import digest, digest_of_joined
from bulkdelete.errors import LedgerMismatch, SourceChanged
from bulkdelete.ids import Ids
from bulkdelete.records import Batch, Defect, Fate, RowFate
from bulkdelete.screening import Screen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.records import Item, Record, Rows, StoredRange
    from bulkdelete.settings import BatchSettings

MOST_ROWS: Final = 100_000
"""A range without records this long is settled without a request."""


@dataclass(slots=True)
class _Draft:
    """A batch that is being cut row by row, because something was found in its rows."""

    records: list[Record] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    set_aside: list[RowFate] = field(default_factory=list)
    seen: set[object] = field(default_factory=set)
    body_bytes: int = 0
    scanned: int = 0


class _Fed:
    """The rows that are in no batch yet, in the blocks that they came in: no row is copied or looked at."""

    def __init__(self) -> None:
        self._blocks: deque[Rows] = deque()
        self._dropped = 0
        self.rows = 0

    def add(self, rows: Rows) -> None:
        """Add a block."""
        self._blocks.append(rows)
        self.rows += len(rows.items)

    def items(self, start: int, stop: int) -> Sequence[Item]:
        """Return the items from *start* to *stop*, counted from the first row left; fewer where there are no more."""
        start, stop = start + self._dropped, stop + self._dropped
        parts: list[Sequence[Item]] = []
        for block in self._blocks:
            if start < len(block.items):
                parts.append(block.items[start:stop])
            start, stop = max(0, start - len(block.items)), stop - len(block.items)
            if stop <= 0:
                break
        if len(parts) == 1:
            return parts[0]
        return Ids.of_parts(parts) or [item for part in parts for item in part]

    def drop(self, rows: int) -> None:
        """Forget the first *rows* rows."""
        self.rows -= rows
        self._dropped += rows
        while self._blocks and self._dropped >= len(self._blocks[0].items):
            self._dropped -= len(self._blocks.popleft().items)

    def place(self, row: int) -> tuple[str, int | None]:
        """Return the file and line of *row*, which is not dropped."""
        block = next(block for block in self._blocks if row < block.first_row + len(block.items))
        return block.file, block.lines[row - block.first_row] if block.lines else None


class Batcher:
    """Cuts the rows that are fed to it, in order, into batches; no I/O, and memory for the rows of one range."""

    def __init__(
        self, table_id: str, settings: BatchSettings, screen: Screen | None = None, cap: BodyCap | None = None
    ) -> None:
        self._settings = settings
        self._cap = cap or BodyCap(settings.max_body_bytes)
        self._screen = screen or Screen(settings.max_id_characters)
        self._table_id = table_id
        self._envelope_bytes = protocol.envelope_bytes(table_id)
        self._fed = _Fed()
        self._draft: _Draft | None = None
        self.next_row = 0
        """The first row that is in no batch yet."""

    def feed(self, rows: Rows) -> None:
        """Take in the next block of rows."""
        self._fed.add(rows)

    @property
    def rows_left(self) -> int:
        """Rows fed and in no batch yet."""
        return self._fed.rows

    def cut(self, *, at_end: bool = False, most_records: int | None = None) -> Batch | None:
        """Return the next batch, or ``None`` when more rows are needed; *at_end* says that there are no more.

        *most_records* ends the batch earlier than the configured size does.
        """
        size = min(self._settings.size, most_records or self._settings.size)
        if self._draft is None:
            if self.rows_left < size and not at_end:
                return None
            items = self._fed.items(0, size)
            joined = self._screen.plain_joined(items) if items else None
            if joined is not None and protocol.most_bytes(self._table_id, joined, len(items)) <= self._cap.most_bytes:
                return self._plain_batch(items, joined)  # type: ignore[arg-type]  # all are str
        return self._cut_row_by_row(size, at_end=at_end)

    def holding_a_record(self, rows: int) -> int:
        """Return how many of the next *rows*, which must have been fed, hold a record, also one that is on hold."""
        items = self._fed.items(0, rows)
        joined = self._screen.plain_joined(items)
        most_bytes = self._settings.max_body_bytes
        if joined is not None and protocol.most_bytes(self._table_id, joined, len(items)) <= most_bytes:
            return len(items)
        return sum(map(self._holds_a_record, items))

    def take(self, stored: StoredRange) -> Batch | None:
        """Return the rows of *stored*, which must have been fed, exactly as they were cut, or ``None`` if finished.

        Raises:
            SourceChanged: the rows are not those that the ledger holds the digest of.
            LedgerMismatch: *stored* does not begin where the last range ended.

        """
        if stored.first_row != self.next_row:
            raise LedgerMismatch(
                f"the ledger's ranges have a gap before row {stored.first_row}; nothing more was sent, "
                "and this ledger cannot be continued"
            )
        items = self._fed.items(0, stored.end_row - stored.first_row)
        found = digest(items)
        if found != stored.digest:
            raise SourceChanged(
                f"rows {stored.first_row} to {stored.end_row - 1} of the source are not those of the first run "
                f"(digest {found.hex()}, was {stored.digest.hex()}): a row was changed, added or removed there or "
                "before, or read otherwise by an earlier version. Nothing was sent past this point. Give the source as "
                "it was, or start a new ledger"
            )
        if stored.finished:
            self._advance(len(items))
            return None
        return self._reopened(items, stored)

    def _reopened(self, items: Sequence[Item], stored: StoredRange) -> Batch:
        rows: Sequence[int] = range(stored.first_row, stored.end_row)
        records: Sequence[Item] = items
        if stored.set_aside_rows:
            rows = [row for row in rows if row not in stored.set_aside_rows]
            records = [items[row - stored.first_row] for row in rows]
        if len(records) != stored.records or any(isinstance(record, Defect) for record in records):
            raise LedgerMismatch(
                f"the ledger does not say which of the rows {stored.first_row} to {stored.end_row - 1} are records; "
                "nothing more was sent, and this ledger cannot be continued"
            )
        aside = self._set_aside_since(stored, rows, records)  # type: ignore[arg-type]  # no Defect is left
        if aside:
            now_aside = {row_fate.row for row_fate in aside}
            records = [record for row, record in zip(rows, records, strict=True) if row not in now_aside]
            rows = [row for row in rows if row not in now_aside]
        self._advance(len(items))
        return Batch(
            stored.first_row,
            stored.end_row,
            records,  # type: ignore[arg-type]  # no Defect is left
            rows,
            stored.digest,
            tuple(aside),
            spans=_gaps(rows, stored.settled),
            ambiguous=stored.ambiguous,
            sent=stored.sent or stored.ambiguous,
            stored=True,
        )

    def _set_aside_since(self, stored: StoredRange, rows: Sequence[int], records: Sequence[Record]) -> list[RowFate]:
        """Return the records of *stored* without a final answer that are not to be sent any more since it was cut.

        They came to be on hold, or do not fit the rules of this run.
        """
        if self._screen.plain_joined(records) is not None:
            return []
        doubt = "; a request that held it was sent before" if stored.sent or stored.ambiguous else ""
        return [
            self._set_aside(row, never[0], f"{never[1]}{doubt}", record)
            for row, record in zip(rows, records, strict=True)
            if (never := self._screen.fate(record)) and not any(row in part for part in stored.settled)
        ]

    def _cut_row_by_row(self, size: int, *, at_end: bool) -> Batch | None:
        draft = self._draft = self._draft or _Draft(body_bytes=self._envelope_bytes)
        while draft.scanned < min(self.rows_left, MOST_ROWS) and len(draft.records) < size:
            wanted = min(draft.scanned + size - len(draft.records), MOST_ROWS)
            for item in self._fed.items(draft.scanned, wanted):
                if not self._draw_in(draft, item):
                    return self._finish(draft)
        whole = len(draft.records) >= size or draft.scanned >= MOST_ROWS
        return self._finish(draft) if draft.scanned and (whole or at_end) else None

    def _draw_in(self, draft: _Draft, item: Item) -> bool:
        """Look at the draft's next row; return whether it belongs to this batch (one too large begins the next)."""
        row = self.next_row + draft.scanned
        if isinstance(item, Defect):
            draft.set_aside.append(self._set_aside(row, Fate.INVALID, item.reason, item.text))
        elif never := self._never_sent(item):
            draft.set_aside.append(self._set_aside(row, *never, item))
        elif (identity := screening.identity(item)) in draft.seen:
            draft.set_aside.append(self._set_aside(row, Fate.DUPLICATE, "already in this batch", item))
        else:
            body_bytes = draft.body_bytes + protocol.entry_bytes(item)
            if body_bytes > self._cap.most_bytes and draft.records:
                return False
            draft.body_bytes = body_bytes
            draft.seen.add(identity)
            draft.records.append(item)
            draft.rows.append(row)
        draft.scanned += 1
        return True

    def _holds_a_record(self, item: Item) -> bool:
        if isinstance(item, Defect):
            return False
        never = self._never_sent(item)
        return never is None or never[0] is not Fate.INVALID

    def _never_sent(self, record: Record) -> tuple[Fate, str] | None:
        never = self._screen.fate(record)
        if never is None and self._envelope_bytes + protocol.entry_bytes(record) > self._settings.max_body_bytes:
            return Fate.INVALID, f"its request would pass max_body_bytes ({self._settings.max_body_bytes})"
        return never

    def _set_aside(self, row: int, fate: Fate, reason: str, record: Record) -> RowFate:
        file, line = self._fed.place(row)
        return RowFate(row, fate, reason, record, file, line)

    def _finish(self, draft: _Draft) -> Batch:
        self._draft = None
        items = self._fed.items(0, draft.scanned)
        first_row = self.next_row
        self._advance(len(items))
        spans = (range(len(draft.records)),) if draft.records else ()
        aside = tuple(draft.set_aside)
        return Batch(first_row, self.next_row, draft.records, draft.rows, digest(items), aside, spans)

    def _plain_batch(self, ids: Sequence[str], joined: bytes) -> Batch:
        first_row = self.next_row
        self._advance(len(ids))
        every = range(len(ids))
        rows = range(first_row, self.next_row)
        return Batch(
            first_row, self.next_row, ids, rows, digest_of_joined(joined, len(ids)), spans=(every,), joined=joined
        )

    def _advance(self, rows: int) -> None:
        self._fed.drop(rows)
        self.next_row += rows


def _gaps(rows: Sequence[int], settled: Sequence[range]) -> tuple[range, ...]:
    """Return the index ranges of *rows* that no range of *settled* (row numbers, in order) covers."""
    gaps = []
    start = 0
    for part in settled:
        stop = bisect_left(rows, part.start)
        if start < stop:
            gaps.append(range(start, stop))
        start = bisect_right(rows, part.stop - 1)
    if start < len(rows):
        gaps.append(range(start, len(rows)))
    return tuple(gaps)
