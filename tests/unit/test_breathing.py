"""What many tasks do as they wake is spread over the event loop's turns."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from bulkdelete.breathing import Breath


class Turns:
    """Counts the loop's turns, and what was done in each."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = 0
        self.done: list[int] = []
        self.in_turn: Counter[int] = Counter()
        self._count()

    def _count(self) -> None:
        self._now += 1
        self._counting = self._loop.call_soon(self._count)

    def do(self, number: int) -> None:
        self.done.append(number)
        self.in_turn[self._now] += 1

    def stop(self) -> None:
        self._counting.cancel()


@pytest.fixture
async def turns():
    turns = Turns()
    yield turns
    turns.stop()


@pytest.mark.parametrize("most", [1, 4, 7])
async def test_of_sixty_tasks_so_many_go_in_each_turn_and_in_their_order(turns, most):
    breath = Breath(most)

    async def one(number: int) -> None:
        await breath.taken()
        turns.do(number)

    await asyncio.gather(*map(one, range(60)))
    assert turns.done == [*range(60)]
    assert max(turns.in_turn.values()) == most


async def test_one_task_alone_waits_for_no_turn(turns):
    breath = Breath(3)
    for number in range(3):
        await breath.taken()
        turns.do(number)
    assert [*turns.in_turn.values()] == [3]
    await asyncio.sleep(0)
    await breath.taken()
    turns.do(3)
    assert [*turns.in_turn.values()] == [3, 1]


@pytest.mark.parametrize("turns_before", [0, 1, 2])
async def test_one_who_is_cancelled_while_waiting_keeps_nobody_else_from_a_turn(turns_before):
    breath = Breath(1)
    await breath.taken()
    tasks = [asyncio.create_task(breath.taken()) for _ in range(5)]
    for _ in range(turns_before):
        await asyncio.sleep(0)
    for one in tasks[:3]:
        one.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait(tasks)
    assert [one.cancelled() for one in tasks[3:]] == [False, False]
