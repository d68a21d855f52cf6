"""The first batch goes alone, and a stop or a cancellation is seen at every moment of a batch."""

from __future__ import annotations

import asyncio

import pytest

from bulkdelete.errors import FatalAnswer
from bulkdelete.records import Fate
from tests.unit.scripted import (
    FAILED,
    NO_KEY,
    NO_TABLE,
    Sending,
    answer,
    batch_of,
    one_after_another,
    refusing,
    rows_of,
)

pytestmark = pytest.mark.virtual_time


def began(sending: Sending) -> list[float]:
    return [request.began for request in sending.requests]


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


async def test_a_stop_leaves_what_an_earlier_run_perhaps_applied_unresolved():
    sending = Sending(one_after_another())
    sending.stop.ask()
    (outcome,) = await sending.send(batch_of(1000, ambiguous=True, sent=True, stored=True))
    assert (outcome.fate, outcome.ambiguous) == (Fate.UNRESOLVED, True)


@pytest.mark.parametrize("reads", [1, 2])
async def test_a_stop_does_not_wait_for_a_key_that_is_slow_to_come(reads):
    keys = []

    async def read() -> str:
        keys.append("key")
        await asyncio.sleep(3600 if len(keys) == reads else 0)
        return "key"

    sending = Sending(one_after_another(then=NO_KEY), key=read)
    task = asyncio.create_task(sending.send(batch_of(10)))
    await asyncio.sleep(5)
    sending.stop.ask()
    (outcome,) = await task
    assert outcome.fate is (Fate.PENDING if reads == 1 else Fate.UNRESOLVED)
    assert outcome.code == (None if reads == 1 else 40127)
    assert asyncio.get_running_loop().time() == pytest.approx(5)


async def test_a_stop_lets_what_is_in_flight_finish():
    sending = Sending(one_after_another(), seconds=10)
    task = asyncio.create_task(sending.send(batch_of(1000)))
    await asyncio.sleep(5)
    sending.stop.ask()
    (outcome,) = await task
    assert outcome.fate is Fate.ACKNOWLEDGED


async def test_a_stop_during_backoff_or_a_pause_wakes_at_once():
    for first, code in [(FAILED, 50000), (answer(40008, Retry_After="600"), 40008)]:
        sending = Sending(one_after_another(first, then=first), seconds=0, retry={"first_backoff_seconds": 1e9})
        task = asyncio.create_task(sending.send(batch_of(10)))
        before = asyncio.get_running_loop().time()
        await asyncio.sleep(0.001)
        sending.stop.ask()
        (outcome,) = await task
        assert (outcome.fate, outcome.code) == (Fate.UNRESOLVED, code)
        assert outcome.request_id == sending.requests[-1].request_id
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


async def test_a_stop_tells_of_what_was_sent_before_what_never_left_whichever_is_first_in_the_line():
    """The first that is told makes the batch pending or not, for whoever reads the ledger of a job killed then."""

    def script(request):
        sending.stop.ask()
        return refusing({"0"})(request)

    sending = Sending(script)
    outcomes = await sending.send(batch_of(8, spans=(range(4), range(6, 8)), stored=True))
    assert len(sending.requests) == 1
    told = [(one.first_row, one.fate) for one in outcomes]
    assert told == [*((row, Fate.UNRESOLVED) for row in range(4)), (6, Fate.PENDING)]


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
