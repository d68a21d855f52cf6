"""A bounded queue that can be closed without waiting (``asyncio.Queue.shutdown`` is Python 3.13's)."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class ChannelClosed(Exception):
    """The channel is closed: nothing can be put, and nothing is left to get."""


class Channel(Generic[T]):
    """At most *capacity* items between one writer, who alone closes it, and many readers.

    ``put`` waits while it is full; ``get`` waits while it is empty; ``close`` never waits and wakes everybody. After
    it, ``put`` raises :class:`ChannelClosed`, and so does ``get`` once the items that are left have been read.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._readers: deque[asyncio.Future[None]] = deque()
        self._writers: deque[asyncio.Future[None]] = deque()
        self._closed = False

    def __repr__(self) -> str:
        return f"<Channel {len(self._items)}/{self._capacity}{' closed' if self._closed else ''}>"

    def __len__(self) -> int:
        return len(self._items)

    async def put(self, item: T) -> None:
        """Add *item*, waiting while the channel is full. Raises :class:`ChannelClosed`."""
        while len(self._items) >= self._capacity and not self._closed:
            await self._wait_in(self._writers)
        if self._closed:
            raise ChannelClosed
        self._items.append(item)
        _wake_one(self._readers)

    async def get(self) -> T:
        """Take the oldest item, waiting while there is none. Raises :class:`ChannelClosed`."""
        while not self._items:
            if self._closed:
                raise ChannelClosed
            await self._wait_in(self._readers)
        _wake_one(self._writers)
        return self._items.popleft()

    def close(self) -> None:
        """Accept nothing more; what is inside can still be read."""
        self._closed = True
        for waiting in (self._readers, self._writers):
            while waiting:
                _wake_one(waiting)

    def drain(self) -> list[T]:
        """Close, and take everything that nobody has read."""
        self.close()
        left = list(self._items)
        self._items.clear()
        return left

    async def _wait_in(self, line: deque[asyncio.Future[None]]) -> None:
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with suppress(ValueError):  # a waker has passed over it already
                    line.remove(turn)
            else:  # woken and cancelled at once: the turn goes to the next in line
                _wake_one(line)
            raise


def _wake_one(line: deque[asyncio.Future[None]]) -> None:
    while line:
        turn = line.popleft()
        if not turn.done():
            turn.set_result(None)
            return
