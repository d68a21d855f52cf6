"""A job's screen: sound records, ids as the table has them, and nothing on hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.batching import Batcher
from bulkdelete.holds import Holds
from bulkdelete.records import Fate, Filter, Rows
from bulkdelete.screening import Screen
from bulkdelete.settings import BatchSettings, IdentifierSettings
from tests.unit.rows import BLOCKS, ITEMS, SETTINGS, TABLE, in_blocks

RULES = st.builds(
    IdentifierSettings,
    pattern=st.sampled_from(["", "[0-9]+", "1.*"]),
    lengths=st.sampled_from([(), (1,), (1, 2)]),
    prefixes=st.sampled_from([(), ("1",), ("2", "3")]),
)
HELD = st.lists(
    st.one_of(st.integers(0, 60).map(str), st.builds(Filter, st.just("c"), st.sampled_from(["1", 1, True])))
)


def screen_of(rules=None, held=(), most=256) -> Screen:
    holds = Holds()
    holds.add(held)
    return Screen(most, rules, holds)


@given(st.lists(st.integers(0, 120).map(str), min_size=1, max_size=8), RULES, HELD)
def test_the_look_at_all_ids_passes_only_what_the_look_at_each_passes(ids, rules, held):
    screen = screen_of(rules, held)
    if screen.plain_joined(ids) is not None:
        assert [screen.fate(one) for one in ids] == [None] * len(ids)
    elif len(set(ids)) == len(ids):
        assert any(screen.fate(one) is not None for one in ids)


@given(ITEMS, SETTINGS, BLOCKS, RULES, HELD)
def test_no_batch_has_a_record_that_the_screen_keeps_back_and_every_row_has_a_place(
    items, settings, blocks, rules, held
):
    holds = Holds()
    holds.add(held)
    screen = Screen(settings.max_id_characters, rules, holds)
    batcher = Batcher(TABLE, settings, screen)
    rows = 0
    for block in in_blocks(items, blocks):
        batcher.feed(block)
    while batch := batcher.cut(at_end=True):
        assert all(screen.fate(record) is None for record in batch.records)
        holds.check_free(batch.records, batch.joined)
        assert sorted([*batch.rows, *(one.row for one in batch.set_aside)]) == list(range(rows, batch.end_row))
        rows = batch.end_row
    assert rows == len(items)


@pytest.mark.parametrize(
    ("rules", "record_id", "said"),
    [
        ({"lengths": [18]}, "1", "1 characters; ids of this table have 18"),
        ({"lengths": [3, 4]}, "1", "ids of this table have 3 or 4"),
        ({"prefixes": ["a", "b"]}, "c", "ids of this table begin with 'a' or 'b'"),
        ({"pattern": "[0-9]"}, "12", "ids of this table match [0-9]"),
    ],
)
def test_what_does_not_look_like_an_id_of_the_table_is_invalid(rules, record_id, said):
    screen = screen_of(IdentifierSettings(**rules))
    fate = screen.fate(record_id)
    assert fate is not None
    assert fate[0] is Fate.INVALID
    assert said in fate[1]
    assert screen.plain_joined([record_id]) is None
    assert screen.fate(Filter("email", record_id)) is None


def test_without_rules_for_the_table_every_id_may_be_one():
    assert screen_of(IdentifierSettings()).fate("anything") is None
    assert screen_of().fate("anything") is None


def test_a_row_that_can_be_no_record_is_invalid_though_it_is_on_hold():
    fate = screen_of(held=["a b"]).fate("a b")
    assert fate is not None
    assert fate[0] is Fate.INVALID


def test_a_record_on_hold_is_held_in_each_row_and_no_duplicate():
    holds = Holds()
    holds.add(["1", "2"])
    batcher = Batcher(TABLE, BatchSettings(), Screen(256, holds=holds))
    batcher.feed(Rows(0, ["1", "1", "2", "3", "3", ""]))
    batch = batcher.cut(at_end=True)
    assert batch is not None
    assert [one.fate for one in batch.set_aside] == ["held", "held", "held", "duplicate", "invalid"]
