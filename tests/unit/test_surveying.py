"""A survey says what a job would do, and sends nothing."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.holds import Holds
from bulkdelete.records import Fate
from bulkdelete.screening import Screen
from bulkdelete.settings import BatchSettings
from bulkdelete.sources import from_iterable
from bulkdelete.surveying import MOST_SAMPLES, Counted, survey
from tests.unit.rows import TABLE, cut_all

ROWS = st.lists(st.one_of(st.integers(0, 40).map(str), st.sampled_from(["", "a b", "5.4e+17"])), max_size=60)


def surveyed(rows, size, held=()):
    holds = Holds()
    holds.add(held)
    settings = BatchSettings(size=size)
    return asyncio.run(survey(TABLE, from_iterable(rows), settings, Screen(settings.max_id_characters, holds=holds)))


@given(ROWS, st.integers(1, 9))
def test_it_counts_what_the_batches_hold(rows, size):
    found, batches = surveyed(rows, size), cut_all(rows, BatchSettings(size=size))
    aside = [one for batch in batches for one in batch.set_aside]
    assert found.rows == len(rows) == found.records + found.invalid + found.held + found.duplicate
    assert found.records == sum(len(batch.records) for batch in batches)
    assert found.counted == Counted(found.rows - found.invalid, found.records + found.duplicate, found.duplicate)
    assert found.batches == sum(bool(batch.records) for batch in batches)
    assert (found.invalid, found.duplicate) == tuple(
        sum(one.fate is fate for one in aside) for fate in (Fate.INVALID, Fate.DUPLICATE)
    )
    for fate, examples in found.set_aside.items():
        same = [(one.row, one.reason) for one in aside if one.fate == fate]
        assert [(one.row, one.reason) for one in examples] == same[:MOST_SAMPLES]
    assert set(found.samples) <= {record for batch in batches for record in batch.records}
    assert bool(found.samples) == bool(found.records)
    assert len(found.samples) <= MOST_SAMPLES


def test_the_same_source_gives_the_same_samples_and_digest_and_another_another():
    rows = list(map(str, range(5_000)))
    one, same, other = surveyed(rows, 10), surveyed(rows, 10), surveyed(rows[:-1], 10)
    assert one == same
    assert one.digest != other.digest
    assert len(one.samples) == MOST_SAMPLES
    assert one.samples[:3] == ["0", "1", "2"]
    assert max(map(int, one.samples)) > 2_500


def test_what_is_on_hold_is_found_in_each_row_and_not_to_send():
    found = surveyed(["1", "2", "2", "3", "3", ""], 10, held=["2"])
    assert (found.records, found.held, found.duplicate) == (2, 2, 1)
    assert found.counted == Counted(5, 3, 1)


@given(ROWS, st.sets(st.integers(0, 40).map(str), max_size=9), st.integers(1, 9), st.integers(1, 70))
def test_what_caps_are_compared_with_is_the_same_wherever_batches_are_cut(rows, held, size, other):
    one, another = surveyed(rows, size, held), surveyed(rows, other, held)
    assert (one.counted.found, one.counted.to_send) == (another.counted.found, another.counted.to_send)
    assert one.records <= one.counted.to_send <= one.counted.found
