"""How a refused batch is taken apart, how far, and when a whole file is plainly wrong."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.settings import SplittingSettings
from bulkdelete.splitting import PROBES, WAYS, Suspicion, divide, fitting, outside, spread
from bulkdelete.tally import Tally

SPANS = st.builds(lambda start, length: range(start, start + length), st.integers(0, 5000), st.integers(1, 1000))


def suspicion_with(*, batches: int = 0, split_requests: int = 0, acknowledged_before: int = 0, **settings) -> Suspicion:
    tally = Tally(batches=batches, split_requests=split_requests, acknowledged_before=acknowledged_before)
    return Suspicion(SplittingSettings(**settings), tally)


@given(SPANS)
def test_the_parts_of_a_span_are_up_to_four_of_nearly_equal_length(span):
    parts = divide(span)
    assert [at for part in parts for at in part] == list(span)
    assert len(parts) == min(WAYS, len(span))
    lengths = [len(part) for part in parts]
    assert min(lengths) >= 1
    assert max(lengths) - min(lengths) <= 1


@given(SPANS)
def test_probes_are_spread_over_a_span_from_its_first_to_its_last(span):
    probes = spread(span)
    assert len(set(probes)) == len(probes) == min(PROBES, len(span))
    assert probes == sorted(probes)
    assert set(probes) <= set(span)
    assert probes[0] == span[0]
    assert len(span) == 1 or probes[-1] == span[-1]
    steps = [later - earlier for earlier, later in pairwise(probes)]
    assert not steps or max(steps) - min(steps) <= 1


@given(st.data(), SPANS)
def test_what_is_left_without_some_indexes_is_all_the_rest_in_order(data, span):
    indexes = sorted(data.draw(st.sets(st.sampled_from(span), max_size=10)))
    parts = outside(span, indexes)
    assert [at for part in parts for at in part] == [at for at in span if at not in indexes]
    assert all(parts)


def test_the_requests_for_one_batch_are_bounded():
    suspicion = suspicion_with(max_requests_per_batch=7)
    assert [suspicion.may_send_part(requests) for requests in (0, 6, 7, 8)] == [True, True, False, False]


def test_the_requests_for_parts_of_a_job_are_bounded_by_a_number_or_five_times_its_batches():
    assert suspicion_with(max_requests_per_job=10, split_requests=9).may_send_part(0)
    assert not suspicion_with(max_requests_per_job=10, split_requests=10).may_send_part(0)
    assert suspicion_with(max_requests_per_job=10, split_requests=499, batches=100).may_send_part(0)
    assert not suspicion_with(max_requests_per_job=10, split_requests=500, batches=100).may_send_part(0)
    assert not suspicion_with(max_requests_per_job=0).may_send_part(0)


def test_two_batches_refused_through_and_through_are_a_wrong_file():
    suspicion = suspicion_with()
    suspicion.refused(5, 5)
    assert not suspicion.wholly_wrong
    suspicion.refused(5, 5)
    assert suspicion.wholly_wrong


def test_few_refused_records_are_no_wrong_file():
    suspicion = suspicion_with()
    for _ in range(9):
        suspicion.refused(1, 1)
        assert not suspicion.wholly_wrong
    suspicion.refused(1, 1)
    assert suspicion.wholly_wrong


def test_one_batch_alone_is_no_wrong_file_however_many_of_its_records_are_refused():
    suspicion = suspicion_with()
    suspicion.refused(1000, 1000)
    assert not suspicion.wholly_wrong


def test_anything_acknowledged_clears_the_suspicion():
    suspicion = suspicion_with()
    suspicion.refused(5, 5)
    suspicion.cleared()
    suspicion.refused(5, 5)
    assert not suspicion.wholly_wrong


@pytest.mark.parametrize(("records", "acknowledged_before", "found"), [(4, 0, False), (5, 0, True), (5, 1, False)])
def test_at_the_end_five_refused_records_and_nothing_acknowledged_are_a_wrong_file(records, acknowledged_before, found):
    suspicion = suspicion_with(acknowledged_before=acknowledged_before)
    suspicion.refused(records, records)
    assert suspicion.nothing_but_suspects == found


def test_a_job_may_be_told_not_to_look_for_wrong_files():
    suspicion = suspicion_with(stop_when_wholly_wrong=False)
    assert not suspicion.probes_first
    suspicion.refused(500, 500)
    suspicion.refused(500, 500)
    assert not suspicion.wholly_wrong
    assert not suspicion.nothing_but_suspects


def test_refusals_that_earlier_requests_may_explain_make_no_wrong_file_however_many_they_are():
    suspicion = suspicion_with(acknowledged_before=1)
    for _ in range(9):
        suspicion.refused(5, 0)
    assert not suspicion.wholly_wrong
    assert not suspicion.nothing_but_suspects


def test_a_suspect_batch_lets_the_next_be_probed_at_once_until_something_is_acknowledged():
    suspicion = suspicion_with()
    assert not suspicion.probes_at_once
    suspicion.refused(5, 0)
    assert suspicion.probes_at_once
    suspicion.cleared()
    assert not suspicion.probes_at_once


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 200), st.integers(0, 9))
def test_what_is_cut_to_fit_covers_the_span_once_and_no_part_of_several_is_too_large(sizes, most, start):
    span = range(start, start + len(sizes))
    parts = fitting(span, sizes, most)
    assert [index for part in parts for index in part] == list(span)
    for part in parts:
        total = sum(sizes[index - start] for index in part)
        assert part
        assert total <= most or len(part) == 1
