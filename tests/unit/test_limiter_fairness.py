"""Calls that share a limiter get their permits by turns, however many batches each of them has waiting."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.capping import BodyCap
from bulkdelete.errors import PauseTooLong
from bulkdelete.limiter import Limiter
from bulkdelete.limiter.gauging import SampleKind
from bulkdelete.settings import FlowSettings
from bulkdelete.stopping import Stop
from tests.virtual_time import run

pytestmark = pytest.mark.virtual_time


async def served(permits: int, waiting: list[int], retries: list[int] | None = None) -> list[int]:
    """Let calls wait with so many batches each, in this order; return whose batch left as each permit was free."""
    limiter, order = Limiter(FlowSettings(concurrency=permits)), []

    async def send(call: int, stop: Stop, *, retry: bool) -> None:
        permit = await limiter.acquire(BodyCap(10_000).heeded_by(stop, 100), retry=retry)
        order.append(call)
        await asyncio.sleep(1)
        limiter.heard(permit, None)
        limiter.answered(permit, SampleKind.SUCCESS)

    stops = [Stop() for _ in waiting]
    first = [send(call, stops[call], retry=False) for call, count in enumerate(waiting) for _ in range(count)]
    again = [send(call, stops[call], retry=True) for call, count in enumerate(retries or []) for _ in range(count)]
    await asyncio.gather(*first, *again)
    assert limiter.in_flight == limiter.waiting == 0
    return order


async def test_a_small_call_is_not_stuck_behind_a_large_one():
    order = await served(permits=4, waiting=[500, 2])
    assert [at for at, call in enumerate(order) if call == 1] == [5, 7]


async def test_calls_of_any_size_get_equal_shares_while_they_wait():
    order = await served(permits=3, waiting=[90, 60, 30])
    counted = Counter(order[:90])
    assert max(counted.values()) - min(counted.values()) <= 3, counted


async def test_retries_are_given_by_turns_too():
    order = await served(permits=1, waiting=[0, 0], retries=[20, 2])
    assert [at for at, call in enumerate(order) if call == 1] == [2, 4]


@given(st.integers(1, 4), st.lists(st.integers(0, 12), min_size=1, max_size=5))
def test_nobody_waits_longer_than_a_round_and_nobody_is_forgotten(permits, waiting):
    order = run(served(permits, waiting))
    assert Counter(order) == Counter({call: count for call, count in enumerate(waiting) if count})
    for call, count in enumerate(waiting):
        turns = [at for at, served_call in enumerate(order) if served_call == call]
        gaps = [after - before for before, after in zip(turns[permits:], turns[permits + 1 :], strict=False)]
        assert max(gaps, default=0) <= len(waiting), (call, count, order)


@pytest.mark.parametrize("calls", ["one call each", "new calls"])
@pytest.mark.parametrize("small", [1, 2, 5])
async def test_who_asks_anew_has_its_turn_beside_a_large_call_and_starves_nobody(small, calls):
    limiter, order = Limiter(FlowSettings(concurrency=1)), []

    async def send(call: int, stop: Stop) -> None:
        permit = await limiter.acquire(BodyCap(10_000).heeded_by(stop, 100))
        order.append(call)
        await asyncio.sleep(1)
        limiter.heard(permit, None)
        limiter.answered(permit, SampleKind.SUCCESS)

    async def one_after_another(call: int) -> None:
        stop = Stop()
        for _ in range(10):
            await send(call, stop if calls == "one call each" else Stop())

    large = Stop()
    every = [send(0, large) for _ in range(50)], [one_after_another(call) for call in range(1, small + 1)]
    await asyncio.gather(*every[0], *every[1])
    rounds = order[: 10 * (small + 1)]
    for call in range(small + 1):
        turns = [at for at, served_call in enumerate(rounds) if served_call == call]
        assert 9 <= len(turns) <= 11, order
        assert max(after - before for before, after in pairwise(turns)) <= small + 2, order


async def test_calls_that_have_ended_are_forgotten():
    limiter, calls = Limiter(FlowSettings(concurrency=1)), weakref.WeakSet()

    async def send() -> None:
        stop = Stop()
        calls.add(stop)
        permit = await limiter.acquire(stop)
        await asyncio.sleep(1)
        limiter.heard(permit, None)
        limiter.answered(permit, SampleKind.SUCCESS)

    for _ in range(10):
        await asyncio.gather(send(), send(), send())
    gc.collect()
    assert len(calls) <= 2


async def test_who_goes_away_leaves_the_turns_of_the_others_as_they_were():
    limiter = Limiter(FlowSettings(concurrency=1))
    one, other = Stop(), Stop()
    permit = await limiter.acquire(one)
    waiting = [asyncio.create_task(limiter.acquire(stop)) for stop in (one, other, one, other)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    other.ask()
    await asyncio.sleep(0)
    limiter.heard(permit, None)
    limiter.answered(permit, SampleKind.SUCCESS)
    await asyncio.sleep(0)
    assert [task.done() for task in waiting] == [True, True, True, True]
    assert waiting[2].exception() is None
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_pause_that_is_too_long_is_told_to_every_call():
    limiter = Limiter(FlowSettings(concurrency=1, max_pause_seconds=10))
    permit = await limiter.acquire(Stop())
    waiting = [asyncio.create_task(limiter.acquire(Stop())) for _ in range(3)]
    await asyncio.sleep(0)
    limiter.heard(permit, None)
    limiter.answered(permit, SampleKind.REFUSED, 60.0)
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in told] == [PauseTooLong] * 3
