"""What ends a canary: enough records, of which a batch that an earlier run cut may be more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.rows import BLOCKS, ITEMS, SETTINGS, cut_all
from tests.unit.test_merging import THREES, Reading, as_stored, finished, stored

pytestmark = pytest.mark.virtual_time
TEN = [str(number) for number in range(10)]


@given(st.data(), ITEMS, SETTINGS, BLOCKS, st.integers(0, 30))
def test_it_sends_enough_and_no_batch_after_that(data, items, settings, blocks, enough):
    ranges, _ = as_stored(data, cut_all(items, settings))
    everything = Reading(items, ranges, settings, blocks).done()
    reading = Reading(items, ranges, settings, blocks, enough=enough).done()
    sizes = [batch.open_records for batch in reading.batches if batch.open_records]
    assert reading.merge.sent == sum(sizes)
    assert sum(sizes[:-1]) < enough or not sizes
    assert sum(sizes) >= enough or sum(sizes) == everything.merge.sent
    assert reading.merge.had_enough or sum(sizes) == everything.merge.sent
    assert (reading.merge.read_to_end, reading.merge.limited) == (not reading.merge.had_enough, False)
    if not ranges:
        assert sum(sizes) <= enough


@given(st.data(), ITEMS, SETTINGS, BLOCKS)
def test_with_a_limit_no_more_than_that_is_sent(data, items, settings, blocks):
    enough, limit = data.draw(st.integers(0, 30)), data.draw(st.integers(1, 30))
    ranges, _ = as_stored(data, cut_all(items, settings))
    reading = Reading(items, ranges, settings, blocks, enough=enough, limit=limit).done()
    assert reading.merge.sent <= limit
    assert not (reading.merge.had_enough and reading.merge.limited)
    assert reading.merge.sent >= enough or not reading.merge.had_enough


def test_a_stored_batch_that_is_larger_is_sent_whole_and_the_next_waits():
    ranges = [stored(batch, finished=False) for batch in cut_all(TEN, THREES)[:2]]
    reading = Reading(TEN, ranges, enough=1).done()
    assert [list(batch.records) for batch in reading.batches] == [TEN[:3]]
    assert reading.merge.had_enough


def test_enough_already_sends_nothing_and_passes_over_what_is_finished():
    reading = Reading(TEN, finished(TEN)[:2], enough=0).done()
    assert (reading.batches, reading.merge.had_enough) == ([], True)
    reading = Reading(TEN, finished(TEN), enough=0).done()
    assert (reading.batches, reading.merge.had_enough, reading.merge.read_to_end) == ([], False, True)
