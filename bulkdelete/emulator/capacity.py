"""How many requests are served at once, and what becomes of the others."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import TYPE_CHECKING

from bulkdelete.emulator.thrashing import Thrashing

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.emulator.switches import Switches


class Capacity:
    """The server's power, and how many requests are ``served`` just now; *switches* gives those in force."""

    def __init__(self, switches: Callable[[], Switches]) -> None:
        self._switches = switches
        self.served = 0
        self._line: deque[asyncio.Future[None]] = deque()
        self._thrashing = Thrashing()

    async def serve(self, latency_seconds: float) -> bool:
        """Return once a request of *latency_seconds* was served; at once and ``False`` where it is refused."""
        switches = self._switches()
        if switches.beyond_capacity == "cliff" and self.served >= _most(switches):
            return False
        await self._enter()
        try:
            if switches.beyond_capacity == "thrash" and switches.capacity is not None:
                await self._thrashing.work(latency_seconds, switches.capacity, switches.thrash_exponent)
            elif latency_seconds:
                await asyncio.sleep(latency_seconds)
        finally:
            self._leave()
        return True

    async def _enter(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        self._call_next()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        self.served -= 1
        self._call_next()

    def _call_next(self) -> None:
        switches = self._switches()
        most = _most(switches) if switches.beyond_capacity == "queue" else math.inf
        while self._line and self.served < most:
            turn = self._line.popleft()
            if not turn.done():
                self.served += 1
                turn.set_result(None)


def _most(switches: Switches) -> float:
    return math.inf if switches.capacity is None else switches.capacity
