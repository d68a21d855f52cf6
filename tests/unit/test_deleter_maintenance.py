"""A server that says itself that it is down, and for how long: HTTP 503 or code 50000 with ``Retry-After``."""

from __future__ import annotations

import asyncio
import math

import pytest

from bulkdelete.errors import OutageTooLong, PauseTooLong
from bulkdelete.exchange import Reply
from bulkdelete.records import Fate
from tests.unit.scripted import FAILED, OK, REFUSED, TOO_LARGE, Request, Sending, batch_of, rows_of

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


def down(seconds: float, *, code: int | None = None) -> Reply:
    body = b"<html>Service Unavailable</html>" if code is None else FAILED.body
    return Reply(503 if code is None else 200, {"Retry-After": str(seconds)}, body)


def down_until(seconds: float, said: Reply):
    return lambda request: OK if request.began >= seconds else said


def batches(number: int = 64):
    return [batch_of(10, first_row=10 * at) for at in range(number)]


@pytest.mark.parametrize("said", [down(3), down(3, code=50000), down(1)], ids=["503", "50000", "503 and a short wait"])
@pytest.mark.parametrize("concurrency", [64, "adaptive"])
async def test_it_is_waited_out_by_single_probes_and_costs_no_attempt(said, concurrency):
    flow = {"concurrency": concurrency}
    sending = Sending(down_until(100, said), retry={"max_attempts": 2}, flow=flow, before=1)
    outcomes = await sending.send_all(*batches())
    assert rows_of(outcomes, Fate.ACKNOWLEDGED) == set(range(640))
    after_the_first = [request.began for request in sending.requests if 0.5 < request.began < 100]
    assert 5 <= len(after_the_first) <= 60
    assert len(set(after_the_first)) == len(after_the_first)
    assert min(late - early for early, late in zip([0.0, *after_the_first], after_the_first, strict=False)) >= 1


async def test_a_single_batch_uses_up_no_attempts_either():
    sending = Sending(down_until(100, down(3)), retry={"max_attempts": 2})
    outcomes = await sending.send(batch_of(10))
    assert rows_of(outcomes, Fate.ACKNOWLEDGED) == set(range(10))


async def test_after_it_one_goes_first_though_the_wait_was_said_only_once():
    sending = Sending(down_until(2.9, down(3)), flow={"concurrency": 64}, before=1)
    await sending.send_all(*batches())
    again = sorted(request.began for request in sending.requests if request.began > 1)
    assert again[0] >= 3
    assert again[1] > again[0]


@pytest.mark.parametrize("number", [1, 64])
async def test_longer_than_an_outage_may_be_it_ends_the_run_and_fails_no_batch(number):
    sending = Sending(down_until(math.inf, down(3)), retry={"max_attempts": 2}, flow={"max_outage_seconds": 60})
    outcomes = await sending.send_all(*batches(number))
    assert {type(problem) for problem in sending.raised} == {OutageTooLong}
    assert not any(outcome.failed for outcome in outcomes)
    assert 60 < now() < 90


async def test_a_longer_wait_than_a_pause_may_be_ends_the_run_at_once():
    sending = Sending(down_until(math.inf, down(3600)))
    await sending.send(batch_of(10))
    assert [type(problem) for problem in sending.raised] == [PauseTooLong]
    assert now() < 1


async def test_a_wait_of_nothing_is_an_attempt_like_any_other():
    sending = Sending(down_until(math.inf, down(0)), retry={"max_attempts": 2})
    outcomes = await sending.send(batch_of(10))
    assert [outcome.failed for outcome in outcomes] == [True]
    assert len(sending.requests) == 2


async def test_what_it_may_have_applied_is_not_forgotten():
    def refused_afterwards(request: Request) -> Reply:
        return down(3) if request.began < 1 else REFUSED

    (outcome,) = await Sending(refused_afterwards, before=1).send(batch_of(1))
    assert outcome.ambiguous
    assert "may already be deleted" in outcome.message


async def test_a_body_that_is_too_large_afterwards_is_made_smaller():
    sending = Sending(lambda request: down(3) if request.began < 1 else OK if len(request.records) < 9 else TOO_LARGE)
    assert rows_of(await sending.send(batch_of(10)), Fate.ACKNOWLEDGED) == set(range(10))
