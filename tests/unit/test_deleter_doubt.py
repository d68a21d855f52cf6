"""A refusal after a lost answer is doubted, and what is too large is sent in parts: neither makes a file suspicious."""

from __future__ import annotations

import pytest

from bulkdelete.errors import AnswerLost, FatalAnswer, NotSent
from bulkdelete.records import Fate
from tests.unit.scripted import (
    BAD_GATEWAY,
    FAILED,
    OK,
    REFUSED,
    TOO_LARGE,
    Sending,
    answer,
    batch_of,
    one_after_another,
    rows_of,
)

pytestmark = pytest.mark.virtual_time

DOUBT = "may already be deleted"


@pytest.mark.parametrize("lost", [AnswerLost("the connection broke"), FAILED, BAD_GATEWAY, answer(12345)])
async def test_a_refusal_after_an_unknown_answer_may_be_of_a_record_that_is_deleted_already(lost):
    sending = Sending(one_after_another(lost, then=REFUSED))
    outcomes = await sending.send(batch_of(20))
    rejected = [outcome for outcome in outcomes if outcome.fate is Fate.REJECTED]
    assert len(rejected) == 5
    assert all(outcome.ambiguous and DOUBT in outcome.row_fate.reason for outcome in rejected)
    assert not sending.suspicion.wholly_wrong
    assert not sending.suspicion.nothing_but_suspects


async def test_a_wholly_refused_batch_with_a_lost_answer_is_set_aside_until_something_is_acknowledged():
    sending = Sending(one_after_another(AnswerLost("lost"), then=REFUSED))
    aside = [one for one in await sending.send(batch_of(1000)) if one.fate is not Fate.REJECTED]
    assert len(sending.requests) == 11
    assert sum(one.records for one in aside) == 995
    assert all(one.fate is Fate.UNRESOLVED and one.again and not one.failed for one in aside)
    for first_row in (1000, 2000):
        await sending.send(batch_of(1000, first_row=first_row))
    assert sending.suspicion.wholly_wrong
    assert len(sending.requests) <= 31


async def test_once_something_was_acknowledged_a_lost_answer_sets_nothing_aside():
    sending = Sending(one_after_another(AnswerLost("lost"), then=REFUSED), before=1)
    outcomes = await sending.send(batch_of(20))
    assert rows_of(outcomes, Fate.REJECTED) == set(range(20))
    assert all(outcome.ambiguous and DOUBT in outcome.row_fate.reason for outcome in outcomes)


async def test_a_batch_that_was_set_aside_is_taken_apart_to_its_end_when_it_is_sent_once_more():
    sending = Sending(one_after_another(then=REFUSED), splitting={"max_requests_per_job": 5000})
    outcomes = await sending.send(batch_of(300, stored=True, thorough=True))
    assert rows_of(outcomes, Fate.REJECTED) == set(range(300))


async def test_an_unknown_answer_of_an_earlier_run_counts_as_well():
    sending = Sending(one_after_another(then=REFUSED), before=1)
    for first_row in (0, 50):
        outcomes = await sending.send(batch_of(20, first_row=first_row, ambiguous=True, stored=True))
        assert all(outcome.ambiguous and DOUBT in outcome.row_fate.reason for outcome in outcomes)
    assert not sending.suspicion.wholly_wrong
    assert not sending.suspicion.nothing_but_suspects


async def test_the_doubt_of_one_part_is_not_that_of_another():
    answers = [REFUSED, AnswerLost("lost"), REFUSED, OK, OK, REFUSED]
    outcomes = await Sending(one_after_another(*answers)).send(batch_of(4))
    rejected = {one.first_row: one.row_fate.reason for one in outcomes if one.row_fate is not None}
    assert set(rejected) == {0, 3}
    assert "got no final answer" in rejected[0]
    assert "got no final answer" not in rejected[3]


async def test_what_certainly_never_left_leaves_no_doubt():
    sending = Sending(one_after_another(NotSent("no connection"), REFUSED, then=REFUSED))
    (outcome,) = await sending.send(batch_of(1))
    assert (outcome.fate, outcome.ambiguous) == (Fate.REJECTED, False)
    assert DOUBT not in outcome.row_fate.reason


async def test_a_lost_answer_and_then_a_success_is_acknowledged():
    (outcome,) = await Sending(one_after_another(AnswerLost("lost"))).send(batch_of(1000))
    assert (outcome.fate, outcome.attempts, outcome.ambiguous) == (Fate.ACKNOWLEDGED, 2, True)


async def test_what_is_too_large_is_sent_in_smaller_parts_without_suspicion():
    sending = Sending(lambda request: TOO_LARGE if len(request.records) > 250 else OK)
    outcomes = []
    for first_row in (0, 1000, 2000):
        outcomes += await sending.send(batch_of(1000, first_row=first_row))
    assert rows_of(outcomes, Fate.ACKNOWLEDGED) == set(range(3000))
    assert max(outcome.records for outcome in outcomes) <= 250
    assert not sending.suspicion.wholly_wrong
    assert list(sending.transport.answers.values()).count(TOO_LARGE) == 2


async def test_a_record_that_is_too_large_alone_is_unresolved():
    sending = Sending(lambda request: TOO_LARGE if "7" in request.records else OK)
    outcomes = await sending.send(batch_of(20))
    (unresolved,) = [outcome for outcome in outcomes if outcome.fate is not Fate.ACKNOWLEDGED]
    assert (unresolved.fate, unresolved.first_row, unresolved.http_status) == (Fate.UNRESOLVED, 7, 413)
    assert "too large, though it was sent alone" in unresolved.message
    assert rows_of(outcomes, Fate.ACKNOWLEDGED) == set(range(20)) - {7}


async def test_what_is_too_large_costs_nothing_of_what_the_search_for_refused_records_may():
    sending = Sending(
        lambda request: TOO_LARGE if len(request.records) > 100 else OK,
        splitting={"max_requests_per_batch": 1, "max_requests_per_job": 0},
    )
    assert rows_of(await sending.send(batch_of(1000)), Fate.ACKNOWLEDGED) == set(range(1000))
    assert sending.tally.split_requests == 0


async def test_what_is_too_large_is_sent_in_parts_also_when_the_search_is_at_its_bound():
    sending = Sending(
        lambda request: REFUSED if "0" in request.records else TOO_LARGE if len(request.records) > 250 else OK,
        splitting={"max_requests_per_job": 0},
    )
    await sending.send(batch_of(250))
    assert sending.tally.split_requests == 5
    outcomes = await sending.send(batch_of(1000, first_row=1000))
    assert rows_of(outcomes, Fate.ACKNOWLEDGED) == set(range(1000, 2000))


async def test_a_server_that_finds_everything_too_large_makes_no_file_suspicious_and_is_fatal():
    sending = Sending(one_after_another(then=TOO_LARGE))
    outcomes = await sending.send(batch_of(8))
    assert rows_of(outcomes, Fate.UNRESOLVED) == set(range(8))
    assert [type(error) for error in sending.raised] == [FatalAnswer]
    assert len(sending.requests) == 1 + 4 + 5
    assert not sending.suspicion.wholly_wrong
    assert not sending.suspicion.nothing_but_suspects
