"""The first batch of a job goes alone, so that a wrong file is seen before it is all on its way."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Turn:
    """A batch's right to be on its way; ``over()`` says that its answer was no refusal, so that all may go."""

    def __init__(self, over: Callable[[], None]) -> None:
        self.over = over


class Pathfinder:
    """Lets one batch at a time through until an answer is anything but a refusal; from then on, every batch."""

    def __init__(self, *, proven: bool) -> None:
        self._proven = proven
        self._path = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """Hold a turn, waiting for it while the way is not proven."""
        holds = not self._proven
        if holds:
            await self._path.acquire()

        def leave() -> None:
            nonlocal holds
            if holds:
                holds = False
                self._path.release()

        def over() -> None:
            self._proven = True
            leave()

        try:
            if self._proven:
                leave()
            yield Turn(over)
        finally:
            leave()
