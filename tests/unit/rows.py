"""Rows for property tests: mostly records, some of them twice, some that cannot be any, and how they are fed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from bulkdelete.batching import Batcher
from bulkdelete.records import Batch, Defect, Fate, Filter, Rows, StoredRange
from bulkdelete.settings import BatchSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkdelete.records import Item

TABLE = "673af861ed69656ac0895b07"
FILE = "ids.csv"

IDS = st.integers(0, 60).map(str)
LONG = st.sampled_from([character * 1500 for character in 'abc"é'])
BAD = st.sampled_from(["", " ", "null", "1.5e+17", "a b", "\ud800", "x" * 2001])
FILTERS = st.builds(
    Filter, st.sampled_from(["c", "d"]), st.sampled_from(["1", 1, 1.0, True, "", float("nan"), "v" * 900])
)
DEFECTS = st.builds(Defect, st.just("too long"), st.just("excerpt"), st.binary(min_size=2, max_size=2))
SOUND = st.lists(IDS, max_size=40, unique=True)
MIXED = st.lists(st.one_of(IDS, IDS, IDS, LONG, BAD, FILTERS, DEFECTS), max_size=40)
ITEMS = st.one_of(
    SOUND, MIXED, st.tuples(SOUND, MIXED, SOUND).map(lambda parts: [row for part in parts for row in part])
)
SETTINGS = st.builds(
    BatchSettings,
    size=st.integers(1, 12),
    max_body_bytes=st.sampled_from([4096, 8192, 1 << 20]),
    max_id_characters=st.sampled_from([2, 1500, 2000]),
)
BLOCKS = st.lists(st.integers(0, 15), max_size=10)


def in_blocks(items: Sequence[Item], lengths: Sequence[int]) -> Iterator[Rows]:
    """Cut *items* into consecutive blocks of *lengths*; the last block is the rest."""
    at = 0
    for length in [*lengths, len(items)]:
        block = items[at : at + length]
        yield Rows(at, block, FILE, range(at + 1, at + 1 + len(block)))
        at += len(block)


def cut_all(items: Sequence[Item], settings: BatchSettings, lengths: Sequence[int] = ()) -> list[Batch]:
    """Return all batches of *items*, each taken as soon as it can be."""
    batcher = Batcher(TABLE, settings)
    batches = []
    for rows in in_blocks(items, lengths):
        batcher.feed(rows)
        while batch := batcher.cut():
            batches.append(batch)
    while batch := batcher.cut(at_end=True):
        batches.append(batch)
    return batches


def as_plain(batch: Batch) -> tuple[object, ...]:
    """Return *batch* so that two of them are equal where they say the same."""
    return (
        (batch.first_row, batch.end_row, batch.digest, batch.spans, batch.ambiguous, batch.stored),
        [(type(record), str(record)) for record in batch.records],
        list(batch.rows),
        str(batch.set_aside),
    )


def stored(batch: Batch, *, finished: bool, ambiguous: bool = False, settled: Sequence[range] = ()) -> StoredRange:
    """Return *batch* as a ledger holds it; *settled* are index ranges of its records."""
    return StoredRange(
        batch.first_row,
        batch.end_row,
        len(batch.records),
        batch.digest,
        finished=finished,
        ambiguous=ambiguous,
        sent=not finished,
        settled=tuple(range(batch.rows[part.start], batch.rows[part.stop - 1] + 1) for part in settled),
        set_aside_rows=frozenset() if finished else frozenset(row_fate.row for row_fate in batch.set_aside),
    )


@st.composite
def parts_of(draw: st.DrawFn, records: int) -> list[range]:
    """Return disjoint index ranges, in order, that leave at least one of so many *records* out."""
    flags = draw(st.lists(st.booleans(), min_size=records, max_size=records).filter(lambda flags: not all(flags)))
    ends = [at for at in range(records + 1) if at == records or not flags[at]]
    starts = [0, *(end + 1 for end in ends)]
    return [range(start, stop) for start, stop in zip(starts, ends, strict=False) if start < stop]


def settled_rows(batch: Batch) -> set[int]:
    """Return the rows of *batch* that are settled already: its records outside its spans."""
    return {batch.rows[at] for at in range(len(batch.records)) if not any(at in span for span in batch.spans)}


def fates(batch: Batch) -> dict[int, Fate]:
    """Return the fates of the rows that are never sent."""
    return {row_fate.row: row_fate.fate for row_fate in batch.set_aside}
