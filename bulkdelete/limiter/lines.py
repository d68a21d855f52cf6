"""Who waits for a permit: first attempts and retries, each in a line of their own, and who of them is the probe.

In a line, the calls that share the limiter take turns, round by round: each has a queue in the order of asking, and
gets one permit in a round. Whoever comes anew, and had none in this round, has a turn in it, and does not wait for a
call that was served just before to be served again (start-time fair queueing: P. Goyal, H. Vin, H. Cheng, 1996).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Waiter(Generic[T]):
    """One of *call* who waits for *turn* to be given, to send *size* bytes."""

    turn: asyncio.Future[T]
    call: object
    size: int
    retry: bool


class Line(Generic[T]):
    """A queue for each call; who has got an answer, or has gone away, waits no more."""

    def __init__(self) -> None:
        self._queues: dict[object, deque[Waiter[T]]] = {}  # in the order of their turns in this round
        self._next: dict[object, deque[Waiter[T]]] = {}  # of those who have had theirs
        self._served: set[object] = set()

    def __len__(self) -> int:
        return sum(map(len, chain(self._queues.values(), self._next.values())))

    def __bool__(self) -> bool:
        return bool(self._queues or self._next)

    def __iter__(self) -> Iterator[Waiter[T]]:
        queues = chain(self._queues.values(), self._next.values())
        return (waiter for queue in queues for waiter in queue if not waiter.turn.done())

    def add(self, waiter: Waiter[T]) -> None:
        """Put *waiter* at the end of its call's queue; a call that had none comes last in its round."""
        queues = self._next if waiter.call in self._served else self._queues
        queues.setdefault(waiter.call, deque()).append(waiter)

    def head(self) -> Waiter[T] | None:
        """Return whose turn it is, or ``None`` where nobody waits."""
        for queues in (self._queues, self._next):
            while queues:
                call, queue = next(iter(queues.items()))
                while queue and queue[0].turn.done():
                    queue.popleft()
                if queue:
                    return queue[0]
                del queues[call]
        return None

    def take(self, waiter: Waiter[T]) -> None:
        """Take *waiter* out; its call has had its turn in this round, or in the next, which then begins."""
        call = waiter.call
        if not self._queues:
            self._queues, self._next = self._next, {}
            self._served.clear()
        queue = (self._next if call in self._served else self._queues).pop(call)
        queue.remove(waiter)
        self._served.add(call)
        if queue:
            self._next[call] = queue

    def clear(self) -> None:
        """Let nobody wait any more."""
        self._queues.clear()
        self._next.clear()
        self._served.clear()


class Lines(Generic[T]):
    """The line of first attempts and that of retries."""

    def __init__(self) -> None:
        self.firsts: Line[T] = Line()
        self.retries: Line[T] = Line()
        self._smallest_is_next = True

    def __len__(self) -> int:
        return len(self.firsts) + len(self.retries)

    def __bool__(self) -> bool:
        return bool(self.firsts or self.retries)

    def add(self, waiter: Waiter[T]) -> bool:
        """Put *waiter* into its line; return whether it is the first one there."""
        line = self._line_of(waiter)
        line.add(waiter)
        return line.head() is waiter

    def probe(self) -> Waiter[T] | None:
        """Return who may show whether the server is there: the smallest and the first in line, by turns.

        A small request is the likeliest to be answered, and no single one that always fails keeps others away.
        """
        first = self.retries.head() or self.firsts.head()
        if first is None or not self._smallest_is_next:
            return first
        return min((waiter for line in (self.retries, self.firsts) for waiter in line), key=lambda one: one.size)

    def take(self, waiter: Waiter[T], *, as_probe: bool) -> None:
        """Take *waiter* out of its line."""
        self._smallest_is_next ^= as_probe
        self._line_of(waiter).take(waiter)

    def refuse(self, problem: Exception) -> None:
        """Give *problem* to all who wait."""
        for line in (self.retries, self.firsts):
            for waiter in line:
                waiter.turn.set_exception(problem)
            line.clear()

    def _line_of(self, waiter: Waiter[T]) -> Line[T]:
        return self.retries if waiter.retry else self.firsts
