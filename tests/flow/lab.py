"""A client and a server in virtual time: what the product's decisions come to, in milliseconds for minutes.

The client is saturated: there is always another batch, and ``2 * limit + 8`` of them are open at once, in flight,
waiting to be sent or waiting out a backoff. It does as the product does. A failed attempt (50000, no answer within
10 s) is made again after a random wait of up to 0.5 s, doubling to 30 s (full jitter), and 8 attempts use a batch up;
such batches are driven again once at the end, when nothing new is sent. A refusal (429) is no attempt, nor is what is
sent while the breaker is open. Attempts are admitted by a door: :class:`~bulkdelete.limiter.steering.Steering` itself,
or, in the benchmark, a rival. What its own limit makes a client wait for is not on the wire, and is no latency.

* **ideal**: the batches that a client who knows the server's every parameter and change beforehand has acknowledged
  at the end, from the first second on: the best number in flight (at most 64) at every moment, nothing in an outage,
  and what a bucket or window lets through. No time for finding anything out is taken off it.
* **goodput**: batches acknowledged at the end, as a share of the ideal.
* **waste**: the share of all requests that was in vain: refused, failed or unanswered, save those that the server's
  dice let fail whatever it is asked (``error_share``).
* **set aside**: batches that used up their attempts; where 30 % fail by chance, 0.3^8 = 66 of a million must.
* **exhausted**: those of them that used them up again when driven again.
"""

from __future__ import annotations

from collections import deque
from copy import copy
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import TYPE_CHECKING, Final

from bulkdelete.limiter.gauging import SampleKind
from tests.flow.doors import Door, Ours
from tests.flow.servers import Answer, Running, Server

if TYPE_CHECKING:
    from collections.abc import Callable

ANSWER_TIMEOUT_SECONDS: Final = 10.0
MOST_ATTEMPTS: Final = 8
FIRST_BACKOFF_SECONDS: Final = 0.5
MOST_BACKOFF_SECONDS: Final = 30.0
SETTLING_SECONDS: Final = 300.0
"""How long the batches that are open at the end may take, and then those that were set aside."""


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
        self._set_aside: list[_Batch] = []
        self.takes_new = True

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
            if self.takes_new and not self._refused and self._open < 2 * door.limit + 8:
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

    def drive_again(self) -> None:
        """Try again what was set aside so far."""
        again, self._set_aside = self._set_aside, []
        for batch in again:
            batch.attempts = 0
        self._open += len(again)
        self._retries.extend(again)
        self.go_on()

    @property
    def left(self) -> int:
        """How many batches have used up their attempts."""
        return len(self._set_aside)

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
            self._open -= 1
            self._set_aside.append(batch)
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
    set_aside: int
    exhausted: int
    requests: int
    over_quota: int
    shares: tuple[int, ...]
    gave_up: bool
    limits: tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True)
class Late:
    """Every job but the first begins so many *seconds* late, and shares count from *shares_from* on."""

    seconds: float = 0.0
    shares_from: float = 0.0


ON_TIME: Final = Late()


def play(server: Server, doors: list[Door], seconds: float, seed: int, late: Late = ON_TIME) -> Result:
    """Run the jobs behind *doors* at *server* for *seconds*, and what was set aside for as long as it takes."""
    lab = Lab(server, doors, seed)
    for job in lab.jobs[1:]:
        job.begins_at = late.seconds
    before = [0] * len(doors)
    lab.at(late.shares_from, lambda: before.__setitem__(slice(None), [job.counts.acknowledged for job in lab.jobs]))
    for job in lab.jobs:
        lab.at(job.begins_at, job.go_on)
    lab.run(seconds)
    counts = [copy(job.counts) for job in lab.jobs]
    requests = sum(one.requests for one in counts)
    latencies = sorted(one for some in counts for one in some.latencies)
    ideal = server.ideal(seconds)
    for job in lab.jobs:
        job.takes_new = False
    lab.run(seconds + SETTLING_SECONDS)
    set_aside = sum(job.left for job in lab.jobs)
    for job in lab.jobs:
        job.drive_again()
    lab.run(seconds + 2 * SETTLING_SECONDS)
    return Result(
        goodput=sum(one.acknowledged for one in counts) / ideal if ideal else 1.0,
        waste=sum(one.wasted for one in counts) / max(1, requests),
        p99_seconds=latencies[int(0.99 * len(latencies))] if latencies else float("nan"),
        set_aside=set_aside,
        exhausted=sum(job.left for job in lab.jobs),
        requests=requests,
        over_quota=lab.server.over_quota,
        shares=tuple(one.acknowledged - early for one, early in zip(counts, before, strict=True)),
        gave_up=any(job.door.gave_up for job in lab.jobs),
        limits=tuple(counts[0].limits),
    )
