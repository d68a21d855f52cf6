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

from bulkdelete.capping import BodyCap, Outgrown
from bulkdelete.errors import PauseTooLong
from bulkdelete.limiter import Limiter
from bulkdelete.limiter.gauging import SampleKind
from bulkdelete.settings import FlowSettings
from bulkdelete.stopping import Stop, StopAsked
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


@pytest.mark.parametrize("how", ["cancelled", "stopped", "outgrown"])
@pytest.mark.parametrize("retry", [False, True])
async def test_who_goes_away_is_forgotten_at_once_also_while_one_before_it_waits_on(how, retry):
    limiter, cap, calls = Limiter(FlowSettings(concurrency=1)), BodyCap(1_000_000), weakref.WeakSet()
    permit = await limiter.acquire(Stop())
    limiter.heard(permit, None)
    limiter.answered(permit, SampleKind.REFUSED, 600.0)
    patient = asyncio.create_task(limiter.acquire(Stop(), retry=retry))
    await asyncio.sleep(0)

    async def wait_and_go_away() -> None:
        stop = Stop()
        calls.add(stop)
        waiting = [
            asyncio.create_task(limiter.acquire(cap.heeded_by(stop, 900_000), retry=retry)),
            asyncio.create_task(limiter.acquire(stop, retry=retry)),
        ]
        await asyncio.sleep(0)
        if how == "outgrown":
            cap.refused(900_000, is_single=False)
        if how == "stopped":
            stop.ask()
        else:
            waiting[1].cancel()
            if how == "cancelled":
                waiting[0].cancel()
        told = await asyncio.gather(*waiting, return_exceptions=True)
        assert type(told[0]) is {"cancelled": asyncio.CancelledError, "stopped": StopAsked, "outgrown": Outgrown}[how]

    gc.collect()
    gc.disable()  # nothing waits for it
    try:
        for _ in range(3):
            cap.most_bytes = 1_000_000
            await asyncio.create_task(wait_and_go_away())
        assert len(calls) == 0
    finally:
        gc.enable()
    assert limiter.waiting == 1
    assert (await patient).sent_at >= 600


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans()), min_size=1, max_size=20))
def test_who_goes_away_takes_nobody_s_turn_and_gives_up_its_own(comers):
    async def crowd() -> list[int]:
        limiter, order, stops = Limiter(FlowSettings(concurrency=1)), [], [Stop() for _ in range(4)]
        permit = await limiter.acquire(Stop())

        async def send(number: int, call: int, *, retry: bool) -> None:
            given = await limiter.acquire(stops[call], retry=retry)
            order.append(number)
            limiter.heard(given, None)
            limiter.answered(given, SampleKind.SUCCESS)

        waiting = [
            asyncio.create_task(send(number, call, retry=retry)) for number, (call, retry, _) in enumerate(comers)
        ]
        await asyncio.sleep(0)
        for task, (_, _, goes_away) in zip(waiting, comers, strict=True):
            if goes_away:
                task.cancel()
        await asyncio.sleep(0)
        limiter.heard(permit, None)
        limiter.answered(permit, SampleKind.SUCCESS)
        await asyncio.gather(*waiting, return_exceptions=True)
        assert limiter.in_flight == limiter.waiting == 0
        return order

    order = run(crowd())
    assert sorted(order) == [number for number, (_, _, goes_away) in enumerate(comers) if not goes_away]
    for call in range(4):
        for retry in (False, True):
            turns = [number for number in order if comers[number][:2] == (call, retry)]
            assert turns == sorted(turns)


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
