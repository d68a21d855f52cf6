"""How long requests take on a server that is too small, by a clock that jumps."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.emulator import Switches
from bulkdelete.emulator.capacity import Capacity
from tests import virtual_time

pytestmark = pytest.mark.virtual_time


class Server:
    """A capacity whose switches can be set."""

    def __init__(self, **switches) -> None:
        self.switches = Switches(**switches)
        self.capacity = Capacity(lambda: self.switches)
        self.ends: list[float] = []

    async def serve(self, latency_seconds: float = 1.0) -> bool:
        served = await self.capacity.serve(latency_seconds)
        self.ends.append(round(asyncio.get_running_loop().time(), 6))
        return served

    def serving(self, requests: int, latency_seconds: float = 1.0) -> list[asyncio.Task[bool]]:
        return [asyncio.create_task(self.serve(latency_seconds)) for _ in range(requests)]


async def test_without_a_capacity_all_are_served_at_once():
    server = Server(beyond_capacity="cliff")
    assert all(await asyncio.gather(*server.serving(100)))
    assert set(server.ends) == {1.0}


async def test_in_a_queue_as_many_are_served_at_once_as_fit_and_the_others_in_the_order_they_came():
    server = Server(capacity=2)
    order = []

    async def one(number: int, latency_seconds: float) -> None:
        await server.serve(latency_seconds)
        order.append(number)

    async with asyncio.TaskGroup() as group:
        for number, latency_seconds in enumerate([1, 1, 5, 1, 1]):
            group.create_task(one(number, latency_seconds))
    assert server.ends == [1, 1, 2, 3, 6]
    assert order == [0, 1, 3, 4, 2]


async def test_beyond_a_cliff_requests_are_refused_at_once_until_one_is_done():
    server = Server(capacity=2, beyond_capacity="cliff")
    assert await asyncio.gather(*server.serving(5)) == [True, True, False, False, False]
    assert server.ends == [0, 0, 0, 1, 1]
    assert await server.serve()


@pytest.mark.parametrize(
    ("requests", "exponent", "seconds"), [(1, 2, 1.25), (2, 2, 2), (4, 2, 5), (4, 1, 3), (4, 0, 2)]
)
async def test_where_it_thrashes_everybody_takes_as_much_longer_as_the_model_says(requests, exponent, seconds):
    server = Server(capacity=2, beyond_capacity="thrash", thrash_exponent=exponent)
    await asyncio.gather(*server.serving(requests))
    assert server.ends == [seconds] * requests


async def test_a_late_comer_slows_down_those_that_are_served_and_who_leaves_speeds_up_the_rest():
    server = Server(capacity=1, beyond_capacity="thrash", thrash_exponent=1)
    early = server.serving(1)
    await asyncio.sleep(1)  # half of its work is done: alone it takes 2 s
    late = server.serving(1)
    await asyncio.gather(*early)
    assert server.ends == [2.5]  # the other half at a third of the speed
    await asyncio.gather(*late)
    assert server.ends == [2.5, 3.5]  # half was done, and the rest alone


async def test_a_request_that_is_cancelled_makes_room():
    for beyond in ("queue", "thrash", "cliff"):
        server = Server(capacity=1, beyond_capacity=beyond)
        first, *others = server.serving(3)
        await asyncio.sleep(0.5)
        first.cancel()
        others[0].cancel()
        await asyncio.wait([first, *others])
        assert await server.serve()
        assert server.capacity.served == 0


async def test_a_capacity_that_grows_lets_in_those_who_wait_and_one_that_shrinks_lets_the_served_finish():
    server = Server(capacity=1)
    waiting = server.serving(6)
    await asyncio.sleep(0.5)
    server.switches = Switches(capacity=4)
    await asyncio.gather(*waiting)
    assert server.ends == [1, 2, 2, 2, 2, 3]
    server.ends.clear()
    served = server.serving(4)
    await asyncio.sleep(0.5)
    server.switches = Switches(capacity=1)
    await asyncio.gather(*served, *server.serving(2))
    assert server.ends == [4, 4, 4, 4, 5, 6]


@given(st.lists(st.floats(0, 10), min_size=1, max_size=30), st.integers(1, 5))
def test_a_queue_never_serves_more_than_fit_and_loses_nobody(latencies, capacity):
    async def run() -> None:
        server = Server(capacity=capacity)
        most = 0

        async def one(latency_seconds: float) -> None:
            nonlocal most
            await server.serve(latency_seconds)
            most = max(most, server.capacity.served)

        await asyncio.gather(*map(one, latencies))
        assert most <= capacity
        assert server.capacity.served == 0
        assert len(server.ends) == len(latencies)

    virtual_time.run(run())
