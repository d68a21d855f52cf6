"""Batches that are too slow to be answered in time: they go on in smaller parts, also where nothing else is sent."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from bulkdelete.errors import AnswerLost
from bulkdelete.records import Fate
from tests.unit.scripted import FAILED, OK, Request, Sending, batch_of, rows_of

pytestmark = pytest.mark.virtual_time

SECONDS_A_RECORD = 0.005
ANSWER_TIMEOUT_SECONDS = 2.0


def seconds(request: Request) -> float:
    return min(SECONDS_A_RECORD * len(request.records), ANSWER_TIMEOUT_SECONDS)


def answer(request: Request):
    too_slow = SECONDS_A_RECORD * len(request.records) > ANSWER_TIMEOUT_SECONDS
    return AnswerLost("no answer came in time", timed_out=True) if too_slow else OK


def batches(number: int):
    return [batch_of(1000, first_row=1000 * at) for at in range(number)]


@pytest.mark.parametrize("concurrency", [1, 8, "adaptive"])
async def test_a_job_all_of_whose_batches_are_too_slow_is_completed_in_parts(concurrency):
    sending = Sending(answer, seconds=seconds, flow={"concurrency": concurrency, "max_outage_seconds": 120})
    outcomes = await sending.send_all(*batches(30))
    assert not sending.raised
    assert rows_of(outcomes, Fate.ACKNOWLEDGED) == set(range(30_000))
    whole = Counter(request.records[0] for request in sending.requests if len(request.records) == 1000)
    assert set(whole.values()) == {2}


async def test_a_part_that_always_fails_keeps_no_other_batch_from_being_tried_in_an_outage():
    def only_the_last_is_taken(request: Request):
        return OK if request.records[0] == "40" and now() > 30 else FAILED

    sending = Sending(only_the_last_is_taken, flow={"max_outage_seconds": 600}, before=1)
    sizes = [batch_of(1), *(batch_of(10, first_row=10 * at) for at in range(1, 5))]
    sent = [asyncio.create_task(sending.send(one)) for one in sizes]
    outcomes = await sent[-1]
    assert rows_of(outcomes, Fate.ACKNOWLEDGED) == set(range(40, 50))
    sending.stop.ask()
    await asyncio.gather(*sent)


def now() -> float:
    return asyncio.get_running_loop().time()
