"""Rows are cut into batches so that each row stands in exactly one place, and the same place every time."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bulkdelete.batching import MOST_ROWS, Batcher
from bulkdelete.digest import digest
from bulkdelete.errors import LedgerMismatch, SourceChanged
from bulkdelete.protocol import encode
from bulkdelete.records import Batch, Defect, Fate, Filter, Rows, StoredRange
from bulkdelete.screening import fault, identity
from bulkdelete.settings import BatchSettings
from tests.unit.rows import (
    BLOCKS,
    FILE,
    ITEMS,
    SETTINGS,
    TABLE,
    as_plain,
    cut_all,
    fates,
    in_blocks,
    parts_of,
    stored,
)


def batcher_with(*items, **settings) -> Batcher:
    batcher = Batcher(TABLE, BatchSettings(**settings))
    batcher.feed(Rows(0, items))
    return batcher


@given(ITEMS, SETTINGS, BLOCKS)
def test_each_row_is_in_exactly_one_batch_as_a_record_or_set_aside(items, settings, blocks):
    batches = cut_all(items, settings, blocks)
    edges = [0, *(batch.end_row for batch in batches)]
    assert [batch.first_row for batch in batches] == edges[:-1]
    assert edges[-1] == len(items)
    for batch in batches:
        assert batch.end_row > batch.first_row
        rows = [*batch.rows, *(row_fate.row for row_fate in batch.set_aside)]
        assert sorted(rows) == list(range(batch.first_row, batch.end_row))
        assert [items[row] for row in batch.rows] == list(batch.records)
        assert list(batch.rows) == sorted(batch.rows)
        assert batch.spans == ((range(len(batch.records)),) if batch.records else ())
        assert batch.open_records == len(batch.records)
        assert not batch.stored
        assert not batch.ambiguous


@given(ITEMS, SETTINGS, BLOCKS)
def test_no_batch_is_larger_than_its_size_or_its_byte_cap(items, settings, blocks):
    for batch in cut_all(items, settings, blocks):
        assert len(batch.records) <= settings.size
        assert len(encode(TABLE, batch.records)) <= settings.max_body_bytes


@given(ITEMS, SETTINGS, BLOCKS)
def test_a_body_made_of_the_ids_joined_before_is_that_of_the_records(items, settings, blocks):
    for batch in cut_all(items, settings, blocks):
        assert encode(TABLE, batch.records, batch.joined) == encode(TABLE, batch.records)


@given(ITEMS, SETTINGS, BLOCKS)
def test_a_batch_is_full_unless_the_rows_end_or_one_more_record_would_pass_the_byte_cap(items, settings, blocks):
    for batch, after in pairwise(cut_all(items, settings, blocks)):
        if len(batch.records) < settings.size:
            assert after.rows[0] == batch.end_row
            one_more = encode(TABLE, [*batch.records, after.records[0]])
            assert len(one_more) + 1 > settings.max_body_bytes


@given(ITEMS, SETTINGS, BLOCKS, BLOCKS)
def test_cutting_does_not_depend_on_how_the_rows_were_fed(items, settings, some, others):
    expected = [as_plain(batch) for batch in cut_all(items, settings)]
    assert [as_plain(batch) for batch in cut_all(items, settings, some)] == expected
    assert [as_plain(batch) for batch in cut_all(items, settings, others)] == expected
    assert [as_plain(batch) for batch in cut_all(items, settings, [1] * len(items))] == expected


@given(ITEMS, SETTINGS, BLOCKS)
def test_a_row_is_set_aside_for_what_it_is_with_its_file_and_line(items, settings, blocks):
    for batch in cut_all(items, settings, blocks):
        seen: set[object] = set()
        aside = {row_fate.row: row_fate for row_fate in batch.set_aside}
        for row in range(batch.first_row, batch.end_row):
            item = items[row]
            if row not in aside:
                assert not isinstance(item, Defect)
                assert fault(item, settings.max_id_characters) == ""
                assert identity(item) not in seen
                seen.add(identity(item))
                continue
            assert (aside[row].file, aside[row].line) == (FILE, row + 1)
            assert aside[row].record is (item.text if isinstance(item, Defect) else item)
            if aside[row].fate is Fate.DUPLICATE:
                assert identity(item) in seen
            elif isinstance(item, Defect):
                assert aside[row].reason == item.reason
            else:
                reason = fault(item, settings.max_id_characters)
                assert aside[row].reason == (
                    reason or f"its request would pass max_body_bytes ({settings.max_body_bytes})"
                )


@given(ITEMS, SETTINGS, BLOCKS)
def test_a_digest_covers_every_raw_row_of_its_range(items, settings, blocks):
    for batch in cut_all(items, settings, blocks):
        assert batch.digest == digest(items[batch.first_row : batch.end_row])


@given(ITEMS, SETTINGS, BLOCKS, st.lists(st.integers(1, 12), min_size=1, max_size=5))
def test_a_batch_can_be_cut_earlier(items, settings, blocks, most):
    batcher = Batcher(TABLE, settings)
    for rows in in_blocks(items, blocks):
        batcher.feed(rows)
    for records in most:
        batch = batcher.cut(at_end=True, most_records=records)
        assert batch is None or len(batch.records) <= min(records, settings.size)
        assert batch is not None or batcher.rows_left == 0


@given(st.data(), ITEMS, SETTINGS, BLOCKS)
def test_taking_stored_ranges_gives_the_same_records_back_but_for_what_is_settled(data, items, settings, blocks):
    batcher = Batcher(TABLE, BatchSettings(max_id_characters=settings.max_id_characters))
    for rows in in_blocks(items, blocks):
        batcher.feed(rows)
    for batch in cut_all(items, settings):
        if not batch.records:
            assert batcher.take(stored(batch, finished=True)) is None
            continue
        parts = data.draw(parts_of(len(batch.records)))
        again = batcher.take(stored(batch, finished=False, ambiguous=True, settled=parts))
        assert again is not None
        assert (again.first_row, again.end_row, again.digest) == (batch.first_row, batch.end_row, batch.digest)
        assert list(again.records) == list(batch.records)
        assert list(again.rows) == list(batch.rows)
        assert (again.stored, again.sent, again.ambiguous, again.set_aside) == (True, True, True, ())
        open_indexes = [at for span in again.spans for at in span]
        assert open_indexes == [at for at in range(len(batch.records)) if not any(at in part for part in parts)]
        assert all(again.spans)
    assert batcher.rows_left == 0


@given(st.data(), ITEMS, SETTINGS)
def test_taking_a_range_of_other_rows_is_refused_with_the_rows_named(data, items, settings):
    batches = cut_all(items, settings)
    assume(batches)
    number = data.draw(st.integers(0, len(batches) - 1))
    row = data.draw(st.integers(batches[number].first_row, batches[number].end_row - 1))
    changed = [*items]
    changed[row] = "another"
    batcher = batcher_with(*changed)
    for batch in batches[:number]:
        assert batcher.take(stored(batch, finished=True)) is None
    first, last = batches[number].first_row, batches[number].end_row - 1
    with pytest.raises(SourceChanged, match=rf"^rows {first} to {last} of the source are not those of the first run"):
        batcher.take(stored(batches[number], finished=data.draw(st.booleans())))


def test_a_common_batch_holds_the_rows_as_they_came():
    ids = [str(541278230707963208 + number) for number in range(2500)]
    batches = cut_all(ids, BatchSettings(), [700, 700, 700])
    assert [(batch.first_row, batch.end_row) for batch in batches] == [(0, 1000), (1000, 2000), (2000, 2500)]
    assert [record for batch in batches for record in batch.records] == ids


def test_a_batch_is_full_whatever_is_screened_away():
    items = [item for number in range(3000) for item in (str(number), "", str(number))]
    batches = cut_all(items, BatchSettings(), [1234] * 9)
    assert [len(batch.records) for batch in batches] == [1000, 1000, 1000, 3]
    assert set(fates(batches[0]).values()) == {Fate.INVALID, Fate.DUPLICATE}


@pytest.mark.no_cover  # long, and reaches nothing that others do not
def test_a_batch_spans_at_most_100_000_rows_and_ends_there_even_without_a_record():
    rows = MOST_ROWS * 2 + 5
    items = [Defect("too long", "", b"")] * rows
    items[MOST_ROWS + 7] = "1"
    batches = cut_all(items, BatchSettings(), [65_000] * 4)
    ranges = [(batch.first_row, batch.end_row, len(batch.records)) for batch in batches]
    assert ranges == [(0, MOST_ROWS, 0), (MOST_ROWS, 2 * MOST_ROWS, 1), (2 * MOST_ROWS, rows, 0)]
    assert batches[0].spans == ()


@pytest.mark.no_cover  # long, and reaches nothing that others do not
def test_a_range_without_a_record_is_full_as_soon_as_100_000_rows_are_there():
    batcher = batcher_with(*[Defect("too long", "", b"")] * MOST_ROWS)
    batch = batcher.cut()
    assert batch is not None
    assert (batch.end_row, batcher.rows_left) == (MOST_ROWS, 0)


def test_no_more_rows_are_taken_before_the_batch_is_full():
    batcher = batcher_with(*map(str, range(9)), size=10)
    assert batcher.cut() is None
    assert batcher.rows_left == 9
    batcher.feed(Rows(9, ["9", "10"]))
    batch = batcher.cut()
    assert batch is not None
    assert (batch.end_row, batcher.next_row, batcher.rows_left) == (10, 10, 1)
    assert batcher.cut() is None


def test_the_byte_cap_begins_a_new_batch_and_a_record_that_passes_it_alone_is_invalid():
    items = ["a" * 1900, "b" * 1900, "c" * 1900, Filter("c", "é" * 2100), "d"]
    first, second = cut_all(items, BatchSettings(max_body_bytes=4096, max_id_characters=4096))
    assert [record[0] for record in first.records if isinstance(record, str)] == ["a", "b"]
    assert [record[0] for record in second.records if isinstance(record, str)] == ["c", "d"]
    assert second.set_aside[0].reason == "its request would pass max_body_bytes (4096)"


def test_an_escape_counts_as_the_bytes_it_takes():
    for batch in cut_all(
        ['"' * 256 + str(number) for number in range(40)], BatchSettings(max_body_bytes=4096, max_id_characters=300)
    ):
        assert len(encode(TABLE, batch.records)) <= 4096


def test_a_row_without_a_file_or_lines_is_set_aside_without_them():
    batch = batcher_with("", "1").cut(at_end=True)
    assert batch is not None
    assert (batch.set_aside[0].file, batch.set_aside[0].line) == ("", None)


def test_nothing_fed_is_no_batch():
    assert Batcher(TABLE, BatchSettings()).cut(at_end=True) is None


def range_of(items, records: int, set_aside=frozenset()) -> StoredRange:
    return StoredRange(0, len(items), records, digest(items), finished=False, set_aside_rows=set_aside)


def test_a_ledger_with_a_gap_is_refused():
    with pytest.raises(LedgerMismatch, match="a gap before row 1"):
        batcher_with("0", "1").take(StoredRange(1, 2, 1, digest(["1"]), finished=True))


def test_a_ledger_that_does_not_say_which_rows_are_records_is_refused():
    defect = Defect("too long", "", b"")
    for items, wrong in [
        (["0", "1"], range_of(["0", "1"], 1)),
        (["0", "1"], range_of(["0", "1"], 2, frozenset({1}))),
        (["0", defect], range_of(["0", defect], 2)),
    ]:
        with pytest.raises(LedgerMismatch, match="which of the rows 0 to 1 are records"):
            batcher_with(*items).take(wrong)


def test_a_range_of_which_rows_are_missing_is_refused():
    with pytest.raises(SourceChanged, match="rows 0 to 2 of the source"):
        batcher_with("0", "1").take(StoredRange(0, 3, 3, digest(["0", "1", "2"]), finished=True))


def test_a_batch_is_a_value():
    batch = batcher_with("1").cut(at_end=True)
    assert isinstance(batch, Batch)
    with pytest.raises(AttributeError):
        batch.records = []  # type: ignore[misc]
