"""Servers to steer at: what they can do, what they do beyond it, and what the best of clients would get from them."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

from bulkdelete.limiter.gauging import SampleKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

REFUSAL_SECONDS = 0.02
"""How long a server takes to say no."""


@dataclass(frozen=True, slots=True)
class Change:
    """From *at* seconds on, another capacity, service times so many times as long, or another share of errors."""

    at: float
    capacity: int | None = None
    latency_factor: float | None = None
    error_share: float | None = None


@dataclass(frozen=True, slots=True)
class Outage:
    """From *begins* to *ends* nothing succeeds: 50000 is answered, or nothing at all."""

    begins: float
    ends: float
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Bucket:
    """Tokens for requests, *rate* a second and at most *burst*; without one, 429."""

    rate: float
    burst: int
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """So many *requests* in each full window; then 429. ``headers``: Limit, Remaining and Reset on every answer."""

    requests: int
    seconds: float
    headers: bool = False
    retry_after: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """The parameters of a server. Times are seconds.

    *capacity* requests are served at once, each for *latency_seconds*, lognormal with coefficient of variation *cv*, or
    *slow_factor* times that for a *slow_share* of them. Beyond the capacity they wait in line (``queue``), are refused
    (``cliff``, with 429 or 50000), or make everything slower (``thrash``: n of them share the server and each runs at
    1 / (1 + (n / capacity)^exponent) of full speed, as in the emulator). What the client gave up is served anyway.
    """

    capacity: int = 32
    latency_seconds: float = 0.2
    cv: float = 0.1
    slow_share: float = 0.0
    slow_factor: float = 1.0
    beyond: str = "queue"
    exponent: float = 2.0
    cliff_answer: str = "429"
    error_share: float = 0.0
    bucket: Bucket | None = None
    window: Window | None = None
    changes: tuple[Change, ...] = ()
    outages: tuple[Outage, ...] = ()

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> Server:
        """Build it from a scenario's table."""
        values = dict(values)
        if "bucket" in values:
            values["bucket"] = Bucket(**values["bucket"])
        if "window" in values:
            values["window"] = Window(**values["window"])
        values["changes"] = tuple(Change(**one) for one in values.get("changes", ()))
        values["outages"] = tuple(Outage(**one) for one in values.get("outages", ()))
        return cls(**values)

    def best_rate(self, capacity: int, latency_factor: float, most_in_flight: int) -> float:
        """Return the answers a second that the best number in flight gets, without outages and limits."""
        seconds = self.latency_seconds * latency_factor * (1 + self.slow_share * (self.slow_factor - 1))
        numbers = range(1, most_in_flight + 1)
        if self.beyond == "thrash":
            busy = max(float(n / (1 + (n / capacity) ** self.exponent)) for n in numbers)
        else:
            busy = float(min(capacity, most_in_flight))
        return busy / seconds

    def ideal(self, seconds: float, most_in_flight: int = 64) -> float:
        """Return the batches that a client who knows everything has acknowledged after *seconds*."""
        edges = {0.0, seconds}
        edges |= {change.at for change in self.changes}
        edges |= {edge for outage in self.outages for edge in (outage.begins, outage.ends)}
        if self.window is not None:
            edges |= {n * self.window.seconds for n in range(math.ceil(seconds / self.window.seconds))}
        times = sorted(edge for edge in edges if edge <= seconds)
        total, tokens, left = 0.0, float(self.bucket.burst if self.bucket else 0), math.inf
        capacity, factor, good = self.capacity, 1.0, 1 - self.error_share
        for begins, ends in pairwise(times):
            for change in self.changes:
                if change.at == begins:
                    capacity = capacity if change.capacity is None else change.capacity
                    factor = factor if change.latency_factor is None else change.latency_factor
                    good = good if change.error_share is None else 1 - change.error_share
            if self.window is not None and math.isclose(begins % self.window.seconds, 0, abs_tol=1e-6):
                left = self.window.requests
            if any(outage.begins <= begins < outage.ends for outage in self.outages):
                continue
            possible = self.best_rate(capacity, factor, most_in_flight) * (ends - begins)
            if self.bucket is not None:
                tokens += self.bucket.rate * (ends - begins)
                possible = min(possible, tokens)
                tokens = min(tokens - possible, self.bucket.burst)
            possible = min(possible, left)
            left -= possible
            total += good * possible
        return total


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request came to. ``by_dice``: it fails whatever the load is."""

    kind: SampleKind
    pause_seconds: float | None = None
    by_dice: bool = False
    remaining: int | None = None
    resets_at: float = 0.0


class Clock(Protocol):
    """Virtual time: what happens when."""

    now: float

    def at(self, time: float, what: Callable[[], None]) -> None:
        """Let *what* happen at *time*."""
        ...


@dataclass(slots=True)
class _Request:
    reply: Callable[[Answer], None]
    seconds: float
    remaining: int | None
    resets_at: float


class Running:
    """One server at work on a clock, with its own dice."""

    def __init__(self, server: Server, clock: Clock, dice: Random) -> None:
        self._server, self._clock, self._dice = server, clock, dice
        self._capacity, self._factor, self._error_share = server.capacity, 1.0, server.error_share
        self._sigma = math.sqrt(math.log(1 + server.cv**2))
        self._line: deque[_Request] = deque()
        self._served = 0
        self._sharing: list[tuple[float, int, _Request]] = []
        self._work_done = self._as_of = 0.0
        self._slowness = 1.0
        self._plan = 0
        self._numbers = 0
        self._tokens, self._tokens_as_of = float(server.bucket.burst if server.bucket else 0), 0.0
        self._window_number, self._window_used = -1, 0
        self.over_quota = 0
        for change in server.changes:
            clock.at(change.at, lambda change=change: self._change(change))  # type: ignore[misc]

    def arrive(self, reply: Callable[[Answer], None]) -> None:
        """Take a request; *reply* is called with its answer, unless there is none."""
        now, server = self._clock.now, self._server
        for outage in server.outages:
            if outage.begins <= now < outage.ends:
                if not outage.silent:
                    self._later(REFUSAL_SECONDS, reply, Answer(SampleKind.FAILED))
                return
        refusal, remaining, resets_at = self._over_limits(now)
        if refusal is not None:
            self._later(REFUSAL_SECONDS, reply, refusal)
            return
        if server.beyond == "cliff" and self._served >= self._capacity:
            kind = SampleKind.REFUSED if server.cliff_answer == "429" else SampleKind.FAILED
            self._later(REFUSAL_SECONDS, reply, Answer(kind))
            return
        seconds = server.latency_seconds * self._factor
        if self._sigma:
            seconds *= math.exp(self._dice.gauss(-(self._sigma**2) / 2, self._sigma))
        if server.slow_share and self._dice.random() < server.slow_share:
            seconds *= server.slow_factor
        request = _Request(reply, seconds, remaining, resets_at)
        if server.beyond == "thrash":
            self._share(request)
        elif self._served < self._capacity:
            self._serve(request)
        else:
            self._line.append(request)

    def _later(self, seconds: float, reply: Callable[[Answer], None], answer: Answer) -> None:
        self._clock.at(self._clock.now + seconds, lambda: reply(answer))

    def _over_limits(self, now: float) -> tuple[Answer | None, int | None, float]:
        bucket, window = self._server.bucket, self._server.window
        if bucket is not None:
            self._tokens = min(float(bucket.burst), self._tokens + bucket.rate * (now - self._tokens_as_of))
            self._tokens_as_of = now
            if self._tokens < 1:
                self.over_quota += 1
                return Answer(SampleKind.REFUSED, bucket.retry_after_seconds), None, 0.0
            self._tokens -= 1
        if window is None:
            return None, None, 0.0
        number = int(now // window.seconds)
        if number != self._window_number:
            self._window_number, self._window_used = number, 0
        resets_at = (number + 1) * window.seconds
        if self._window_used >= window.requests:
            self.over_quota += 1
            pause = resets_at - now if window.retry_after or window.headers else None
            remaining = 0 if window.headers else None
            return Answer(SampleKind.REFUSED, pause, remaining=remaining, resets_at=resets_at), None, 0.0
        self._window_used += 1
        return None, window.requests - self._window_used if window.headers else None, resets_at

    def _change(self, change: Change) -> None:
        if change.capacity is not None:
            self._capacity = change.capacity
        if change.latency_factor is not None:
            self._factor = change.latency_factor
        if change.error_share is not None:
            self._error_share = change.error_share
        self._share(None)
        self._call_next()

    def _serve(self, request: _Request) -> None:
        self._served += 1
        self._clock.at(self._clock.now + request.seconds, lambda: self._served_one(request))

    def _served_one(self, request: _Request) -> None:
        self._served -= 1
        self._call_next()
        self._finish(request)

    def _call_next(self) -> None:
        while self._line and self._served < self._capacity:
            self._serve(self._line.popleft())

    def _finish(self, request: _Request) -> None:
        fails = self._error_share > 0 and self._dice.random() < self._error_share
        kind = SampleKind.FAILED if fails else SampleKind.SUCCESS
        request.reply(Answer(kind, None, fails, request.remaining, request.resets_at))

    def _share(self, request: _Request | None) -> None:
        """Take *request* among those that share the server; the clock of work done runs at their common speed."""
        if self._server.beyond != "thrash":
            return
        self._advance()
        if request is not None:
            self._numbers += 1
            heappush(self._sharing, (self._work_done + request.seconds, self._numbers, request))
        self._go_on()

    def _advance(self) -> None:
        now = self._clock.now
        self._work_done += (now - self._as_of) / self._slowness
        self._as_of = now

    def _go_on(self) -> None:
        self._slowness = 1 + (len(self._sharing) / self._capacity) ** self._server.exponent
        self._plan += 1
        if self._sharing:
            plan = self._plan
            wait = max(0.0, (self._sharing[0][0] - self._work_done) * self._slowness)
            self._clock.at(self._clock.now + wait, lambda: self._shared_one(plan))

    def _shared_one(self, plan: int) -> None:
        if plan != self._plan:
            return
        self._advance()
        _, _, request = heappop(self._sharing)
        self._go_on()
        self._finish(request)
