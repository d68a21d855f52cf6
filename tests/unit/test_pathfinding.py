"""The first batch goes alone, until an answer shows that the others may follow."""

from __future__ import annotations

import asyncio

import pytest

from bulkdelete.pathfinding import Pathfinder

pytestmark = pytest.mark.virtual_time


class Walk:
    """Batches that come at once and take a turn of *seconds*, after which some of them say that it is over."""

    def __init__(self, *, proven: bool = False, seconds: float = 10) -> None:
        self.pathfinder = Pathfinder(proven=proven)
        self.seconds = seconds
        self.began: dict[int, float] = {}

    async def go(self, number: int, *, over_after: float | None = None, breaks: bool = False) -> None:
        async with self.pathfinder.turn() as turn:
            self.began[number] = asyncio.get_running_loop().time()
            if over_after is not None:
                await asyncio.sleep(over_after)
                turn.over()
            await asyncio.sleep(self.seconds - (over_after or 0))
            if breaks:
                raise LookupError
            turn.over()
            turn.over()


async def test_with_a_proven_way_all_go_at_once():
    walk = Walk(proven=True)
    await asyncio.gather(*(walk.go(number) for number in range(5)))
    assert set(walk.began.values()) == {0}


async def test_the_first_goes_alone_until_it_says_that_all_may_go():
    walk = Walk()
    await asyncio.gather(*(walk.go(number, over_after=3) for number in range(5)))
    assert walk.began == {0: 0, 1: 3, 2: 3, 3: 3, 4: 3}


async def test_while_no_turn_says_so_one_goes_after_the_other():
    walk = Walk()
    tasks = [asyncio.create_task(walk.go(number, breaks=True)) for number in range(3)]
    ended = await asyncio.gather(*tasks, walk.go(3, over_after=4), walk.go(4), return_exceptions=True)
    assert [type(error) for error in ended[:3]] == [LookupError] * 3
    assert walk.began == {0: 0, 1: 10, 2: 20, 3: 30, 4: 34}


async def test_a_batch_that_came_before_the_proof_and_one_after_it_both_go():
    walk = Walk()
    first = asyncio.create_task(walk.go(0, over_after=3))
    waiting = asyncio.create_task(walk.go(1))
    await asyncio.sleep(5)
    await asyncio.gather(first, waiting, walk.go(2))
    assert walk.began == {0: 0, 1: 3, 2: 5}


async def test_a_cancelled_turn_and_a_cancelled_waiter_let_the_next_one_go():
    walk = Walk()
    tasks = [asyncio.create_task(walk.go(number)) for number in range(4)]
    await asyncio.sleep(2)
    tasks[0].cancel()
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert walk.began == {0: 0, 2: 2, 3: 12}
