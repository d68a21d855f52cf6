"""Retries, pauses, keys, stops and fatal answers around one batch: each row is accounted for whatever happens."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkdelete.errors import AnswerLost, ConnectionRefusedForGood, CredentialsError, FatalAnswer, NotSent, PauseTooLong
from bulkdelete.records import Fate, VerdictKind
from bulkdelete.transport import Reply
from tests.unit.scripted import (
    BAD_GATEWAY,
    FAILED,
    KEY,
    NO_KEY,
    NO_TABLE,
    OK,
    PAUSED,
    REFUSED,
    TOO_LARGE,
    WALL_CLOCK,
    Sending,
    answer,
    batch_of,
    one_after_another,
    refusing,
    rows_of,
)
from tests.virtual_time import run

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
        assert gaps == pytest.approx([1, 2, 4])


@pytest.mark.parametrize("refusal", [answer(40008, Retry_After="120"), answer(50000, Retry_After="120", status=503)])
async def test_retry_after_is_kept_by_everybody(refusal):
    sending = Sending(one_after_another(OK, refusal), seconds=1)
    await sending.send(batch_of(10))
    await sending.send(batch_of(10, first_row=10), each=lambda: None)
    first = asyncio.create_task(sending.send(batch_of(10, first_row=20)))
    assert rows_of(await first, Fate.ACKNOWLEDGED)
    assert began(sending)[:3] == pytest.approx([0, 1, 122])

    sending = Sending(one_after_another(refusal), seconds=1, before=1)
    refused = asyncio.create_task(sending.send(batch_of(10)))
    await asyncio.sleep(5)
    other = await sending.send(batch_of(10, first_row=10))
    assert rows_of(other + await refused, Fate.ACKNOWLEDGED) == set(range(20))
    base = began(sending)[0]
    assert all(at - base >= 121 for at in began(sending)[1:])


async def test_a_pause_that_is_too_long_leaves_the_batch_pending_and_says_when_to_come_back():
    sending = Sending(one_after_another(then=answer(40008, Retry_After="3600")), seconds=0)
    (outcome,) = await sending.send(batch_of(1000))
    assert (outcome.fate, outcome.whole) == (Fate.PENDING, True)
    (error,) = sending.raised
    assert isinstance(error, PauseTooLong)
    assert error.until_unix_seconds == pytest.approx(WALL_CLOCK + 3600)
    assert len(sending.requests) == 1


async def test_a_pause_that_is_too_long_amid_splitting_leaves_what_is_left_unresolved():
    pause = answer(40008, Retry_After="3600")
    sending = Sending(one_after_another(REFUSED, OK, then=pause))
    outcomes = await sending.send(batch_of(1000))
    assert rows_of(outcomes, Fate.ACKNOWLEDGED) == set(range(250))
    assert rows_of(outcomes, Fate.UNRESOLVED) == set(range(250, 1000))
    assert isinstance(sending.raised[0], PauseTooLong)


# --- the key


class Keys:
    """A place that keys are read from, one after the other, the last again and again; ``None`` cannot be read."""

    def __init__(self, *keys: str | None) -> None:
        self.keys = list(keys)
        self.reads = 0

    def __call__(self) -> str:
        self.reads += 1
        key = self.keys.pop(0) if len(self.keys) > 1 else self.keys[0]
        if key is None:
            raise CredentialsError("the key is gone")
        return key


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
    assert "check the key (code 40127: what the API says)" in str(error) or "code 40127" in str(error)


async def test_a_key_that_was_given_is_not_tried_again():
    sending = Sending(taking("new"))
    await sending.send(batch_of(10))
    assert len(sending.requests) == 1
    assert isinstance(sending.raised[0], FatalAnswer)


@pytest.mark.parametrize(("keys", "requests"), [([None], 0), (["old", None], 1)])
async def test_a_key_that_cannot_be_read_leaves_the_batch_pending(keys, requests):
    sending = Sending(taking("new"), key=Keys(*keys))
    (outcome,) = await sending.send(batch_of(10))
    assert (outcome.fate, outcome.message) == (Fate.PENDING, "the key is gone")
    assert len(sending.requests) == requests
    assert isinstance(sending.raised[0], CredentialsError)


async def test_the_key_is_in_no_outcome_and_no_error():
    for script in (one_after_another(then=FAILED), one_after_another(then=NO_KEY), one_after_another(then=REFUSED)):
        sending = Sending(script)
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


# --- the first batch goes alone


BATCHES = [batch_of(8, first_row=first_row) for first_row in range(0, 80, 8)]


async def test_the_first_batch_goes_alone_until_it_is_no_refusal():
    sending = Sending(one_after_another(), seconds=2)
    await sending.send_all(*BATCHES)
    assert began(sending) == [0] + [2] * 9


async def test_a_refused_batch_is_taken_apart_alone_until_one_of_its_parts_is_taken():
    sending = Sending(refusing({"0", "2"}), seconds=2)
    await sending.send_all(*BATCHES)
    holding = [[number for number in range(0, 80, 8) if str(number) in one.records] for one in sending.requests[:2]]
    assert holding == [[0], [0]]
    assert sorted(began(sending))[:4] == [0, 2, 4, 6]
    assert began(sending).count(6) + began(sending).count(8) >= 9


async def test_with_records_acknowledged_in_an_earlier_run_all_go_at_once():
    sending = Sending(one_after_another(), before=1)
    await sending.send_all(*BATCHES)
    assert set(began(sending)) == {0}


async def test_a_fatal_first_answer_lets_no_other_batch_go():
    for fatal in (NO_TABLE, NO_KEY):
        sending = Sending(one_after_another(then=fatal))
        tasks = [asyncio.create_task(_until_raised(sending, batch)) for batch in BATCHES]
        outcomes = [outcome for some in await asyncio.gather(*tasks) for outcome in some]
        assert len(sending.requests) == 1
        assert rows_of(outcomes, Fate.PENDING) == set(range(8, 80))


async def _until_raised(sending: Sending, batch):
    """Send as a worker does: the ledger takes its time, and what is raised stops the job."""
    outcomes = []
    try:
        async for outcome in sending.deleter.send(batch):
            outcomes.append(outcome)
            await asyncio.sleep(0.01)
    except FatalAnswer:
        sending.stop.ask()
    return outcomes


# --- stops and cancellations


async def test_a_stop_before_the_first_attempt_leaves_the_batch_pending_and_raises_nothing():
    sending = Sending(one_after_another())
    sending.stop.ask()
    (outcome,) = await sending.send(batch_of(1000))
    assert (outcome.fate, outcome.attempts, outcome.whole) == (Fate.PENDING, 0, True)
    assert sending.requests == []
    assert sending.raised == []


async def test_a_stop_lets_what_is_in_flight_finish():
    sending = Sending(one_after_another(), seconds=10)
    task = asyncio.create_task(sending.send(batch_of(1000)))
    await asyncio.sleep(5)
    sending.stop.ask()
    (outcome,) = await task
    assert outcome.fate is Fate.ACKNOWLEDGED


async def test_a_stop_during_backoff_or_a_pause_wakes_at_once():
    for first, fate in [(FAILED, Fate.UNRESOLVED), (answer(40008, Retry_After="600"), Fate.PENDING)]:
        sending = Sending(one_after_another(first, then=first), seconds=0, retry={"first_backoff_seconds": 1e9})
        task = asyncio.create_task(sending.send(batch_of(10)))
        before = asyncio.get_running_loop().time()
        await asyncio.sleep(0.001)
        sending.stop.ask()
        (outcome,) = await task
        assert outcome.fate is fate
        assert asyncio.get_running_loop().time() - before == pytest.approx(0.001)


@pytest.mark.parametrize("requests", range(1, 25))
async def test_a_stop_at_any_request_of_a_batch_that_is_taken_apart_leaves_nothing_pending_that_was_sent(requests):
    refused = set(map(str, range(16)))

    def script(request):
        if request.number + 1 == requests:
            sending.stop.ask()
        return refusing(refused)(request)

    for more in ({}, {"splitting": {"stop_when_wholly_wrong": False}}):
        sending = Sending(script, **more)
        outcomes = await sending.send(batch_of(16))
        assert len(sending.requests) <= requests
        assert rows_of(outcomes, Fate.PENDING) == set()


@pytest.mark.parametrize("after", [0.01, 0.06, 0.2, 0.6])
async def test_a_cancellation_goes_through_and_leaves_no_permit_taken(after):
    sending = Sending(refusing({"5"}))
    task = asyncio.create_task(sending.send(batch_of(1000)))
    await asyncio.sleep(after)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sending.limiter.in_flight == 0
    assert rows_of(await sending.send(batch_of(10, first_row=5000)), Fate.ACKNOWLEDGED) == set(range(5000, 5010))


# --- whatever the API answers

STOP = "the job is asked to stop"
SCRIPTS = st.lists(
    st.sampled_from(
        [
            *[OK, OK, REFUSED, REFUSED, REFUSED, FAILED, FAILED, BAD_GATEWAY, TOO_LARGE, PAUSED, NO_TABLE, NO_KEY],
            answer(12345),
            answer(40008, Retry_After="5"),
            answer(40008, Retry_After="3600"),
            AnswerLost("lost"),
            NotSent("no connection"),
            ConnectionRefusedForGood("the certificate does not verify"),
            STOP,
        ]
    ),
    max_size=40,
)
CERTAINLY_NOT_APPLIED = [PAUSED, NO_KEY, answer(40008, Retry_After="5"), answer(40008, Retry_After="3600")]
PERHAPS_APPLIED = [FAILED, BAD_GATEWAY, answer(12345)]


class Model:
    """What the script has answered about each record, to hold the outcomes against."""

    def __init__(self, answers, then) -> None:
        self.answers = answers
        self.then = then
        self.said: dict[str, list] = {}
        self.sending: Sending | None = None

    def __call__(self, request):
        said = self.answers[request.number] if request.number < len(self.answers) else self.then
        if said == STOP:
            self.sending.stop.ask()
            said = OK
        for record in request.records:
            self.said.setdefault(record, []).append((said, len(request.records)))
        return said

    def check(self, outcome, *, ambiguous: bool) -> None:
        for row in outcome.batch.rows:
            if outcome.first_row <= row < outcome.end_row:
                self._check(row, outcome, ambiguous=ambiguous)

    def _check(self, row, outcome, *, ambiguous: bool) -> None:
        said = self.said.get(str(row), [])
        if outcome.fate is Fate.ACKNOWLEDGED:
            assert said[-1] == (OK, outcome.records)
        elif outcome.fate is Fate.REJECTED:
            assert said[-1] in [(REFUSED, 1), (TOO_LARGE, 1)]
            unknown = any(isinstance(one, AnswerLost) or one in PERHAPS_APPLIED for one, _ in said)
            assert ("may already be deleted" in outcome.row_fate.reason) == (unknown or ambiguous)
        elif outcome.fate is Fate.PENDING:
            assert all(one in CERTAINLY_NOT_APPLIED for one, _ in said)
        else:
            assert (OK, outcome.records) not in said
            assert said or ambiguous


@settings(max_examples=400)
@given(
    SCRIPTS,
    st.sampled_from([OK, REFUSED, FAILED]),
    st.lists(st.integers(1, 40), min_size=1, max_size=3),
    st.booleans(),
    st.fixed_dictionaries(
        {
            "splitting": st.fixed_dictionaries(
                {"stop_when_wholly_wrong": st.booleans(), "max_requests_per_batch": st.sampled_from([1, 5, 1400])}
            ),
            "retry": st.fixed_dictionaries({"max_attempts": st.integers(1, 4)}),
        }
    ),
)
def test_the_outcomes_cover_each_open_record_once_and_tell_what_was_answered(answers, then, sizes, ambiguous, sections):
    async def play() -> None:
        model = Model(answers, then)
        sending = model.sending = Sending(model, key=Keys("old", "new"), **sections)
        batches = [
            batch_of(size, first_row=100 * at, ambiguous=ambiguous, stored=ambiguous, spans=spans(size))
            for at, size in enumerate(sizes)
        ]
        outcomes = await sending.send_all(*batches)  # which checks that they cover the batches
        for outcome in outcomes:
            model.check(outcome, ambiguous=ambiguous)
        assert max((len(request.records) for request in sending.requests), default=0) <= max(sizes)
        assert sending.limiter.in_flight == 0
        assert sending.tally.requests == len(sending.requests)

    def spans(size):
        return (range(size),) if not ambiguous or size < 5 else (range(2), range(3, size))

    run(play())
