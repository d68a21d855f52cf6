"""Who waits for a permit: first attempts and retries, each in a line of their own, and who of them is the probe.

In a line, the calls that share the limiter take turns: each has a queue in the order of asking, and whoever was served
goes behind the others. Whoever was served last also lets those pass that come anew until the next is served: they would
wait for two of its requests otherwise, that on the wire and the next. Nobody can keep others from their turn by it.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
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
    """A queue for each call; who has got an answer waits no more, and may still stand there until its turn comes."""

    def __init__(self) -> None:
        self._queues: dict[object, deque[Waiter[T]]] = {}  # in the order of their turns
        self._last: object = None
        self._queue_of_last: deque[Waiter[T]] = deque()

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return bool(self._queues or self._queue_of_last)

    def __iter__(self) -> Iterator[Waiter[T]]:
        queues = chain(self._queues.values(), (self._queue_of_last,))
        return (waiter for queue in queues for waiter in queue if not waiter.turn.done())

    def add(self, waiter: Waiter[T]) -> None:
        """Put *waiter* at the end of its call's queue; a call that had none comes last but for who was served last."""
        if waiter.call is self._last:
            self._queue_of_last.append(waiter)
        else:
            self._queues.setdefault(waiter.call, deque()).append(waiter)

    def head(self) -> Waiter[T] | None:
        """Return whose turn it is, or ``None`` where nobody waits."""
        while self._queues:
            call, queue = next(iter(self._queues.items()))
            if waiter := _first(queue):
                return waiter
            del self._queues[call]
        return _first(self._queue_of_last)

    def take(self, waiter: Waiter[T]) -> None:
        """Take *waiter* out; its call was served last now."""
        if waiter.call is not self._last:
            queue = self._queues.pop(waiter.call)
            if self._queue_of_last:
                self._queues[self._last] = self._queue_of_last
            self._last, self._queue_of_last = waiter.call, queue
        self._queue_of_last.remove(waiter)

    def leave(self, waiter: Waiter[T]) -> None:
        """Take out *waiter*, who has gone away, if it is still there; the turns of the others stay as they were."""
        is_last = waiter.call is self._last
        queue = self._queue_of_last if is_last else self._queues.get(waiter.call)
        if queue is None:
            return
        with suppress(ValueError):
            queue.remove(waiter)
        if not (queue or is_last):
            del self._queues[waiter.call]

    def clear(self) -> None:
        """Let nobody wait any more."""
        self._queues.clear()
        self._queue_of_last.clear()


def _first(queue: deque[Waiter[T]]) -> Waiter[T] | None:
    """Return who is first in *queue*, which those who wait no more leave."""
    while queue and queue[0].turn.done():
        queue.popleft()
    return queue[0] if queue else None


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

    @property
    def has_any(self) -> bool:
        """Whether anybody waits who has got no answer yet."""
        return any(next(iter(line), None) is not None for line in (self.firsts, self.retries))

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

    def leave(self, waiter: Waiter[T]) -> None:
        """Take *waiter*, who has gone away without a permit, out of its line, if it is still there."""
        self._line_of(waiter).leave(waiter)

    def refuse(self, problem: Exception) -> None:
        """Give *problem* to all who wait."""
        for line in (self.retries, self.firsts):
            for waiter in line:
                waiter.turn.set_exception(problem)
            line.clear()

    def _line_of(self, waiter: Waiter[T]) -> Line[T]:
        return self.retries if waiter.retry else self.firsts
