"""A fixed number of permits, and one pause that everybody keeps."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.errors import PauseTooLong
from bulkdelete.limiter import MOST_PAUSE_SECONDS, Limiter
from bulkdelete.settings import FlowSettings
from bulkdelete.stopping import Stop, StopAsked
from tests.virtual_time import run

pytestmark = pytest.mark.virtual_time

WALL_CLOCK = 1_795_500_000.0


def limiter_with(**settings) -> Limiter:
    return Limiter(FlowSettings(**settings), wall_clock=lambda: WALL_CLOCK)


def now() -> float:
    return asyncio.get_running_loop().time()


async def enter(limiter: Limiter, stop: Stop | None = None, seconds: float = 0.0) -> float:
    """Hold a permit for *seconds*; return when it was given."""
    async with limiter.permit(stop or Stop()):
        given = now()
        await asyncio.sleep(seconds)
    return given


@given(st.integers(1, 5), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()), max_size=30))
def test_permits_are_never_exceeded_and_none_is_lost(permits, comers):
    async def crowd() -> None:
        limiter = limiter_with(concurrency=permits)
        most = 0

        async def come(after: int, hold: int, *, breaks: bool) -> None:
            nonlocal most
            await asyncio.sleep(after)
            async with limiter.permit(Stop()):
                most = max(most, limiter.in_flight)
                await asyncio.sleep(hold)
                if breaks:
                    asyncio.current_task().cancel()
                    await asyncio.sleep(0)

        await asyncio.gather(*(come(a, h, breaks=b) for a, h, b in comers), return_exceptions=True)
        assert most <= permits
        assert limiter.in_flight == 0
        given = await asyncio.gather(*(enter(limiter, seconds=1) for _ in range(permits)))
        assert len(set(given)) == 1

    run(crowd())


async def test_permits_are_given_in_the_order_of_asking():
    limiter = limiter_with(concurrency=1)
    given = await asyncio.gather(*(enter(limiter, seconds=1) for _ in range(5)))
    assert given == [0, 1, 2, 3, 4]


async def test_a_pause_holds_everybody_and_ends_for_everybody():
    limiter = limiter_with(concurrency=4)
    limiter.pause(30, sent_at=0)
    assert limiter.pause_seconds == 30
    given = await asyncio.gather(*(enter(limiter) for _ in range(12)))
    assert given == pytest.approx([30] * 12)
    assert limiter.pause_seconds == 0


async def test_a_pause_does_not_end_what_is_in_flight():
    limiter = limiter_with(concurrency=2)
    flying = asyncio.create_task(enter(limiter, seconds=5))
    await asyncio.sleep(1)
    limiter.pause(60, sent_at=0)
    assert limiter.in_flight == 1
    await flying
    assert now() == 5


async def test_a_pause_that_begins_while_one_waits_in_line_is_kept_also_by_that_one():
    limiter = limiter_with(concurrency=1)
    flying = asyncio.create_task(enter(limiter, seconds=5))
    await asyncio.sleep(1)
    in_line = asyncio.create_task(enter(limiter))
    await asyncio.sleep(1)
    limiter.pause(60, sent_at=0)
    await flying
    assert await in_line == pytest.approx(62)


async def test_a_pause_that_is_lengthened_while_it_is_kept_is_kept_to_its_new_end():
    limiter = limiter_with()
    waiting = asyncio.create_task(enter(limiter))
    limiter.pause(10, sent_at=0)
    await asyncio.sleep(5)
    limiter.pause(20, sent_at=0)
    assert await waiting == pytest.approx(25)


async def test_a_shorter_hint_does_not_shorten_a_pause():
    limiter = limiter_with()
    limiter.pause(60, sent_at=0)
    limiter.pause(1, sent_at=0)
    assert limiter.pause_seconds == 60


async def refused_again(limiter: Limiter, times: int, hint: float | None = None) -> list[float]:
    """Be refused *times*, each time by an attempt made as soon as it may be; return how long each pause was."""
    pauses = []
    for _ in range(times):
        async with limiter.permit(Stop()):
            sent_at = now()
            await asyncio.sleep(0.1)
        limiter.pause(hint, sent_at)
        pauses.append(limiter.pause_seconds)
    return pauses


async def test_pauses_without_a_hint_grow_to_a_minute():
    limiter = limiter_with()
    assert await refused_again(limiter, 9) == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60])
    assert MOST_PAUSE_SECONDS == 60


async def test_an_answer_that_is_no_refusal_makes_the_next_pause_short_again():
    limiter = limiter_with()
    await refused_again(limiter, 5)
    await enter(limiter)
    limiter.answered()
    assert await refused_again(limiter, 2) == pytest.approx([1, 2])


async def test_refusals_of_attempts_that_were_on_their_way_together_are_one_pause():
    limiter = limiter_with(concurrency=16)
    sent_at = now()
    for _ in range(16):
        await asyncio.sleep(0.01)
        limiter.pause(None, sent_at)
    assert limiter.pause_seconds == pytest.approx(1 - 0.15)
    await enter(limiter)
    assert await refused_again(limiter, 2) == pytest.approx([2, 4])


@pytest.mark.parametrize("hint", [0, 0.0])
async def test_a_hint_to_come_back_at_once_is_no_hint_so_that_nobody_is_hammered_for_ever(hint):
    limiter = limiter_with(max_pause_seconds=100)
    with pytest.raises(PauseTooLong):
        await refused_again(limiter, 1000, hint)
    assert now() > 30


@pytest.mark.parametrize(("longest", "hint"), [(900, 901), (0, 0.1), (0, 60)])
async def test_a_longer_pause_than_allowed_is_refused_with_the_time_to_come_back(longest, hint):
    limiter = limiter_with(max_pause_seconds=longest)
    limiter.pause(hint, sent_at=0)
    with pytest.raises(PauseTooLong, match=f"max_pause_seconds is {longest}") as refused:
        await enter(limiter)
    assert refused.value.until_unix_seconds == pytest.approx(WALL_CLOCK + hint)
    assert now() == 0
    assert limiter.in_flight == 0


async def test_a_pause_of_just_the_allowed_length_is_kept():
    limiter = limiter_with(max_pause_seconds=900)
    limiter.pause(900, sent_at=0)
    assert await enter(limiter) == pytest.approx(900)


@pytest.mark.parametrize("hint", [None, 0.5, 400])
async def test_pauses_in_a_row_count_together_so_that_a_refusal_for_ever_ends(hint):
    limiter = limiter_with(max_pause_seconds=900)
    with pytest.raises(PauseTooLong, match="of pauses in a row"):
        await refused_again(limiter, 10_000, hint)
    assert now() <= 901


async def test_pauses_between_which_the_api_answers_do_not_count_together():
    limiter = limiter_with(max_pause_seconds=900)
    for _ in range(10):
        await refused_again(limiter, 1, 600)
        await enter(limiter)
        limiter.answered()
    assert now() > 6000


async def test_everybody_learns_of_a_pause_that_is_too_long_also_those_in_line():
    limiter = limiter_with(concurrency=2, max_pause_seconds=10)
    limiter.pause(3600, sent_at=0)
    errors = await asyncio.gather(*(enter(limiter) for _ in range(7)), return_exceptions=True)
    assert [type(error) for error in errors] == [PauseTooLong] * 7
    assert now() == 0


async def test_a_stop_wakes_those_who_keep_a_pause_and_those_in_line_at_once():
    limiter, stop = limiter_with(concurrency=2), Stop()
    limiter.pause(600, sent_at=0)
    waiting = [asyncio.create_task(enter(limiter, stop)) for _ in range(7)]
    await asyncio.sleep(5)
    stop.ask()
    errors = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in errors] == [StopAsked] * 7
    assert now() == pytest.approx(5)


async def test_the_stop_of_one_job_does_not_wake_another():
    limiter, stop = limiter_with(concurrency=4), Stop()
    limiter.pause(60, sent_at=0)
    other = asyncio.create_task(enter(limiter))
    stopped = asyncio.create_task(enter(limiter, stop))
    await asyncio.sleep(1)
    stop.ask()
    with pytest.raises(StopAsked):
        await stopped
    assert await other == pytest.approx(60)


async def test_after_a_stop_no_permit_is_given():
    limiter, stop = limiter_with(), Stop()
    stop.ask()
    with pytest.raises(StopAsked):
        await enter(limiter, stop)
    assert limiter.in_flight == 0


async def test_a_cancelled_waiter_leaves_its_permit_to_others():
    limiter = limiter_with(concurrency=1)
    limiter.pause(60, sent_at=0)
    waiting = [asyncio.create_task(enter(limiter)) for _ in range(3)]
    await asyncio.sleep(1)
    waiting[0].cancel()
    waiting[2].cancel()
    assert await waiting[1] == pytest.approx(60)
    assert await enter(limiter) == pytest.approx(60)
