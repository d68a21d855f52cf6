"""The first batch of a job goes alone, so that a wrong file is seen before it is all on its way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self


class Pathfinder:
    """Lets one batch at a time through until an answer is anything but a refusal; from then on, every batch."""

    def __init__(self, *, proven: bool) -> None:
        self.is_proven = proven
        self.path = asyncio.Lock()
        self.waiting = 0
        """Batches that wait for the way to be proven."""

    def turn(self) -> Turn:
        """Return a turn, to be entered: ``async with pathfinder.turn() as turn``."""
        return Turn(self)


class Turn:
    """A batch's right to be on its way, waited for while the way is not proven."""

    __slots__ = ("_holds", "_pathfinder")

    def __init__(self, pathfinder: Pathfinder) -> None:
        self._pathfinder = pathfinder
        self._holds = False

    async def __aenter__(self) -> Self:
        if not self._pathfinder.is_proven:
            self._pathfinder.waiting += 1
            try:
                await self._pathfinder.path.acquire()
            finally:
                self._pathfinder.waiting -= 1
            self._holds = True
            if self._pathfinder.is_proven:
                self._leave()
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._leave()

    def over(self) -> None:
        """Say that an answer was no refusal: from now on, all may go."""
        self._pathfinder.is_proven = True
        self._leave()

    def _leave(self) -> None:
        if self._holds:
            self._holds = False
            self._pathfinder.path.release()
