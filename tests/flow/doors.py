"""Who says when an attempt may leave: the product's decisions, with a simple quota that heeds headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from bulkdelete.limiter.adapting import Adaptive
from bulkdelete.limiter.fixed import Fixed
from bulkdelete.limiter.steering import Steering

if TYPE_CHECKING:
    from random import Random

    from bulkdelete.limiter.gauging import SampleKind
    from tests.flow.servers import Answer


class Door(Protocol):
    """Who says when an attempt may leave."""

    in_flight: int
    is_patient: bool
    """Whether it lets everybody wait where the server asks for it; else each batch waits for itself."""

    @property
    def limit(self) -> int:
        """How many may be in flight."""
        ...

    @property
    def counts(self) -> bool:
        """Whether an attempt sent now counts against its batch."""
        ...

    @property
    def gave_up(self) -> bool:
        """Whether the job is over."""
        ...

    def may_send(self, now: float, *, retry: bool) -> float:
        """Return 0 to let one go, else the seconds to ask again after."""
        ...

    def answered(self, now: float, sent_at: float, kind: SampleKind | None, pause_seconds: float | None) -> None:
        """Learn how an attempt ended."""
        ...


class StubQuota:
    """Heeds ``X-RateLimit-Remaining`` and ``-Reset``, in the simplest way that never asks for too much."""

    def __init__(self) -> None:
        self._left: int | None = None
        self._resets_at = 0.0

    def heed(self, answer: Answer, in_flight: int) -> None:
        """Take an answer's headers; what is in flight may not be counted in them."""
        if answer.remaining is not None and answer.resets_at >= self._resets_at:
            left = answer.remaining - in_flight
            is_new = answer.resets_at > self._resets_at or self._left is None
            self._left = left if is_new or self._left is None else min(self._left, left)
            self._resets_at = answer.resets_at

    def wait_seconds(self, now: float) -> float:
        """Return how long to wait before the next request."""
        if self._left is None or self._left > 0:
            return 0.0
        if now >= self._resets_at:
            self._left = None
            return 0.0
        return self._resets_at - now + 1e-3

    def spend(self, now: float) -> None:
        """Count a request."""
        if self._left is not None and now < self._resets_at:
            self._left -= 1


def midnight() -> float:
    """Return the time of day where it is of no importance."""
    return 0.0


class Ours(Steering):
    """The product's door, with a clock on the wall that is *fast_seconds* ahead of the others'."""

    is_patient = True

    def __init__(
        self, dice: Random, *, concurrency: int | None = None, start: float | None = None, fast_seconds: float = 0.0
    ) -> None:
        self._now = 0.0
        self.quota = StubQuota()
        adaptive = Adaptive(start=start, random=dice.random, wall_clock=lambda: self._now + fast_seconds)
        limit = adaptive if concurrency is None else Fixed(concurrency)
        super().__init__(limit, random=dice.random, quota=self.quota)

    def answered(self, now: float, sent_at: float, kind: SampleKind | None, pause_seconds: float | None = None) -> None:
        """Learn how an attempt ended, and how late it is."""
        self._now = now
        super().answered(now, sent_at, kind, pause_seconds)

    @property
    def counts(self) -> bool:
        """Whether the breaker is closed."""
        return not self.breaker.is_open

    @property
    def gave_up(self) -> bool:
        """Whether an outage was too long."""
        return self.breaker.gave_up
