"""The demonstration's ids: 18 digits, all different, in no order."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from bulkdelete.cli import demo_records


@pytest.mark.parametrize("records", [1, 19, 20, 21, 25, 20_000])
def test_ids_are_different_and_survivors_stand_beside_them(records):
    doomed, survivors = list(demo_records.doomed(records)), list(demo_records.survivors_of(records))
    assert len(doomed) == records
    assert len(survivors) == demo_records.survivors(records) == max(1, records // 20)
    assert len({*doomed, *survivors}) == len(doomed) + len(survivors)
    assert {len(record) for record in (*doomed, *survivors)} == {18}
    assert set(demo_records.everything(records)) == {*doomed, *survivors}


def test_ids_are_in_no_order():
    doomed = list(demo_records.doomed(1000))
    rises = sum(one < other for one, other in pairwise(doomed))
    assert 300 < rises < 700


def test_the_largest_demonstration_has_18_digits_too():
    assert len(demo_records._id(105_000_000)) == 18


def test_no_id_can_come_twice():
    assert demo_records._WINDOW_RECORDS < demo_records._WINDOW_SPAN
    assert math.gcd(demo_records._STRIDE, demo_records._WINDOW_SPAN) == 1
