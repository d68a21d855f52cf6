"""A client and a server in virtual time: what the product's decisions come to, in milliseconds for minutes.

The client is saturated: there is always another batch, and ``2 * limit + 8`` of them are open at once, in flight,
waiting to be sent or waiting out a backoff. It does as the product does. A failed attempt (50000, no answer within 10 s)
is made again after a random wait of up to 0.5 s, doubling to 30 s (full jitter), and 8 attempts use a batch up; a
refusal (429) is no attempt, nor is what is sent while the breaker is open. Attempts are admitted by a door:
:class:`~bulkdelete.steering.Steering` itself, or, in the benchmark, a rival. What its own limit makes a client wait for
is not on the wire, and is no latency.

* **ideal**: the batches that a client who knows the server's every parameter and change beforehand has acknowledged
  at the end, from the first second on: the best number in flight (at most 64) at every moment, nothing in an outage,
  and what a bucket or window lets through. No time for finding anything out is taken off it.
* **goodput**: batches acknowledged at the end, as a share of the ideal.
* **waste**: the share of all requests that was in vain: refused, failed or unanswered, save those that the server's
  dice let fail whatever it is asked (``error_share``).
* **exhausted**: batches that used up their attempts.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import TYPE_CHECKING, Final, Protocol

from bulkdelete.limiter.adapting import Adaptive, Fixed
from bulkdelete.limiter.gauging import SampleKind
from bulkdelete.limiter.steering import Steering
from tests.flow.servers import Answer, Running, Server

if TYPE_CHECKING:
    from collections.abc import Callable

ANSWER_TIMEOUT_SECONDS: Final = 10.0
MOST_ATTEMPTS: Final = 8
FIRST_BACKOFF_SECONDS: Final = 0.5
MOST_BACKOFF_SECONDS: Final = 30.0


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


class Ours(Steering):
    """The product's door."""

    is_patient = True

    def __init__(self, dice: Random, *, concurrency: int | None = None, start: float | None = None) -> None:
        limit = Adaptive(start=start, random=dice.random) if concurrency is None else Fixed(concurrency)
        self.quota = StubQuota()
        super().__init__(limit, random=dice.random, quota=self.quota)

    @property
    def counts(self) -> bool:
        """Whether the breaker is closed."""
        return not self.breaker.is_open

    @property
    def gave_up(self) -> bool:
        """Whether an outage was too long."""
        return self.breaker.gave_up


@dataclass(slots=True)
class _Batch:
    attempts: int = 0
    failures: int = 0


@dataclass(slots=True)
class _Flight:
    job: Job
    batch: _Batch
    sent_at: float
    counts: bool
    is_over: bool = False


class Lab:
    """Virtual time, one server, and the jobs that run at it."""

    def __init__(self, server: Server, doors: list[Door], seed: int) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        dice = Random(f"{seed} server")
        self.server = Running(server, self, dice)
        self.jobs = [Job(self, door, Random(f"{seed} job {number}")) for number, door in enumerate(doors)]

    def at(self, time: float, what: Callable[[], None]) -> None:
        """Let *what* happen at *time*."""
        self._number += 1
        heappush(self._events, (time, self._number, what))

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        for job in self.jobs:
            self.at(job.begins_at, job.go_on)
        events = self._events
        while events and events[0][0] <= seconds:
            self.now, _, what = heappop(events)
            what()
        self.now = seconds


@dataclass(slots=True)
class Counts:
    """What came of a job's requests."""

    requests: int = 0
    acknowledged: int = 0
    wasted: int = 0
    failed_by_dice: int = 0
    exhausted: int = 0
    refused: int = 0
    latencies: list[float] = field(default_factory=list)
    limits: list[tuple[float, int]] = field(default_factory=list)


class Job:
    """A saturated client behind one door."""

    def __init__(self, lab: Lab, door: Door, dice: Random) -> None:
        self.lab, self.door, self._dice = lab, door, dice
        self.begins_at = 0.0
        self.counts = Counts()
        self._retries: deque[_Batch] = deque()
        self._refused: deque[_Batch] = deque()
        self._open = 0
        self._flights: deque[_Flight] = deque()
        self._wakes_at = float("inf")
        self._limit_seen = -1

    def go_on(self) -> None:
        """Send what may be sent, and plan when to ask again."""
        door, now = self.door, self.lab.now
        if door.gave_up:
            return
        while True:
            wait = float("inf")
            if self._retries:
                wait = door.may_send(now, retry=True)
                if wait <= 0:
                    self._send(self._retries.popleft())
                    continue
            if not self._refused and self._open < 2 * door.limit + 8:
                self._open += 1
                self._refused.append(_Batch())
            if self._refused:
                retry = self._refused[0].failures > 0
                other = door.may_send(now, retry=retry)
                if other <= 0:
                    self._send(self._refused.popleft())
                    continue
                wait = min(wait, other)
            break
        if now + wait < self._wakes_at:
            self._wakes_at = now + wait
            self.lab.at(self._wakes_at, self._wake)

    def _wake(self) -> None:
        if self.lab.now >= self._wakes_at:
            self._wakes_at = float("inf")
            self.go_on()

    def _send(self, batch: _Batch) -> None:
        lab = self.lab
        self.counts.requests += 1
        flight = _Flight(self, batch, lab.now, self.door.counts)
        self._flights.append(flight)
        if len(self._flights) == 1:
            lab.at(lab.now + ANSWER_TIMEOUT_SECONDS, self._time_out)
        lab.server.arrive(lambda answer: self._answered(flight, answer))

    def _time_out(self) -> None:
        flights, now = self._flights, self.lab.now
        while flights and (flights[0].is_over or flights[0].sent_at + ANSWER_TIMEOUT_SECONDS <= now):
            flight = flights.popleft()
            if not flight.is_over:
                self._answered(flight, Answer(SampleKind.FAILED))
        if flights:
            self.lab.at(flights[0].sent_at + ANSWER_TIMEOUT_SECONDS, self._time_out)

    def _answered(self, flight: _Flight, answer: Answer) -> None:
        if flight.is_over:
            return
        flight.is_over = True
        now, counts, door = self.lab.now, self.counts, self.door
        if isinstance(door, Ours):
            door.quota.heed(answer, door.in_flight - 1)
        door.answered(now, flight.sent_at, answer.kind, answer.pause_seconds)
        if door.limit != self._limit_seen:
            self._limit_seen = door.limit
            counts.limits.append((now, door.limit))
        if answer.kind is SampleKind.SUCCESS:
            counts.acknowledged += 1
            counts.latencies.append(now - flight.sent_at)
            self._open -= 1
        elif answer.kind is SampleKind.REFUSED:
            counts.wasted += 1
            counts.refused += 1
            self._refuse(flight.batch, answer)
        else:
            counts.failed_by_dice += answer.by_dice
            counts.wasted += not answer.by_dice
            self._fail(flight)
        self.go_on()

    def _refuse(self, batch: _Batch, answer: Answer) -> None:
        if self.door.is_patient:
            self._refused.append(batch)
            return
        wait = answer.pause_seconds or self._dice.random() * FIRST_BACKOFF_SECONDS
        self.lab.at(self.lab.now + wait, lambda: self._ready(self._refused, batch))

    def _fail(self, flight: _Flight) -> None:
        batch = flight.batch
        batch.attempts += flight.counts
        batch.failures += 1
        if batch.attempts >= MOST_ATTEMPTS:
            self.counts.exhausted += 1
            self._open -= 1
            return
        bound = min(MOST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** max(0, batch.attempts - 1))
        self.lab.at(self.lab.now + self._dice.random() * bound, lambda: self._ready(self._retries, batch))

    def _ready(self, line: deque[_Batch], batch: _Batch) -> None:
        line.append(batch)
        self.go_on()


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to; see the module's docstring."""

    goodput: float
    waste: float
    p99_seconds: float
    exhausted: int
    requests: int
    over_quota: int
    shares: tuple[int, ...]
    gave_up: bool
    limits: tuple[tuple[float, int], ...]


def play(
    server: Server, doors: list[Door], seconds: float, seed: int, *, late_seconds: float = 0.0, shares_from: float = 0.0
) -> Result:
    """Run the jobs behind *doors* at *server* for *seconds*; every job but the first begins *late_seconds* late.

    Shares count from *shares_from* on.
    """
    lab = Lab(server, doors, seed)
    for job in lab.jobs[1:]:
        job.begins_at = late_seconds
    before = [0] * len(doors)
    lab.at(shares_from, lambda: before.__setitem__(slice(None), [job.counts.acknowledged for job in lab.jobs]))
    lab.run(seconds)
    counts = [job.counts for job in lab.jobs]
    requests = sum(one.requests for one in counts)
    latencies = sorted(one for some in counts for one in some.latencies)
    ideal = server.ideal(seconds)
    return Result(
        goodput=sum(one.acknowledged for one in counts) / ideal if ideal else 1.0,
        waste=sum(one.wasted for one in counts) / max(1, requests),
        p99_seconds=latencies[int(0.99 * len(latencies))] if latencies else float("nan"),
        exhausted=sum(one.exhausted for one in counts),
        requests=requests,
        over_quota=lab.server.over_quota,
        shares=tuple(one.acknowledged - early for one, early in zip(counts, before, strict=True)),
        gave_up=any(job.door.gave_up for job in lab.jobs),
        limits=tuple(counts[0].limits),
    )
