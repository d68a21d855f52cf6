"""The calls that one deleter has running: who closes it lets them end first, within a bound."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Protocol

from bulkdelete.errors import BulkDeleteError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLOSED: Final = "the deleter is closed"


class Call(Protocol):
    """A job that runs."""

    def stop(self, reason: str) -> None:
        """Let it end soon."""
        ...


class Calls:
    """The jobs that run now, of one event loop."""

    def __init__(self) -> None:
        self._running: set[Call] = set()
        self._is_closed = False
        self._all_ended = asyncio.Event()

    @contextmanager
    def running(self, call: Call) -> Iterator[None]:
        """While entered, *call* runs.

        Raises:
            BulkDeleteError: no call may begin any more.

        """
        if self._is_closed:
            raise BulkDeleteError(f"{_CLOSED}, and nothing was sent: make another one")
        self._running.add(call)
        self._all_ended.clear()
        try:
            yield
        finally:
            self._running.discard(call)
            if not self._running:
                self._all_ended.set()

    def close(self) -> None:
        """Let no call begin any more, and ask those that run to stop."""
        self._is_closed = True
        for call in self._running:
            call.stop(_CLOSED)

    async def ended(self, within_seconds: float) -> None:
        """Wait until no call runs, but no longer than that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                while self._running:
                    await self._all_ended.wait()
