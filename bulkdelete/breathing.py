"""Work in slices: between two of them the event loop turns to everybody else who is in it.

What many tasks do as soon as they wake adds up: asyncio runs all that are ready before it looks at a timer or a socket
again. Sixty batches that become ready at once are 10 ms and more, which a service's other requests wait for.
"""

from __future__ import annotations

import asyncio
from typing import Final

SLICE_SECONDS: Final = 0.002


class Breath:
    """A slice of time that tasks of one event loop share: who comes after its end waits for the loop's next turn."""

    def __init__(self) -> None:
        self._ends_at = 0.0
        self._is_asked_for = False

    async def taken(self) -> None:
        """Return at once within a slice; otherwise in the next one, which begins with the loop's next turn."""
        loop = asyncio.get_running_loop()
        while loop.time() >= self._ends_at:
            if not self._is_asked_for:
                self._is_asked_for = True
                loop.call_soon(self._begin, loop)
            await asyncio.sleep(0)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_asked_for = False
        self._ends_at = loop.time() + SLICE_SECONDS
