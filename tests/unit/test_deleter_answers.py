"""Retries, pauses, keys and fatal answers around one batch: each row is accounted for whatever happens."""

from __future__ import annotations

import asyncio
import itertools
from itertools import pairwise

import pytest

from bulkdelete.errors import AnswerLost, ConnectionRefusedForGood, CredentialsError, FatalAnswer, NotSent, PauseTooLong
from bulkdelete.exchange import Reply
from bulkdelete.records import Fate, VerdictKind
from tests.unit.scripted import (
    BAD_GATEWAY,
    FAILED,
    KEY,
    NO_KEY,
    NO_TABLE,
    OK,
    PAUSED,
    REFUSED,
    WALL_CLOCK,
    Keys,
    Sending,
    answer,
    batch_of,
    one_after_another,
    rows_of,
)

pytestmark = pytest.mark.virtual_time

AT_ONCE = {"retry": {"first_backoff_seconds": 0}}


def began(sending: Sending) -> list[float]:
    return [request.began for request in sending.requests]


# --- retries


@pytest.mark.parametrize(
    "failure", [FAILED, BAD_GATEWAY, AnswerLost("lost"), NotSent("no connection"), Reply(200, {}, b"")]
)
@pytest.mark.parametrize("failures", [1, 2, 7])
async def test_a_server_that_fails_k_times_and_then_answers_is_asked_k_times_more(failure, failures):
    sending = Sending(one_after_another(*[failure] * failures))
    (outcome,) = await sending.send(batch_of(1000))
    assert (outcome.fate, outcome.attempts) == (Fate.ACKNOWLEDGED, failures + 1)
    assert (sending.tally.requests, sending.tally.retries) == (failures + 1, failures)
    assert outcome.ambiguous == (not isinstance(failure, NotSent))
    assert {request.body for request in sending.requests} == {sending.requests[0].body}
    assert len({request.request_id for request in sending.requests}) == failures + 1


async def test_a_batch_whose_attempts_are_used_up_is_unresolved_with_the_last_answer():
    sending = Sending(one_after_another(then=FAILED))
    (outcome,) = await sending.send(batch_of(1000))
    assert (outcome.fate, outcome.attempts, outcome.whole, outcome.ambiguous) == (Fate.UNRESOLVED, 8, True, True)
    assert (outcome.code, outcome.http_status, outcome.message) == (50000, 200, "Internal system error")
    assert outcome.request_id == sending.requests[-1].request_id
    assert sending.raised == []


async def test_a_batch_that_never_left_is_pending_and_counts_as_failed():
    sending = Sending(one_after_another(then=NotSent("no connection")))
    (outcome,) = await sending.send(batch_of(1000))
    assert (outcome.fate, outcome.attempts, outcome.ambiguous) == (Fate.PENDING, 8, False)
    assert sending.tally.failed == 1000


async def test_an_unknown_code_is_tried_three_times_and_told_with_its_message():
    sending = Sending(one_after_another(then=answer(12345, "nobody knows", 400)))
    (outcome,) = await sending.send(batch_of(10))
    assert (outcome.fate, outcome.attempts, outcome.code) == (Fate.UNRESOLVED, 3, 12345)
    assert (outcome.message, outcome.http_status) == ("nobody knows", 400)


async def test_the_parts_of_a_batch_have_their_own_attempts():
    sending = Sending(one_after_another(FAILED, REFUSED, *[FAILED] * 7), **AT_ONCE)
    outcomes = await sending.send(batch_of(8))
    assert [outcome.attempts for outcome in outcomes] == [8, 1, 1, 1]
    assert rows_of(outcomes, Fate.ACKNOWLEDGED) == set(range(8))


async def test_sixty_batches_at_once_that_each_need_three_attempts_all_succeed():
    tries: dict[str, int] = {}

    def third_time_lucky(request):
        tries[request.records[0]] = tries.get(request.records[0], 0) + 1
        return OK if tries[request.records[0]] == 3 else FAILED

    sending = Sending(third_time_lucky, retry={"max_attempts": 3})
    outcomes = await sending.send_all(*(batch_of(10, first_row=row) for row in range(0, 600, 10)))
    assert [outcome.fate for outcome in outcomes] == [Fate.ACKNOWLEDGED] * 60
    assert [outcome.attempts for outcome in outcomes] == [3] * 60


async def test_a_code_can_be_given_another_meaning():
    sending = Sending(one_after_another(REFUSED, REFUSED), codes={"40000": "retry"})
    (outcome,) = await sending.send(batch_of(10))
    assert (outcome.fate, outcome.attempts) == (Fate.ACKNOWLEDGED, 3)


# --- pauses


async def test_a_pause_is_no_attempt_and_no_retry():
    for refusal in (PAUSED, Reply(429, {}, b"")):
        sending = Sending(one_after_another(refusal, refusal, refusal), seconds=0)
        (outcome,) = await sending.send(batch_of(1000))
        assert (outcome.fate, outcome.attempts, outcome.ambiguous) == (Fate.ACKNOWLEDGED, 1, False)
        assert (sending.tally.requests, sending.tally.retries) == (4, 0)
        gaps = [later - earlier for earlier, later in pairwise(began(sending))]
        assert gaps[0] == pytest.approx(0.1)
        assert all(0.09 <= gap <= 1 for gap in gaps)


@pytest.mark.parametrize("between", [OK, REFUSED])
async def test_any_other_answer_makes_the_next_pause_short_again(between):
    sending = Sending(one_after_another(*[PAUSED] * 12, between, PAUSED), seconds=0, **AT_ONCE)
    await sending.send(batch_of(1))
    await sending.send(batch_of(1, first_row=1))
    gaps = [later - earlier for earlier, later in pairwise(began(sending)) if later > earlier]
    assert gaps[-2] > 2 * gaps[0]
    assert gaps[-1] == pytest.approx(gaps[0])


@pytest.mark.parametrize(
    ("refusal", "afterwards"),
    [
        (answer(40008, Retry_After="120"), [121, 121, 121]),
        (answer(50000, Retry_After="120", status=503), [121, 122, 122]),  # one goes first
    ],
)
async def test_retry_after_is_kept_by_everybody(refusal, afterwards):
    sending = Sending(one_after_another(refusal), seconds=1, before=1)
    refused = asyncio.create_task(sending.send(batch_of(10)))
    await asyncio.sleep(5)
    others = await sending.send_all(batch_of(10, first_row=10), batch_of(10, first_row=20))
    assert rows_of(others + await refused, Fate.ACKNOWLEDGED) == set(range(30))
    assert began(sending) == pytest.approx([0, *afterwards])


async def test_a_pause_that_is_too_long_leaves_the_batch_that_was_sent_unresolved_and_says_when_to_come_back():
    sending = Sending(one_after_another(then=answer(40008, Retry_After="3600")), seconds=0)
    (outcome,) = await sending.send(batch_of(1000))
    assert (outcome.fate, outcome.whole, outcome.attempts) == (Fate.UNRESOLVED, True, 0)
    assert (outcome.code, outcome.http_status) == (40008, 200)
    assert outcome.request_id == sending.requests[0].request_id
    assert not outcome.ambiguous
    (error,) = sending.raised
    assert isinstance(error, PauseTooLong)
    assert error.until_unix_seconds == pytest.approx(WALL_CLOCK + 3600)
    assert len(sending.requests) == 1


async def test_a_pause_that_is_too_long_leaves_what_only_waited_for_it_pending():
    sending = Sending(one_after_another(then=answer(40008, Retry_After="3600")), before=1, flow={"concurrency": 1})
    outcomes = await sending.send_all(batch_of(10), batch_of(10, first_row=10))
    assert rows_of(outcomes, Fate.UNRESOLVED) == set(range(10))
    assert rows_of(outcomes, Fate.PENDING) == set(range(10, 20))
    assert len(sending.requests) == 1


async def test_a_pause_that_is_too_long_amid_splitting_leaves_what_is_left_unresolved():
    pause = answer(40008, Retry_After="3600")
    sending = Sending(one_after_another(REFUSED, OK, then=pause))
    outcomes = await sending.send(batch_of(1000))
    assert rows_of(outcomes, Fate.ACKNOWLEDGED) == set(range(250))
    assert rows_of(outcomes, Fate.UNRESOLVED) == set(range(250, 1000))
    assert isinstance(sending.raised[0], PauseTooLong)


# --- the key


def taking(*keys: str):
    return lambda request: OK if request.api_key in keys else NO_KEY


async def test_a_refused_key_is_read_again_once_and_that_is_no_attempt():
    keys = Keys("old", "new")
    sending = Sending(taking("new"), key=keys)
    (outcome,) = await sending.send(batch_of(1000))
    assert (outcome.fate, outcome.attempts, sending.tally.retries) == (Fate.ACKNOWLEDGED, 1, 0)
    assert [request.api_key for request in sending.requests] == ["old", "new"]
    assert keys.reads == 2


async def test_a_key_that_is_refused_for_many_at_once_is_read_again_once():
    keys = Keys("old", "new")
    sending = Sending(taking("new"), key=keys, before=1)
    outcomes = await sending.send_all(*(batch_of(10, first_row=row) for row in range(0, 160, 10)))
    assert rows_of(outcomes, Fate.ACKNOWLEDGED) == set(range(160))
    assert keys.reads == 2


@pytest.mark.parametrize(("keys", "requests"), [(["old"], 1), (["old", "older", "oldest"], 2)])
async def test_a_key_that_is_refused_again_ends_the_job(keys, requests):
    sending = Sending(taking("new"), key=Keys(*keys))
    (outcome,) = await sending.send(batch_of(10))
    assert outcome.fate is Fate.UNRESOLVED
    assert len(sending.requests) == requests
    (error,) = sending.raised
    assert isinstance(error, FatalAnswer)
    assert error.verdict.kind is VerdictKind.UNAUTHORIZED
    assert "check the key (code 40127: Authentication failed)" in str(error)


EXPIRED = answer(40107, "credentials expired", 401)


LONG_PAUSE = answer(40008, "Requests per minute exceeded", Retry_After="90")


async def test_a_key_that_expires_during_a_long_pause_is_read_again_as_often_as_that_happens():
    script = one_after_another(NO_KEY, LONG_PAUSE, EXPIRED, LONG_PAUSE, EXPIRED, LONG_PAUSE, EXPIRED)
    sending = Sending(script, key=Keys("1", "2", "3", "4", "5"))
    (outcome,) = await sending.send(batch_of(10))
    assert (outcome.fate, outcome.attempts) == (Fate.ACKNOWLEDGED, 1)
    assert [request.api_key for request in sending.requests] == ["1", "2", "2", "3", "3", "4", "4", "5"]


@pytest.mark.parametrize(("pause", "most"), [(PAUSED, 3), (LONG_PAUSE, 11)])
async def test_keys_that_are_refused_however_often_they_are_read_end_the_job_also_where_pauses_come_between(
    pause, most
):
    reads = itertools.count()
    sending = Sending(lambda request: pause if request.number % 2 else NO_KEY, key=lambda: f"key-{next(reads)}")
    (outcome,) = await sending.send(batch_of(10))
    assert (outcome.fate, len(sending.requests), next(reads)) == (Fate.UNRESOLVED, most, (most + 1) // 2)
    assert isinstance(sending.raised[0], FatalAnswer)


async def test_a_key_that_another_batch_has_read_long_before_its_own_was_refused_may_have_expired_since():
    def script(request):
        return OK if request.api_key == "3" or (request.api_key == "2" and request.began < 60) else NO_KEY

    seconds = {1: 70.0}
    sending = Sending(
        script, seconds=lambda request: seconds.get(request.number, 0.1), key=Keys("1", "2", "3"), before=1
    )
    await sending.send_all(batch_of(10), batch_of(10, first_row=10))
    assert sending.raised == []
    assert [request.api_key for request in sending.requests] == ["1", "1", "2", "2", "3"]


@pytest.mark.virtual_time
async def test_a_key_that_expires_while_its_request_waits_for_a_quota_is_read_again():
    sending = Sending(
        lambda request: NO_KEY if request.number in {1, 2} else OK,
        key=Keys("1", "2", "3"),
        flow={"concurrency": 1, "requests_per_hour": 2, "max_pause_seconds": 7200},
    )
    for row in (0, 10):
        (outcome,) = await sending.send(batch_of(10, first_row=row))
        assert outcome.fate is Fate.ACKNOWLEDGED
    assert [request.api_key for request in sending.requests] == ["1", "1", "2", "3"]


@pytest.mark.virtual_time
async def test_keys_that_are_refused_however_often_they_are_read_end_the_job_also_where_each_waits_for_its_quota():
    reads = itertools.count()
    hourly = {"requests_per_hour": 1, "max_pause_seconds": 7200}
    sending = Sending(one_after_another(then=NO_KEY), key=lambda: f"key-{next(reads)}", flow=hourly)
    await sending.send(batch_of(10))
    assert len(sending.requests) == 6
    assert isinstance(sending.raised[0], FatalAnswer)


async def test_no_request_leaves_with_a_key_that_is_being_read_again():
    sending = Sending(taking("new"), key=Keys("old", "new"), before=1, flow={"concurrency": 1})
    outcomes = await sending.send_all(*(batch_of(10, first_row=row) for row in range(0, 40, 10)))
    assert rows_of(outcomes, Fate.ACKNOWLEDGED) == set(range(40))
    assert [request.api_key for request in sending.requests] == ["old"] + ["new"] * 4
    assert sending.tally.requests == 5
    assert (sending.limiter.in_flight, sending.limiter.waiting) == (0, 0)


async def test_who_waits_for_a_key_that_cannot_be_read_again_has_sent_nothing():
    sending = Sending(taking("new"), key=Keys("old", None), before=1, flow={"concurrency": 1})
    outcomes = await sending.send_all(*(batch_of(10, first_row=row) for row in range(0, 30, 10)))
    assert rows_of(outcomes, Fate.UNRESOLVED) == set(range(10))
    assert rows_of(outcomes, Fate.PENDING) == set(range(10, 30))
    assert len(sending.requests) == 1
    for error in sending.raised:
        assert isinstance(error, CredentialsError)
        assert "read again, and that failed: the key is gone" in str(error)
        assert "acknowledged stays acknowledged" in str(error)
        assert "othing was sent" not in str(error)


async def test_a_key_that_was_given_is_not_tried_again():
    sending = Sending(taking("new"))
    await sending.send(batch_of(10))
    assert len(sending.requests) == 1
    assert isinstance(sending.raised[0], FatalAnswer)


async def test_a_key_that_cannot_be_read_leaves_the_batch_pending():
    sending = Sending(taking("new"), key=Keys(None))
    (outcome,) = await sending.send(batch_of(10))
    assert outcome.fate is Fate.PENDING
    assert "the key is gone" in outcome.message
    assert sending.requests == []
    assert isinstance(sending.raised[0], CredentialsError)


async def test_a_refused_key_that_cannot_be_read_again_leaves_what_was_sent_unresolved_with_the_refusal():
    sending = Sending(taking("new"), key=Keys("old", None))
    (outcome,) = await sending.send(batch_of(10))
    (request,) = sending.requests
    assert (outcome.fate, outcome.code, outcome.http_status) == (Fate.UNRESOLVED, 40127, 401)
    assert outcome.request_id == request.request_id
    assert "the key is gone" in outcome.message
    assert "Authentication failed" in outcome.message
    (error,) = sending.raised
    assert isinstance(error, CredentialsError)
    assert "check the key (code 40127: Authentication failed)" in str(error)
    assert "read again, and that failed: the key is gone" in str(error)
    assert "acknowledged stays acknowledged" in str(error)
    assert "othing was sent" not in str(error)


async def test_the_key_is_in_no_outcome_and_no_error():
    echo = answer(12345, f"what is this key {KEY}?")
    for said in (FAILED, NO_KEY, REFUSED, echo, Reply(502, {}, f"<html>Bearer {KEY}".encode())):
        sending = Sending(one_after_another(then=said))
        outcomes = await sending.send(batch_of(20))
        assert all(request.api_key == KEY for request in sending.requests)
        assert KEY not in f"{outcomes} {sending.raised} {sending.deleter} {sending.tally}"


# --- fatal answers


@pytest.mark.parametrize("fatal", [NO_TABLE, answer(403131), Reply(302, {}, b""), Reply(404, {}, b"<html>")])
async def test_a_fatal_answer_is_raised_with_its_verdict_after_the_outcome(fatal):
    sending = Sending(one_after_another(then=fatal))
    (outcome,) = await sending.send(batch_of(1000))
    assert (outcome.fate, outcome.attempts, outcome.http_status) == (Fate.UNRESOLVED, 1, fatal.status)
    (error,) = sending.raised
    assert isinstance(error, FatalAnswer)
    assert error.verdict.kind is VerdictKind.FATAL
    assert len(sending.requests) == 1


async def test_a_connection_that_no_attempt_can_open_is_fatal_and_told_in_its_own_words():
    sending = Sending(one_after_another(then=ConnectionRefusedForGood("the server's certificate does not verify")))
    await sending.send(batch_of(10))
    (error,) = sending.raised
    assert str(error) == "the server's certificate does not verify"
    assert len(sending.requests) == 1


async def test_a_fatal_answer_amid_splitting_leaves_the_rest_unresolved():
    sending = Sending(one_after_another(REFUSED, OK, NO_TABLE))
    outcomes = await sending.send(batch_of(1000))
    assert rows_of(outcomes, Fate.ACKNOWLEDGED) == set(range(250))
    assert rows_of(outcomes, Fate.UNRESOLVED) == set(range(250, 1000))
    assert isinstance(sending.raised[0], FatalAnswer)
    assert len(sending.requests) == 3
