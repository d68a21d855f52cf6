"""The merge join of a source with what the ledger holds of it: the batches of a run, in row order.

Finished ranges are passed over, open ones are taken exactly as they were cut, and the digest of every one is checked
as the reading passes it; after the last of them, cutting goes on with today's settings.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bulkdelete.errors import SourceChanged
from bulkdelete.records import Fate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from bulkdelete.batching import Batcher
    from bulkdelete.records import Batch, Rows, StoredRange


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where the batches end before the source does; ``None`` bounds nothing.

    *limit* ends them after so many records. So does *enough*, but a stored batch, never cut anew, is sent whole where
    it is more. No batch is begun or gone on with that would make more than *most_records* over the job's life, or by
    which the source is seen to hold more rows with a record than *expected*.
    """

    limit: int | None = None
    enough: int | None = None
    most_records: int | None = None
    expected: int | None = None


UNBOUNDED: Final = Bounds()


class Merge:
    """The batches still to be sent of the rows in *blocks*, of which *ranges* are stored already.

    *source_rows* is what an earlier run counted to the source's end. Afterwards, :attr:`read_to_end`, :attr:`limited`,
    :attr:`limit_note`, :attr:`had_enough` and :attr:`over_cap` say how the batches ended; :attr:`sent` how many records
    were to be sent, :attr:`records` how many the batches and the stored ranges hold, and :attr:`found` how many rows of
    them hold a record, also one on hold or a duplicate; those of stored ranges only where a number is *expected*.
    """

    def __init__(
        self,
        batcher: Batcher,
        ranges: AsyncGenerator[StoredRange, None],
        bounds: Bounds = UNBOUNDED,
        *,
        source_rows: int | None = None,
    ) -> None:
        self._batcher = batcher
        self._ranges = ranges
        self._bounds = bounds
        self._source_rows = source_rows
        self.sent = 0
        self.records = 0
        self.found = 0
        self.over_cap = False
        self.read_to_end = False
        self.limited = False
        self.limit_note = ""
        self.had_enough = False

    async def batches(self, blocks: AsyncGenerator[Rows, None]) -> AsyncGenerator[Batch, None]:
        """Yield the batches.

        Raises:
            SourceChanged: the source is not the one whose rows the ledger holds; the message names the row.
            SourceError: the source broke.

        """
        async with aclosing(blocks), aclosing(self._ranges):
            stored = await anext(self._ranges, None)
            async for rows in blocks:
                self._batcher.feed(rows)
                while stored is not None and self._has(stored):
                    batch = self._take(stored)
                    if self._is_over:
                        return
                    if batch is not None:
                        yield batch
                    stored = await anext(self._ranges, None)
                for batch in () if stored else self._cut(at_end=False):
                    yield batch
                if self._is_over:
                    return
        if stored is not None:
            raise self._ends_early(stored)
        for batch in self._cut(at_end=True):
            yield batch
        self.read_to_end = not self._is_over

    @property
    def _is_over(self) -> bool:
        return self.limited or self.had_enough or self.over_cap

    @property
    def _left(self) -> int | None:
        return None if self._bounds.limit is None else self._bounds.limit - self.sent

    @property
    def _missing(self) -> int | None:
        """How many records there are to be still until it is enough."""
        return None if self._bounds.enough is None else max(0, self._bounds.enough - self.sent)

    def _has(self, stored: StoredRange) -> bool:
        return self._batcher.rows_left >= stored.end_row - stored.first_row

    def _take(self, stored: StoredRange) -> Batch | None:
        if self._bounds.expected is not None:
            self.found += self._batcher.holding_a_record(stored.end_row - stored.first_row)
        batch = self._batcher.take(stored)
        self.records += stored.records if batch is None else len(batch.records)
        sends = batch is not None and batch.open_records > 0
        if self._passes_a_cap(sends=sends):
            return None
        if batch is None or not sends:
            return batch
        if self._missing == 0 and self._left != 0:
            self.had_enough = True
            return None
        if self._bounds.limit is not None and batch.open_records > self._bounds.limit - self.sent:
            self.limited = True
            if batch.open_records > self._bounds.limit:
                self.limit_note = (
                    f"; the batch that comes next was cut by an earlier run and holds {batch.open_records} records: "
                    f"it is sent whole, by a run with a limit of {batch.open_records} or more"
                )
            return None
        self.sent += batch.open_records
        return batch

    def _ends_early(self, stored: StoredRange) -> SourceChanged:
        last = self._batcher.next_row + self._batcher.rows_left - 1
        return SourceChanged(
            f"the source ends after row {last}; the ledger holds rows up to {stored.end_row - 1} at least. Nothing was "
            f"sent past row {self._batcher.next_row - 1}. Give the source as it was, or start a new ledger"
        )

    def _cut(self, *, at_end: bool) -> Iterator[Batch]:
        if self._source_rows is not None and self._batcher.next_row + self._batcher.rows_left > self._source_rows:
            raise SourceChanged(
                f"the source goes on after row {self._source_rows - 1}, where it ended before: rows were added. None "
                "of them was sent. Give the source as it was, or start a new ledger"
            )
        while 0 not in {self._left, self._missing}:
            most = min((most for most in (self._left, self._missing) if most is not None), default=None)
            batch = self._batcher.cut(at_end=at_end, most_records=most)
            if batch is None:
                return
            self.records += len(batch.records)
            self.found += len(batch.records) + sum(one.fate is not Fate.INVALID for one in batch.set_aside)
            if self._passes_a_cap(sends=True):
                return
            self.sent += len(batch.records)
            yield batch
        self.limited = self._left == 0 and self._batcher.rows_left > 0
        self.had_enough = self._left != 0 and self._batcher.rows_left > 0

    def _passes_a_cap(self, *, sends: bool) -> bool:
        """Return, and remember, whether a cap is passed by the batch that was taken, which *sends* anything or not."""
        bounds = self._bounds
        too_many = sends and bounds.most_records is not None and self.records > bounds.most_records
        self.over_cap = too_many or (bounds.expected is not None and self.found > bounds.expected)
        return self.over_cap
