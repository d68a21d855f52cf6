"""So much in one turn of the event loop and no more, so that it is soon with everybody else who is in it.

asyncio runs all tasks that are ready before it looks at a timer or a socket again. Sixty batches whose answers came at
once are sixty tasks, and keep a service's other requests waiting for 10 ms and more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress


class Breath:
    """Lets *most* tasks of one event loop through in each of its turns, in the order of asking."""

    def __init__(self, most: int) -> None:
        self._most = self._left = most
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._has_asked = False

    async def taken(self) -> None:
        """Return at once while there is room in this turn of the loop; otherwise in a later one."""
        loop = asyncio.get_running_loop()
        if self._left and not self._waiting:
            self._left -= 1
            self._ask(loop)
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        self._ask(loop)
        try:
            await turn
        except asyncio.CancelledError:
            with suppress(ValueError):  # its turn has come
                self._waiting.remove(turn)
            raise

    def _ask(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._has_asked:
            self._has_asked = True
            loop.call_soon(self._begin_turn, loop)

    def _begin_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._has_asked = False
        self._left = self._most
        while self._left and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._left -= 1
        if self._left < self._most:
            self._ask(loop)
