"""Work that slows down for everybody the more of it there is."""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush
from itertools import count


class Thrashing:
    """Works on any number of requests at once, each at 1 / (1 + (n / capacity) ^ exponent) of full speed.

    All go at the same speed, so one clock that runs at this speed tells when each is done: ``_done`` is its time, in
    seconds of work at full speed.
    """

    def __init__(self) -> None:
        self._done = 0.0
        self._as_of = 0.0
        self._slowness = 1.0
        self._work: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None

    async def work(self, seconds: float, capacity: int, exponent: float) -> None:
        """Return when *seconds* of work at full speed are done; the last caller's model holds for everybody."""
        self._advance()
        done = asyncio.get_running_loop().create_future()
        heappush(self._work, (self._done + seconds, next(self._numbers), done))
        try:
            self._go_on(capacity, exponent)
            await done
        finally:
            if not done.done() or done.cancelled():
                self._advance()
                self._work = sorted(one for one in self._work if one[2] is not done)
                self._go_on(capacity, exponent)

    def _advance(self) -> None:
        now = asyncio.get_running_loop().time()
        self._done += (now - self._as_of) / self._slowness
        self._as_of = now

    def _go_on(self, capacity: int, exponent: float) -> None:
        """Plan the end of the work that ends first, at the speed that all of it goes at now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._slowness = 1 + (len(self._work) / capacity) ** exponent
        if self._work:
            wait_seconds = (self._work[0][0] - self._done) * self._slowness
            self._timer = asyncio.get_running_loop().call_later(wait_seconds, self._finish, capacity, exponent)

    def _finish(self, capacity: int, exponent: float) -> None:
        self._advance()
        until, _, _ = self._work[0]
        self._done = max(self._done, until)
        while self._work and self._work[0][0] <= self._done:
            _, _, done = heappop(self._work)
            if not done.done():
                done.set_result(None)
        self._go_on(capacity, exponent)
