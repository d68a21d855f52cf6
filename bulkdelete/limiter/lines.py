"""Who waits for a permit: first attempts and retries, each in a line of their own, and who of them is the probe."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Waiter(Generic[T]):
    """One who waits for *turn* to be given, to send *size* bytes."""

    turn: asyncio.Future[T]
    size: int
    retry: bool


class Lines(Generic[T]):
    """Two lines, each in the order of asking. Who has got an answer, or has gone away, waits no more."""

    def __init__(self) -> None:
        self.firsts: deque[Waiter[T]] = deque()
        self.retries: deque[Waiter[T]] = deque()
        self._smallest_is_next = True

    def __len__(self) -> int:
        return len(self.firsts) + len(self.retries)

    def add(self, waiter: Waiter[T]) -> None:
        """Put *waiter* at the end of its line."""
        self._line(waiter).append(waiter)

    def head(self, *, retry: bool) -> Waiter[T] | None:
        """Return the first of a line, or ``None`` where nobody waits."""
        line = self.retries if retry else self.firsts
        while line and line[0].turn.done():
            line.popleft()
        return line[0] if line else None

    def probe(self) -> Waiter[T] | None:
        """Return who may show whether the server is there: the smallest and the first in line, by turns.

        A small request is the likeliest to be answered, and no single one that always fails keeps others away.
        """
        first = self.head(retry=True) or self.head(retry=False)
        if first is None or not self._smallest_is_next:
            return first
        waiting = (waiter for line in (self.retries, self.firsts) for waiter in line if not waiter.turn.done())
        return min(waiting, key=lambda waiter: waiter.size)

    def take(self, waiter: Waiter[T], *, as_probe: bool) -> None:
        """Take *waiter* out of its line."""
        self._smallest_is_next ^= as_probe
        self._line(waiter).remove(waiter)

    def refuse(self, problem: Exception) -> None:
        """Give *problem* to all who wait."""
        for line in (self.retries, self.firsts):
            for waiter in line:
                if not waiter.turn.done():
                    waiter.turn.set_exception(problem)
            line.clear()

    def _line(self, waiter: Waiter[T]) -> deque[Waiter[T]]:
        return self.retries if waiter.retry else self.firsts
