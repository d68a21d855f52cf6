"""Work in slices: what many tasks do as they wake is spread over the event loop's turns."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from bulkdelete.breathing import SLICE_SECONDS, Breath


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time passes only where somebody says so; it counts its turns."""

    now = 0.0
    turn = 0

    def time(self) -> float:
        return self.now

    def count(self) -> None:
        self.turn += 1
        self.call_soon(self.count)


def in_clock(work):
    with asyncio.Runner(loop_factory=Clock) as runner:
        return runner.run(work())


@pytest.mark.parametrize(("each_seconds", "most"), [(SLICE_SECONDS / 4, 4), (SLICE_SECONDS, 1), (3 * SLICE_SECONDS, 1)])
def test_what_sixty_tasks_do_at_once_takes_a_slice_of_each_turn_and_keeps_its_order(each_seconds, most):
    async def work() -> None:
        loop, breath, done, turns = asyncio.get_running_loop(), Breath(), [], Counter()

        async def one(number: int) -> None:
            await breath.taken()
            loop.now += each_seconds
            turns[loop.turn] += 1
            done.append(number)

        loop.count()
        await asyncio.gather(*map(one, range(60)))
        assert done == [*range(60)]
        assert max(turns.values()) == most

    in_clock(work)


def test_one_who_is_cancelled_while_waiting_keeps_nobody_else_from_the_next_slice():
    async def work() -> None:
        loop, breath = asyncio.get_running_loop(), Breath()
        await breath.taken()
        loop.now += 1
        first, second = (asyncio.create_task(breath.taken()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await second
        assert first.cancelled()

    in_clock(work)
