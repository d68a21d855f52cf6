"""How others find out how much a server takes, from their published formulas: what the product is compared with.

Each is a door of the lab (:mod:`tests.flow.lab`). A refused batch of theirs waits for itself, for ``Retry-After`` or,
without one, with full jitter; failed attempts are made again as the product does it.
"""

from __future__ import annotations

import math

from bulkdelete.limiter.gauging import SampleKind

MOST_IN_FLIGHT = 200


class Rival:
    """A limit of attempts in flight that does not change."""

    is_patient = False
    counts = True
    gave_up = False

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self.in_flight = 0

    @property
    def limit(self) -> int:
        """How many may be in flight."""
        return max(1, int(self._limit))

    def may_send(self, now: float, *, retry: bool) -> float:  # noqa: ARG002 - the door's form
        """Let one go while the limit is not reached."""
        if self.in_flight >= self.limit:
            return math.inf
        self.in_flight += 1
        return 0.0

    def answered(self, now: float, sent_at: float, kind: SampleKind | None, pause_seconds: float | None) -> None:  # noqa: ARG002 - the door's form
        """Take note of an answer."""
        in_flight, self.in_flight = self.in_flight, self.in_flight - 1
        self.learn(now, now - sent_at, kind is SampleKind.SUCCESS, in_flight)

    def learn(self, now: float, rtt: float, succeeded: bool, in_flight: int) -> None:  # noqa: FBT001 - as every rival has it
        """Change the limit."""


class NetflixAimd(Rival):
    """AIMDLimit of https://github.com/Netflix/concurrency-limits, judged at every response."""

    def __init__(self) -> None:
        super().__init__(20)

    def learn(self, now: float, rtt: float, succeeded: bool, in_flight: int) -> None:  # noqa: ARG002, FBT001 - as every rival has it
        """Go down by a tenth for a drop or 5 s, up by one for anything else under load."""
        if not succeeded or rtt > 5:
            self._limit = max(20, int(self._limit * 0.9))
        elif in_flight * 2 >= self._limit:
            self._limit = min(MOST_IN_FLIGHT, self._limit + 1)


class Gradient2(Rival):
    """Gradient2Limit of https://github.com/Netflix/concurrency-limits, in windows of a second; drops are not used."""

    def __init__(self) -> None:
        super().__init__(20)
        self._ends, self._sum, self._count, self._busiest = 1.0, 0.0, 0, 0
        self._long, self._windows = 0.0, 0

    def learn(self, now: float, rtt: float, succeeded: bool, in_flight: int) -> None:  # noqa: FBT001 - as every rival has it
        """Compare the window's mean with the long one."""
        self._busiest = max(self._busiest, in_flight)
        if succeeded:
            self._sum += rtt
            self._count += 1
        if now < self._ends or self._count < 10:
            return
        short, busiest = self._sum / self._count, self._busiest
        self._ends, self._sum, self._count, self._busiest = now + 1, 0.0, 0, 0
        self._windows += 1
        if self._windows <= 10:
            self._long += (short - self._long) / self._windows
        else:
            self._long += (short - self._long) * 2 / 601
        if self._long / short > 2:
            self._long *= 0.95
        if busiest < self._limit / 2:
            return
        gradient = max(0.5, min(1.0, 1.5 * self._long / short))
        self._limit = max(20.0, min(MOST_IN_FLIGHT, 0.8 * self._limit + 0.2 * (gradient * self._limit + 4)))


class VectorArc(Rival):
    """Adaptive request concurrency of https://github.com/vectordotdev/vector: windows of one mean latency."""

    def __init__(self) -> None:
        super().__init__(1)
        self._mean = self._variance = 0.0
        self._ends, self._sum, self._count = 0.0, 0.0, 0
        self._reached = self._pushed_back = False

    def learn(self, now: float, rtt: float, succeeded: bool, in_flight: int) -> None:  # noqa: FBT001 - as every rival has it
        """Add one after a window at the limit that was no slower; go down by a tenth for back-pressure."""
        self._reached |= in_flight >= self.limit
        self._pushed_back |= not succeeded
        if succeeded:
            self._sum += rtt
            self._count += 1
        if now < self._ends:
            return
        if self._count:
            self._judge(self._sum / self._count)
        elif self._pushed_back:
            self._limit = max(1, int(self._limit * 0.9))
        self._ends, self._sum, self._count = now + self._mean, 0.0, 0
        self._reached = self._pushed_back = False

    def _judge(self, mean: float) -> None:
        threshold = self._mean + 2.5 * math.sqrt(self._variance)
        if self._mean and (self._pushed_back or mean >= threshold):
            self._limit = max(1, int(self._limit * 0.9))
        elif self._reached and not self._pushed_back and (not self._mean or mean <= self._mean):
            self._limit = min(MOST_IN_FLIGHT, self._limit + 1)
        if not self._mean:
            self._mean = mean
            return
        difference = mean - self._mean
        self._mean += 0.4 * difference
        self._variance = 0.6 * (self._variance + 0.4 * difference**2)


class AwsAdaptive(Rival):
    """The adaptive retry mode of botocore: a rate, off until the first throttle, CUBIC after it; 64 in flight.

    https://github.com/boto/botocore/blob/develop/botocore/retries/adaptive.py and throttling.py
    """

    def __init__(self) -> None:
        super().__init__(64)
        self._rate, self._tokens, self._as_of = math.inf, 1.0, 0.0
        self._measured, self._bucket, self._sent = 0.0, 0.0, 0
        self._most, self._throttled_at, self._back_after = 0.0, 0.0, 0.0

    def may_send(self, now: float, *, retry: bool) -> float:
        """Let one go for a token."""
        if self._rate < math.inf:
            self._tokens = min(max(1.0, self._rate), self._tokens + self._rate * (now - self._as_of))
            self._as_of = now
            if self._tokens < 1 - 1e-9:
                return max(1e-3, (1 - self._tokens) / self._rate)
        wait = super().may_send(now, retry=retry)
        if wait == 0:
            self._tokens -= self._rate < math.inf
            self._measure(now)
        return wait

    def answered(self, now: float, sent_at: float, kind: SampleKind | None, pause_seconds: float | None) -> None:
        """Slow down for a throttle; go faster after a success."""
        super().answered(now, sent_at, kind, pause_seconds)
        if kind is SampleKind.REFUSED:
            self._most = self._measured if self._rate == math.inf else min(self._measured, self._rate)
            self._most = max(self._most, 0.5)
            self._throttled_at, self._back_after = now, math.cbrt(self._most * 0.3 / 0.4)
            rate = 0.7 * self._most
        elif self._rate < math.inf:
            rate = 0.4 * (now - self._throttled_at - self._back_after) ** 3 + self._most
        else:
            return
        if self._rate == math.inf:
            self._tokens, self._as_of = 0.0, now
        self._rate = max(0.5, min(rate, 2 * self._measured))

    def _measure(self, now: float) -> None:
        self._sent += 1
        bucket = math.floor(now * 2) / 2
        if bucket > self._bucket:
            self._measured = 0.8 * self._sent / (bucket - self._bucket) + 0.2 * self._measured
            self._bucket, self._sent = bucket, 0
