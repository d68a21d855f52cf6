"""A stop is asked once, and seen at every wait and before every attempt."""

from __future__ import annotations

import asyncio

import pytest

from bulkdelete.stopping import Stop, StopAsked

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_sleep_that_nobody_interrupts_takes_its_time():
    await Stop().sleep(600)
    assert now() == pytest.approx(600)


async def test_asking_wakes_every_sleeper_at_once():
    stop = Stop()
    sleepers = [asyncio.create_task(stop.sleep(3600)) for _ in range(20)]
    await asyncio.sleep(5)
    stop.ask()
    woken = await asyncio.gather(*sleepers, return_exceptions=True)
    assert [type(error) for error in woken] == [StopAsked] * 20
    assert now() == pytest.approx(5)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.001, 3600.0])
async def test_after_the_asking_no_sleep_begins(seconds):
    stop = Stop()
    stop.ask()
    with pytest.raises(StopAsked):
        await stop.sleep(seconds)
    assert now() == 0


@pytest.mark.parametrize("seconds", [0.0, -1.0])
async def test_a_sleep_of_no_time_returns(seconds):
    await Stop().sleep(seconds)
    assert now() == 0


async def test_check_raises_only_after_the_asking_and_asking_twice_changes_nothing():
    stop = Stop()
    stop.check()
    assert not stop.asked
    stop.ask()
    stop.ask()
    assert stop.asked
    with pytest.raises(StopAsked):
        stop.check()


async def test_work_that_nobody_interrupts_gives_what_it_gives_or_raises_what_it_raises():
    async def work(answer):
        await asyncio.sleep(60)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert await Stop().unless_asked(work("done")) == "done"
    with pytest.raises(LookupError):
        await Stop().unless_asked(work(LookupError()))
    assert now() == pytest.approx(120)


@pytest.mark.parametrize("ending", ["stop", "cancellation"])
async def test_work_that_is_interrupted_is_cancelled_at_once(ending):
    stop = Stop()
    work = asyncio.create_task(asyncio.sleep(3600))
    waiting = asyncio.create_task(stop.unless_asked(work))
    await asyncio.sleep(5)
    if ending == "stop":
        stop.ask()
    else:
        waiting.cancel()
    with pytest.raises(StopAsked if ending == "stop" else asyncio.CancelledError):
        await waiting
    assert work.cancelled()
    assert now() == pytest.approx(5)


async def test_work_that_began_after_the_asking_does_not_go_on_waiting():
    stop = Stop()
    stop.ask()
    with pytest.raises(StopAsked):
        await stop.unless_asked(asyncio.sleep(60))
    assert now() == 0


async def test_asking_once_more_while_interrupted_work_is_cleaning_up_changes_nothing():
    async def work():
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(5)

    stop = Stop()
    stop.ask()
    waiting = asyncio.create_task(stop.unless_asked(work()))
    await asyncio.sleep(1)
    stop.ask()
    with pytest.raises(StopAsked):
        await waiting
    assert now() == pytest.approx(5)


async def test_work_that_runs_out_of_its_own_time_says_so_itself():
    async def work():
        async with asyncio.timeout(5):
            await asyncio.sleep(60)

    stop = Stop()
    with pytest.raises(TimeoutError):
        await stop.unless_asked(work())
    stop.ask()  # which reaches nobody any more
    await asyncio.sleep(1)
    assert now() == pytest.approx(6)


async def test_work_that_is_interrupted_and_cancelled_at_once_is_cancelled():
    stop = Stop()
    waiting = asyncio.create_task(stop.unless_asked(asyncio.sleep(60)))
    await asyncio.sleep(5)
    stop.ask()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_whoever_asks_within_the_work_is_interrupted_at_its_next_wait():
    stop, seen = Stop(), []

    async def work():
        stop.ask()
        seen.append("asked")
        await asyncio.sleep(60)

    with pytest.raises(StopAsked):
        await stop.unless_asked(work())
    assert (seen, now()) == (["asked"], 0)


async def test_a_cancelled_sleep_is_cancelled_and_neither_stopped_nor_over():
    sleeper = asyncio.create_task(Stop().sleep(60))
    await asyncio.sleep(1)
    sleeper.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeper
