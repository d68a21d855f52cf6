"""A source read to its end and screened, and nothing sent: what a job would do."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bulkdelete.batching import Batcher
from bulkdelete.records import Fate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from bulkdelete.records import Batch, Record, RowFate
    from bulkdelete.screening import Screen
    from bulkdelete.settings import BatchSettings
    from bulkdelete.sources import Source

MOST_SAMPLES: Final = 10
"""So many examples are kept of each kind."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What caps are compared with: rows, and the same ones wherever batches are cut.

    ``found`` hold a record, and ``to_send`` of them none that is on hold. So ``duplicate`` ones are among both: another
    cut would send them.
    """

    found: int
    to_send: int
    duplicate: int = 0


@dataclass(slots=True)
class Survey:
    """What is in a source: rows by what would become of them, and examples.

    ``records`` would be sent, in ``batches`` requests if nothing went wrong. ``digest`` stands for every row, screened
    as it was.
    """

    rows: int = 0
    records: int = 0
    invalid: int = 0
    held: int = 0
    duplicate: int = 0
    batches: int = 0
    digest: str = ""
    samples: list[Record] = field(default_factory=list)
    set_aside: dict[str, list[RowFate]] = field(default_factory=dict)

    @property
    def counted(self) -> Counted:
        """What caps are compared with."""
        return Counted(self.rows - self.invalid, self.records + self.duplicate, self.duplicate)


async def survey(table_id: str, source: Source, settings: BatchSettings, screen: Screen) -> Survey:
    """Return what a job of *source* would do.

    Raises:
        SourceError: the source cannot be read to its end.

    """
    counting = _Counting()
    async with aclosing(_batches(table_id, source, settings, screen)) as batches:
        async for batch in batches:
            counting.take(batch)
    return counting.done()


async def _batches(
    table_id: str, source: Source, settings: BatchSettings, screen: Screen
) -> AsyncGenerator[Batch, None]:
    batcher = Batcher(table_id, settings, screen)
    async with aclosing(source.blocks()) as blocks:
        async for rows in blocks:
            batcher.feed(rows)
            for batch in _cut(batcher, at_end=False):
                yield batch
    for batch in _cut(batcher, at_end=True):
        yield batch


def _cut(batcher: Batcher, *, at_end: bool) -> Iterator[Batch]:
    while (batch := batcher.cut(at_end=at_end)) is not None:
        yield batch


class _Counting:
    """Counts batches; examples are drawn from the whole source, the same ones for the same source."""

    def __init__(self) -> None:
        self._found = Survey()
        self._digest = hashlib.sha256()
        self._fates: Counter[Fate] = Counter()
        self._random = random.Random(0)  # noqa: S311 - which examples are shown
        self._sent_batches = 0

    def take(self, batch: Batch) -> None:
        """Count *batch*."""
        found = self._found
        found.rows = batch.end_row
        found.records += len(batch.records)
        self._digest.update(b"%d %d %b\n" % (batch.first_row, batch.end_row, batch.digest))
        for row_fate in batch.set_aside:
            self._fates[row_fate.fate] += 1
            kept = found.set_aside.setdefault(row_fate.fate.value, [])
            if len(kept) < MOST_SAMPLES:
                kept.append(row_fate)
        if batch.records:
            found.batches += 1
            self._sample(batch)

    def _sample(self, batch: Batch) -> None:
        samples = self._found.samples
        if not samples:
            samples.extend(batch.records[at] for at in range(min(3, len(batch.records))))
            return
        one = batch.records[self._random.randrange(len(batch.records))]
        if len(samples) < MOST_SAMPLES:
            samples.append(one)
        elif (at := self._random.randrange(self._found.batches)) < MOST_SAMPLES - 3:
            samples[3 + at] = one

    def done(self) -> Survey:
        """Return the counts."""
        found = self._found
        found.invalid, found.held, found.duplicate = (
            self._fates[fate] for fate in (Fate.INVALID, Fate.HELD, Fate.DUPLICATE)
        )
        found.digest = f"sha256:{self._digest.hexdigest()}"
        return found
