"""A resume reads the source beside the ledger, and sends what one uninterrupted reading would have left to send."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bulkdelete.batching import Batcher
from bulkdelete.errors import LedgerMismatch, SourceChanged, SourceError
from bulkdelete.holds import Holds
from bulkdelete.merging import Bounds, Merge
from bulkdelete.records import Defect
from bulkdelete.screening import Screen
from bulkdelete.settings import BatchSettings
from tests.unit.rows import (
    BLOCKS,
    ITEMS,
    SETTINGS,
    TABLE,
    as_plain,
    cut_all,
    in_blocks,
    parts_of,
    settled_rows,
    stored,
)
from tests.virtual_time import run

pytestmark = pytest.mark.virtual_time

TEN = [str(number) for number in range(10)]
THREES = BatchSettings(size=3)


class Reading:
    """One reading of *items* beside *ranges*: the batches it gave before it ended, and how it ended."""

    def __init__(self, items, ranges=(), settings=THREES, blocks=(), *, breaks_at=None, **how) -> None:
        rows, batcher = how.pop("source_rows", None), Batcher(TABLE, settings)
        self.merge = Merge(batcher, self._ranges(ranges), Bounds(**how), source_rows=rows)
        self.items = items
        self.blocks = blocks
        self.breaks_at = breaks_at
        self.batches = []
        self.closed = []

    async def _ranges(self, ranges):
        try:
            for one in ranges:
                yield one
        finally:
            self.closed.append("ranges")

    async def _rows(self):
        try:
            for rows in in_blocks(self.items, self.blocks):
                if rows.first_row == self.breaks_at:
                    raise SourceError(f"row {self.breaks_at}: the disk failed")
                yield rows
        finally:
            self.closed.append("source")

    async def to_its_end(self) -> Reading:
        async for batch in self.merge.batches(self._rows()):
            self.batches.append(batch)
        return self

    def done(self) -> Reading:
        return run(self.to_its_end())


def finished(items, settings=THREES):
    return [stored(batch, finished=True) for batch in cut_all(items, settings)]


def as_stored(data, batches):
    """Draw how far an earlier run came, and what its ledger holds; return that, and what is left to send of it."""
    ranges, left = [], []
    for batch in batches[: data.draw(st.integers(0, len(batches)))]:
        if not batch.records or data.draw(st.booleans()):
            ranges.append(stored(batch, finished=True))
            continue
        ranges.append(stored(batch, finished=False, settled=data.draw(parts_of(len(batch.records)))))
        left.append(ranges[-1])
    return ranges, left


@given(ITEMS, SETTINGS, BLOCKS)
def test_without_a_ledger_the_batches_are_those_of_the_batcher(items, settings, blocks):
    reading = Reading(items, settings=settings, blocks=blocks).done()
    assert [as_plain(batch) for batch in reading.batches] == [as_plain(batch) for batch in cut_all(items, settings)]
    assert (reading.merge.read_to_end, reading.merge.limited) == (True, False)
    assert sorted(reading.closed) == ["ranges", "source"]


@given(st.data(), ITEMS, SETTINGS, BLOCKS)
def test_a_resume_after_any_cut_gives_what_one_uninterrupted_reading_had_left(data, items, settings, blocks):
    whole = cut_all(items, settings)
    ranges, left = as_stored(data, whole)
    batches = Reading(items, ranges, settings, blocks).done().batches
    again, new = batches[: len(left)], batches[len(left) :]
    assert [as_plain(batch) for batch in new] == [as_plain(batch) for batch in whole[len(ranges) :]]
    by_row = {batch.first_row: batch for batch in whole}
    for batch, one in zip(again, left, strict=True):
        before = by_row[batch.first_row]
        assert batch.stored
        assert (batch.first_row, batch.end_row, batch.digest) == (before.first_row, before.end_row, before.digest)
        assert (list(batch.records), list(batch.rows)) == (list(before.records), list(before.rows))
        in_parts = {row for part in one.settled for row in part}
        assert settled_rows(batch) == in_parts & set(before.rows)


@given(st.data(), ITEMS, SETTINGS, SETTINGS, BLOCKS)
def test_a_resume_with_other_settings_keeps_stored_ranges_and_leaves_no_gap(data, items, settings, others, blocks):
    whole = cut_all(items, settings)
    ranges, left = as_stored(data, whole)
    batches = Reading(items, ranges, others, blocks).done().batches
    assert [batch.stored for batch in batches] == [True] * len(left) + [False] * (len(batches) - len(left))
    edges = [ranges[-1].end_row if ranges else 0, *(batch.end_row for batch in batches[len(left) :])]
    assert [batch.first_row for batch in batches[len(left) :]] == edges[:-1]
    assert edges[-1] == len(items)


@given(st.data(), ITEMS, SETTINGS, BLOCKS, st.integers(1, 30))
def test_a_limit_is_never_passed_and_says_whether_it_ended_the_reading(data, items, settings, blocks, limit):
    whole = cut_all(items, settings)
    ranges, _ = as_stored(data, whole)
    everything = Reading(items, ranges, settings, blocks).done()
    reading = Reading(items, ranges, settings, blocks, limit=limit).done()
    sent = sum(batch.open_records for batch in reading.batches)
    available = sum(batch.open_records for batch in everything.batches)
    assert sent <= limit
    assert reading.merge.limited or sent == available
    assert reading.merge.read_to_end == (not reading.merge.limited)


@given(ITEMS, SETTINGS, BLOCKS, st.integers(1, 30))
def test_without_a_ledger_a_limit_sends_exactly_so_many_records_as_long_as_there_are(items, settings, blocks, limit):
    reading = Reading(items, settings=settings, blocks=blocks, limit=limit).done()
    sent = sum(batch.open_records for batch in reading.batches)
    assert sent == limit or not reading.merge.limited


def test_a_limit_that_is_just_the_number_of_records_does_not_end_the_reading():
    reading = Reading(TEN, blocks=[10], limit=10).done()
    assert [batch.end_row for batch in reading.batches] == [3, 6, 9, 10]
    assert (reading.merge.read_to_end, reading.merge.limited) == (True, False)


def test_a_limit_ends_the_reading_in_the_middle_of_a_batch():
    reading = Reading(TEN, limit=4).done()
    assert [list(batch.records) for batch in reading.batches] == [["0", "1", "2"], ["3"]]
    assert (reading.merge.read_to_end, reading.merge.limited) == (False, True)
    assert sorted(reading.closed) == ["ranges", "source"]


def test_a_finished_ledger_gives_no_batch_even_with_a_limit():
    for limit in (None, 1):
        reading = Reading(TEN, finished(TEN), blocks=[1] * 9, limit=limit, source_rows=10).done()
        assert reading.batches == []
        assert reading.merge.read_to_end


# --- the source changed between the runs


async def refusal(reading: Reading, match: str) -> None:
    with pytest.raises(SourceChanged, match=match):
        await reading.to_its_end()
    assert sorted(reading.closed) == ["ranges", "source"]


@pytest.mark.parametrize("blocks", [[], [1] * 9, [4, 4]])
@pytest.mark.parametrize(
    ("items", "rows"),
    [
        (TEN[1:], "rows 0 to 2 "),
        ([*TEN[:4], *TEN[5:]], "rows 3 to 5 "),
        (TEN[:-1], "ends after row 8; .* rows up to 9 "),
        (TEN[:5], "ends after row 4; .* rows up to 5 "),
        (["x", *TEN], "rows 0 to 2 "),
        ([*TEN[:5], "x", *TEN[5:]], "rows 3 to 5 "),
        (["0", "x", *TEN[2:]], "rows 0 to 2 "),
        ([*TEN[:4], "x", *TEN[5:]], "rows 3 to 5 "),
        ([*TEN[:9], "x"], "rows 9 to 9 "),
        ([*TEN[:4], "5", "4", *TEN[6:]], "rows 3 to 5 "),
        ([*TEN[:4], Defect("too long", "", b"4"), *TEN[5:]], "rows 3 to 5 "),
        ([*TEN, "10"], "goes on after row 9"),
    ],
)
async def test_a_row_removed_added_changed_or_moved_is_refused_with_its_rows_named(items, rows, blocks):
    reading = Reading(items, finished(TEN), blocks=blocks, source_rows=10)
    await refusal(reading, rows)
    assert reading.batches == []


@pytest.mark.parametrize("is_finished", [True, False])
@pytest.mark.parametrize("other", [Defect("too long", "", b"5"), "another space"])
async def test_a_row_that_is_never_sent_is_known_again_like_any_other(other, is_finished):
    before, after = ([*TEN[:4], row, *TEN[5:]] for row in (Defect("too long", "", b"4"), other))
    reading = Reading(after, [stored(batch, finished=is_finished) for batch in cut_all(before, THREES)])
    await refusal(reading, "rows 3 to 6 ")


@pytest.mark.parametrize("at", range(10))
async def test_nothing_of_the_range_that_changed_or_past_it_is_given(at):
    changed = [*TEN[:at], "x", *TEN[at + 1 :]]
    open_ranges = [stored(batch, finished=False) for batch in cut_all(TEN, THREES)]
    reading = Reading(changed, open_ranges, blocks=[2] * 4)
    await refusal(reading, f"rows {at // 3 * 3} to ")
    assert [batch.first_row for batch in reading.batches] == list(range(0, at // 3 * 3, 3))


@given(st.data(), ITEMS, SETTINGS, BLOCKS)
def test_a_stored_row_that_changed_is_found_wherever_it_stands(data, items, settings, blocks):
    assume(items)
    ranges = [stored(batch, finished=data.draw(st.booleans())) for batch in cut_all(items, settings)]
    at = data.draw(st.integers(0, len(items) - 1))
    how = data.draw(st.sampled_from(["removed", "changed", "added"]))
    after = items[at:] if how == "added" else items[at + 1 :]
    changed = [*items[:at], *([] if how == "removed" else ["another"]), *after]
    reading = Reading(changed, ranges, settings, blocks, source_rows=len(items))
    assume(not _same(changed, items))
    with pytest.raises(SourceChanged, match=r"row"):
        reading.done()
    for batch in reading.batches:
        assert _same(changed[batch.first_row : batch.end_row], items[batch.first_row : batch.end_row])


def _same(some, others) -> bool:
    return [repr(one) for one in some] == [repr(one) for one in others]


async def test_rows_added_to_a_source_that_was_read_to_its_end_are_refused_before_one_is_sent():
    reading = Reading([*TEN, *map(str, range(10, 20))], finished(TEN), blocks=[10], source_rows=10)
    await refusal(reading, "goes on after row 9, where it ended before: rows were added. None of them was sent")
    assert reading.batches == []


async def test_rows_added_to_a_source_that_was_not_read_to_its_end_are_sent():
    reading = await Reading([*TEN, "10"], finished(TEN)).to_its_end()
    assert [list(batch.records) for batch in reading.batches] == [["10"]]


async def test_a_gap_in_the_ledger_is_refused():
    reading = Reading(TEN, finished(TEN)[1:])
    with pytest.raises(LedgerMismatch, match="gap before row 3"):
        await reading.to_its_end()


async def test_the_rows_before_a_source_broke_are_given_when_a_batch_is_full():
    reading = Reading(TEN, blocks=[4, 3], breaks_at=7)
    with pytest.raises(SourceError, match="row 7"):
        await reading.to_its_end()
    assert [batch.end_row for batch in reading.batches] == [3, 6]
    assert not reading.merge.read_to_end


async def test_whoever_stops_reading_closes_the_source_and_the_ledger():
    reading = Reading(TEN, blocks=[1] * 9)
    batches = reading.merge.batches(reading._rows())
    assert (await anext(batches)).end_row == 3
    await batches.aclose()
    assert sorted(reading.closed) == ["ranges", "source"]


@pytest.mark.parametrize(
    ("most", "expected", "sent", "over"),
    [
        (None, None, 10, False),
        (10, 10, 10, False),
        (9, None, 9, True),
        (8, None, 6, True),
        (0, None, 0, True),
        (None, 9, 9, True),
        (None, 11, 10, False),
        (3, 9, 3, True),
        (9, 3, 3, True),
    ],
)
async def test_no_batch_is_begun_that_passes_a_cap(most, expected, sent, over):
    reading = await Reading(TEN, most_records=most, expected=expected).to_its_end()
    merge, given = reading.merge, sum(len(batch.records) for batch in reading.batches)
    assert (given, merge.over_cap, merge.read_to_end) == (sent, over, not over)


async def test_what_is_stored_counts_towards_a_cap_and_so_does_a_limited_run():
    reading = await Reading(TEN, finished(TEN)[:2], most_records=8).to_its_end()
    assert (reading.batches, reading.merge.over_cap, reading.merge.records) == ([], True, 9)
    limited = await Reading(TEN, most_records=8, limit=4).to_its_end()
    assert [len(batch.records) for batch in limited.batches] == [3, 1]
    assert (limited.merge.limited, limited.merge.over_cap) == (True, False)


async def test_records_on_hold_are_found_and_not_sent():
    holds = Holds()
    holds.add(["1", "5"])
    batcher = Batcher(TABLE, THREES, Screen(256, holds=holds))
    reading = Reading([*TEN, "1", "1"])
    reading.merge = Merge(batcher, reading._ranges(()), Bounds(most_records=8, expected=12))
    merge = (await reading.to_its_end()).merge
    assert (merge.records, merge.found, merge.over_cap) == (8, 12, False)
