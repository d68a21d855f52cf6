"""The clock of the other tests: it jumps, and a deadlock is an error."""

from __future__ import annotations

import asyncio

import pytest

from tests.virtual_time import VirtualTimeLoop, run


@pytest.mark.virtual_time
async def test_a_day_of_waiting_takes_no_time_and_timers_keep_their_order():
    order: list[int] = []
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    for seconds in (86_400 * 3, 1, 3600):
        loop.call_later(seconds, order.append, seconds)
    await asyncio.sleep(86_400 * 3 + 1)
    assert order == [1, 3600, 86_400 * 3]
    assert loop.time() == pytest.approx(86_400 * 3 + 1)


async def test_unmarked_tests_keep_the_real_clock():
    assert not isinstance(asyncio.get_running_loop(), VirtualTimeLoop)


def test_a_deadlock_is_an_error_and_no_hang():
    async def wait_for_nobody() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="deadlock"):
        run(wait_for_nobody())
