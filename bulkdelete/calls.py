"""The calls that one deleter has running, and whom they tell: who closes it lets them end first, within a bound."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from bulkdelete.errors import BulkDeleteError
from bulkdelete.hub import Hub

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_CLOSED: Final = "the deleter is closed"


class Call(Protocol):
    """A job that runs."""

    def stop(self, reason: str) -> None:
        """Let it end soon."""
        ...


class Calls:
    """The jobs that run now, of one event loop; what they tell goes to *hub*."""

    def __init__(self, hub: Hub | None = None) -> None:
        self.hub = Hub() if hub is None else hub
        self._running: set[Call] = set()
        self._is_closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._all_ended = asyncio.Event()

    def begin(self, call: Call) -> None:
        """Take note that *call* runs, until :meth:`end`.

        Raises:
            BulkDeleteError: no call may begin any more, or none in this event loop.

        """
        if self._is_closed:
            raise BulkDeleteError(f"{_CLOSED}, and nothing was sent: make another one")
        loop = asyncio.get_running_loop()
        if self._loop not in {None, loop}:
            raise BulkDeleteError("the deleter belongs to another event loop, and nothing was sent: make one in this")
        self._loop = loop
        self._running.add(call)
        self._all_ended.clear()

    def end(self, call: Call) -> None:
        """Take note that *call* runs no more."""
        self._running.discard(call)
        if not self._running:
            self._all_ended.set()

    async def close(self, close_connections: Callable[[], Awaitable[None]], within_seconds: float) -> None:
        """Let no call begin any more, and those that run end; what is in flight gets *within_seconds* to finish."""
        self._is_closed = True
        for call in self._running:
            call.stop(_CLOSED)
        try:
            await self._ended(within_seconds)
        finally:
            await close_connections()
        await self._ended(within_seconds)  # what was in flight has broken off, and is written down

    async def _ended(self, within_seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                while self._running:
                    await self._all_ended.wait()
