"""How long the server's windows are is learnt from their resets, and nothing is made up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.quotas.lengths import Lengths

FIRST = 1_795_500_000.0


def learnt(resets: list[tuple[float, float]], limit: int = 20) -> float | None:
    lengths = Lengths()
    for reset, seconds in resets:
        lengths.heard(limit, FIRST + reset, seconds)
    return lengths.seconds(limit)


def test_of_a_first_reset_only_its_distance_is_known():
    assert learnt([(0, 40.0)]) == 40
    assert learnt([(0, 40.0), (0, 39.0)]) == 40
    assert Lengths().seconds(20) is None
    assert Lengths().seconds(None) is None


def test_two_resets_less_than_twice_as_far_apart_as_the_farthest_was_away_are_neighbours():
    assert learnt([(0, 40.0), (60, 59.0)]) == 60
    assert learnt([(0, 1.0), (1, 1.0)]) == 1


def test_resets_that_may_have_others_between_them_tell_no_length():
    assert learnt([(0, 20.0), (120, 30.0)]) == 30
    assert learnt([(0, 20.0), (120, 30.0), (180, 55.0)]) == 60


def test_a_reset_computed_anew_for_each_answer_is_no_neighbour():
    assert learnt([(0, 60.0), (1, 60.0), (0, 59.0), (1, 58.0), (60, 60.0)]) == 59


def test_windows_that_become_longer_are_learnt_anew():
    assert learnt([(0, 10.0), (10, 10.0), (70, 60.0), (130, 60.0)]) == 60


def test_a_minute_and_an_hour_told_by_turns_are_told_apart():
    lengths = Lengths()
    for minute in range(1, 70):
        lengths.heard(20, FIRST + 60 * minute, 59.0)
        lengths.heard(1000, FIRST + 3600 * (1 + minute // 60), 3600.0 - 60 * (minute % 60))
    assert (lengths.seconds(20), lengths.seconds(1000)) == (60, 3600)


def test_of_limits_without_number_the_latest_are_known():
    lengths = Lengths()
    for limit in range(1, 100):
        lengths.heard(limit, FIRST, 60.0)
    assert (lengths.seconds(1), lengths.seconds(99)) == (None, 60)


@given(st.sampled_from([1, 2, 5, 60, 3600, 86_400]), st.lists(st.floats(0, 5), min_size=1, max_size=30))
def test_no_length_is_longer_than_the_window_however_rarely_the_server_is_asked(length, pauses):
    now, said = FIRST, []
    for pause in pauses:
        now += pause * length
        reset = (now // length + 1) * length
        said.append((reset - FIRST, reset - now))
    assert learnt(said) == pytest.approx(length) or learnt(said) <= max(length, 1)
