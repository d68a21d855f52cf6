"""A bounded queue that can be closed without waiting, and that loses nothing to a cancellation."""

from __future__ import annotations

import asyncio
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkdelete.channel import Channel, ChannelClosed
from tests.properties import often
from tests.virtual_time import run

pytestmark = pytest.mark.virtual_time


async def rest() -> None:
    """Let everybody go on until all wait."""
    await asyncio.sleep(1)


class Room:
    """A channel with many writers and readers at work, and an account of every item."""

    def __init__(self, capacity: int) -> None:
        self.channel: Channel[int] = Channel(capacity)
        self.capacity = capacity
        self.put: list[int] = []
        self.got: list[int] = []
        self.writers: list[asyncio.Task[None]] = []
        self.readers: list[asyncio.Task[None]] = []

    async def _put(self, item: int) -> None:
        await self.channel.put(item)
        self.put.append(item)

    async def _get(self) -> None:
        self.got.append(await self.channel.get())

    def act(self, action: str) -> None:
        if action == "put":
            self.writers.append(asyncio.create_task(self._put(len(self.writers))))
        elif action == "get":
            self.readers.append(asyncio.create_task(self._get()))
        elif action == "close":
            self.channel.close()
        else:
            who, which = action.split()
            tasks = self.writers if who == "writer" else self.readers
            waiting = [task for task in tasks if not task.done()]
            if waiting:
                waiting[0 if which == "first" else -1].cancel()

    def check(self) -> None:
        """Hold while everybody waits: nobody waits for what is there, and no item is lost, doubled or out of order."""
        waiting_writers = [task for task in self.writers if not task.done()]
        waiting_readers = [task for task in self.readers if not task.done()]
        assert not (waiting_readers and len(self.channel)), "a reader sleeps beside an item"
        assert not (waiting_writers and len(self.channel) < self.capacity), "a writer sleeps beside a free place"
        assert len(self.channel) <= self.capacity
        assert len(self.put) == len(self.got) + len(self.channel)
        assert self.got == self.put[: len(self.got)]

    async def play(self, actions) -> None:
        """Perform *actions*; a ``step`` lets each task go one step, a ``rest`` lets all go as far as they can."""
        for action in actions:
            if action == "step":
                await asyncio.sleep(0)
            elif action == "rest":
                await rest()
                self.check()
            else:
                self.act(action)
        await rest()
        self.check()
        left = self.channel.drain()
        await rest()
        assert all(task.done() for task in self.writers + self.readers), "closing left somebody asleep"
        assert self.put == self.got + left
        ended = await asyncio.gather(*self.writers, *self.readers, return_exceptions=True)
        assert {type(error) for error in ended} <= {type(None), ChannelClosed, asyncio.CancelledError}


CANCELS = ["writer first", "writer last", "reader first", "reader last"]
ACTIONS = ["put", "put", "get", "get", "step", "step", "rest", *CANCELS]


@settings(max_examples=often(300))
@given(st.integers(1, 3), st.lists(st.sampled_from([*ACTIONS, "close"]), max_size=25))
def test_no_item_and_no_wake_up_is_lost_whatever_happens_between_writers_and_readers(capacity, actions):
    run(Room(capacity).play(actions))


@pytest.mark.parametrize("start", [("get", "get"), ("put", "put", "put")])
async def test_no_wake_up_is_lost_in_any_order_of_five_actions_around_a_cancellation(start):
    for actions in product(["put", "get", "step", "writer first", "reader first"], repeat=5):
        await Room(1).play([*start, "rest", *actions])


async def test_items_come_out_in_the_order_they_went_in_past_a_full_channel():
    room = Room(2)
    writers = [asyncio.create_task(room._put(number)) for number in range(20)]
    got = [await room.channel.get() for _ in range(20)]
    await asyncio.gather(*writers)
    assert got == list(range(20))


async def test_a_put_waits_while_the_channel_is_full():
    channel: Channel[int] = Channel(1)
    await channel.put(1)
    writer = asyncio.create_task(channel.put(2))
    await rest()
    assert not writer.done()
    assert await channel.get() == 1
    await writer
    assert await channel.get() == 2


async def test_closing_wakes_everybody_at_once():
    for action, capacity in (("get", 1), ("put", 1)):
        room = Room(capacity)
        for _ in range(11):
            room.act(action)
        await rest()
        room.act("close")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ended = await asyncio.gather(*room.readers, *room.writers, return_exceptions=True)
        assert [type(error) for error in ended].count(ChannelClosed) == (11 if action == "get" else 10)


async def test_what_is_left_can_be_read_after_closing_and_nothing_more():
    channel: Channel[int] = Channel(3)
    for number in range(3):
        await channel.put(number)
    channel.close()
    channel.close()
    with pytest.raises(ChannelClosed):
        await channel.put(3)
    assert [await channel.get() for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ChannelClosed):
        await channel.get()


async def test_draining_closes_and_takes_what_nobody_has_read():
    channel: Channel[int] = Channel(3)
    for number in range(3):
        await channel.put(number)
    assert channel.drain() == [0, 1, 2]
    assert channel.drain() == []
    with pytest.raises(ChannelClosed):
        await channel.get()
    with pytest.raises(ChannelClosed):
        await channel.put(3)


async def test_its_repr_says_how_full_it_is():
    channel: Channel[int] = Channel(3)
    await channel.put(1)
    assert repr(channel) == "<Channel 1/3>"
    channel.close()
    assert repr(channel) == "<Channel 1/3 closed>"
