"""Whether an attempt may leave now: the one decision that the limiter asks for, and that simulations drive alike.

Five parts decide, each by itself: how many may be in flight, a pause for everybody, a breaker, a quota and a budget for
retries. Nothing here waits or looks at a clock.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Protocol

from bulkdelete.limiter.breaking import Breaker
from bulkdelete.limiter.budgeting import RetryBudget
from bulkdelete.limiter.gating import FIRST_PAUSE_SECONDS, Gate
from bulkdelete.limiter.gauging import Sample, SampleKind

if TYPE_CHECKING:
    from collections.abc import Callable

SHORT_PAUSE_SECONDS: Final = 2.0
"""A server that asks for no more than this has too much to do; one that asks for more counts requests."""
LEAST_TOLD_SECONDS: Final = FIRST_PAUSE_SECONDS
"""Who asks for less does not say how long: it is asked less and less often, as where nothing is said."""
TICK_SECONDS: Final = 1e-6
"""A shorter wait is none: sums of times round, and whoever slept until then has slept enough."""


class Limit(Protocol):
    """How many attempts may be in flight: found by itself (``Adaptive``) or given (``Fixed``)."""

    @property
    def limit(self) -> int:
        """The number."""
        ...

    def take(self, sample: Sample) -> None:
        """Learn from one attempt's end."""
        ...

    def start_over(self, now: float) -> None:
        """Begin low, after an outage."""
        ...

    def snapshot(self) -> float:
        """Return where a resume may start."""
        ...


class Quota(Protocol):
    """How many requests may be sent in a time."""

    def wait_seconds(self, now: float) -> float:
        """Return how long to wait before the next request; 0 means now."""
        ...

    def spend(self, now: float) -> None:
        """Count one request, sent at *now*."""
        ...


class NoQuota:
    """As many as one likes."""

    def wait_seconds(self, now: float) -> float:  # noqa: ARG002 - the door's form
        """Return 0."""
        return 0.0

    def spend(self, now: float) -> None:
        """Count nothing."""


class Steering:
    """Admits attempts and learns from their ends. Times are seconds of one clock; *random* gives numbers in [0, 1).

    Every attempt that :meth:`may_send` let go ends with one call of :meth:`answered` or :meth:`abandoned`. With *waits*
    the server may refuse for as long as it likes.
    """

    def __init__(
        self,
        limit: Limit,
        *,
        random: Callable[[], float],
        quota: Quota | None = None,
        max_outage_seconds: float = 1800.0,
        waits: bool = False,
    ) -> None:
        self._limit = limit
        self._quota: Quota = quota or NoQuota()
        self._gate = Gate(random=random)
        self._budget = RetryBudget()
        self._retries_waited_at = -math.inf
        self.breaker = Breaker(max_outage_seconds=max_outage_seconds, waits=waits, random=random)
        """What is sent while ``breaker.is_open`` does not count against its batch; ``breaker.gave_up`` ends the job."""
        self.in_flight = 0
        """Attempts on the wire now."""

    @property
    def limit(self) -> int:
        """How many attempts may be in flight."""
        return self._limit.limit

    @property
    def refused_since(self) -> float | None:
        """Since when nothing but refusals came back, pauses included, idle time left out; ``None`` without any."""
        return self._gate.refused_since

    def may_send(self, now: float, *, retry: bool) -> float:
        """Return 0 where an attempt may leave, which is then counted as in flight; else the seconds to ask again after.

        ``math.inf`` is until an attempt ends. *retry*: an attempt for the same records has failed before (a refused
        one has not). A retry may have to wait where a first attempt may leave.
        """
        breaker = self.breaker
        if not breaker.is_open and self.in_flight >= (1 if self._gate.is_wary else self._limit.limit):
            return math.inf
        wait = max(breaker.wait_seconds(now), self._gate.wait_seconds(now), self._quota.wait_seconds(now))
        if wait > TICK_SECONDS:
            return wait
        if breaker.is_open:
            breaker.begin_probe(now)
        elif retry:
            wait = self._budget.wait_seconds(now)
            if wait > TICK_SECONDS:
                self._retries_waited_at = now
                return wait
            self._budget.spend()
        else:
            self._budget.first_attempt()
        self._quota.spend(now)
        self.in_flight += 1
        return 0.0

    def answered(self, now: float, sent_at: float, kind: SampleKind | None, pause_seconds: float | None = None) -> None:
        """Take note that the attempt sent at *sent_at* ended; *pause_seconds* is what the server asks everybody for.

        *kind* is ``None`` for an answer that tells nothing of the load, such as a refusal of the records themselves:
        it shows that the server is there. A failure with *pause_seconds* is a server that says how long it is down.
        """
        in_flight = self.in_flight
        self.in_flight -= 1
        seconds = pause_seconds or 0.0
        is_told = seconds >= LEAST_TOLD_SECONDS or (seconds > 0 and kind is SampleKind.FAILED)
        if kind is SampleKind.REFUSED:
            self.breaker.refused(now, seconds)
            if not is_told:
                self._gate.refused(now, sent_at)
        if seconds:
            self._gate.hold(now, seconds, is_down=kind is SampleKind.FAILED)
        elif kind not in {SampleKind.FAILED, SampleKind.REFUSED}:
            self._gate.answered()
        if kind is SampleKind.SUCCESS:
            self._budget.success()
        elif kind is SampleKind.FAILED and self.breaker.is_open:
            self._gate.failed()
        is_long = seconds > SHORT_PAUSE_SECONDS
        if is_long and kind is SampleKind.REFUSED:
            self._end_probe(sent_at)
            return
        was_open = self._tell_breaker(now, sent_at, kind, is_told=is_told)
        if kind is SampleKind.FAILED and seconds:
            kind = None if is_long else SampleKind.REFUSED  # it has too much to do, or it is down and has nothing to
        if kind is not None and not was_open:
            self._limit.take(Sample(now, sent_at, kind, in_flight))

    def abandoned(self, sent_at: float) -> None:
        """Take note that the attempt sent at *sent_at* ended without telling anything: it was cancelled."""
        self.in_flight -= 1
        self._end_probe(sent_at)

    def was_idle(self, now: float, seconds: float) -> None:
        """Take note that for *seconds*, up to *now*, nobody wanted to send, and nothing was in flight.

        A pause or an outage that nobody lived through says nothing of how long to wait for its end.
        """
        self._gate.was_idle(seconds)
        self.breaker.was_idle(now, seconds)

    def pause_seconds(self, now: float) -> float:
        """Return how long nobody sends because the server asked for it, from *now* on; 0 without a pause."""
        return self._gate.wait_seconds(now)

    def idle_seconds(self, now: float) -> float:
        """Return how long certainly nothing leaves, from *now* on; 0 while anything is in flight."""
        if self.in_flight:
            return 0.0
        return max(self.breaker.wait_seconds(now), self._gate.wait_seconds(now), self._quota.wait_seconds(now))

    def state(self, now: float) -> str:
        """Return what limits the job now: ``outage``, ``pause``, ``quota``, ``retries``, or else ``server``."""
        if self.breaker.is_open:
            return "pause" if self.breaker.is_refusing else "outage"
        if self._gate.wait_seconds(now) > 0:
            return "pause"
        if self._quota.wait_seconds(now) > 0:
            return "quota"
        return "retries" if now - self._retries_waited_at < 1 else "server"

    def snapshot(self) -> float:
        """Return the limit where a resume may start."""
        return self._limit.snapshot()

    def _end_probe(self, sent_at: float) -> None:
        since = self.breaker.open_since
        if since is not None and sent_at > since:
            self.breaker.end_probe()

    def _tell_breaker(self, now: float, sent_at: float, kind: SampleKind | None, *, is_told: bool) -> bool:
        """Return whether it was open; what was sent before it opened and fails now tells it nothing new."""
        breaker = self.breaker
        since = breaker.open_since
        if since is None:
            if not (is_told and kind is SampleKind.REFUSED):
                breaker.take(kind or SampleKind.SUCCESS, now, self._limit.limit, is_told=is_told)
        elif sent_at > since or kind is SampleKind.SUCCESS or kind is None:
            breaker.take(kind or SampleKind.SUCCESS, now, self._limit.limit)
            if not breaker.is_open:
                self._limit.start_over(now)
        return since is not None
