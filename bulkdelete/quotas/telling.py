"""What the server says of its limits, answer by answer, and how many requests may leave on the strength of it."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from bulkdelete.quotas.lengths import Lengths
from bulkdelete.quotas.windows import FREE_MARGIN_SECONDS, WAIT_MARGIN_SECONDS

SKEW_SECONDS: Final = 1.0
"""How far our clock may be ahead of the server's where its answer has no ``Date``."""
MOST_PROMISES: Final = 8
"""Windows of the server that are told apart; more are laid together, at the cost of the more generous ones."""
_MOST_SILENT: Final = 64
_NEAR_RESETS_SECONDS: Final = 2.0
"""Resets that are no further apart may be one, which a server computes anew for each answer, or two short windows'."""
_EXPECTED_SECONDS: Final = 60.0
"""How long new windows are taken to hold what the last one held, while no answer tells of them."""
_ENOUGH_SILENT: Final = 3
"""So many answers of a new window without a word, one after the other, are no chance: the server is silent."""


class Told(NamedTuple):
    """What the headers of one answer say: *remaining* more requests until the reset.

    ``reset_unix_seconds`` is the server's own figure and tells its windows apart; ``reset_in_seconds`` is counted
    from when the answer came, by the answer's ``Date`` where it is ``dated``, else by our clock and a margin.
    """

    remaining: int
    limit: int | None
    reset_unix_seconds: float
    reset_in_seconds: float
    dated: bool


class Promise:
    """*remaining* requests until *ends* (monotonic seconds), less those that the server may count after it said so.

    Those are the requests in flight, and the ``silent`` ones: ended without a word on this window, and not before
    the request that brought the word was sent.
    """

    __slots__ = ("_silent", "dated", "ends", "known_at", "limit", "remaining", "reset", "silent", "silent_at")

    def __init__(self, told: Told, ends: float, known_at: int) -> None:
        self.reset = told.reset_unix_seconds
        self.remaining = told.remaining
        self.limit = told.limit
        self.dated = told.dated
        self.ends = ends
        self.known_at = known_at
        """The number of the last request sent when ``remaining`` was heard: any later one was counted after it."""
        self.silent = 0
        self.silent_at = float("-inf")
        """When the last silent one ended."""
        self._silent: deque[list[int]] = deque()

    def ended_silently(self, last: int, now: float, requests: int = 1) -> None:
        """Count *requests* that ended without a word on this window when request *last* was the last one sent."""
        self.silent += requests
        self.silent_at = now
        ends = self._silent
        if ends and (ends[-1][0] == last or len(ends) == _MOST_SILENT):
            ends[-1][0] = last
            ends[-1][1] += requests
        else:
            ends.append([last, requests])

    def heard(self, number: int, told: Told, ends: float, last: int) -> None:
        """Take what the answer to request *number* says of this window.

        The least that was heard is the latest, because a window only fills; but a request that was sent after it was
        heard knows better: the limit was raised.
        """
        self.ends = min(self.ends, ends) if told.dated and self.dated else max(self.ends, ends)
        self.dated = told.dated
        self.limit = told.limit
        if told.remaining > self.remaining and number <= self.known_at:
            return
        self.remaining = told.remaining
        self.known_at = last
        while self._silent and self._silent[0][0] < number:
            self.silent -= self._silent.popleft()[1]

    def take_in(self, other: Promise) -> None:
        """Become the stricter of both in everything."""
        if other.remaining - other.silent < self.remaining - self.silent:
            self.remaining, self.silent, self._silent = other.remaining, other.silent, other._silent
            self.silent_at = other.silent_at
        self.known_at = max(self.known_at, other.known_at)
        self.ends = max(self.ends, other.ends)


class Telling:
    """Everything the server said that still holds. Times are monotonic seconds; requests are numbered from 1."""

    def __init__(self) -> None:
        self._in_flight: dict[int, int] = {}
        self._last = 0
        self._ended = 0
        self._last_at_end = 0
        self.promises: list[Promise] = []
        self.lengths = Lengths()
        self._tells_early = False
        """Whether an answer said that something remains: the server does not only tell when it refuses."""
        self._expected: Promise | None = None
        self._expected_until = 0.0
        self._guessed_after = 0.0

    def restore(self, told: Told, ends: float) -> None:
        """Take what an earlier process was told, which ends at *ends*."""
        self._take_note(told)
        kept = Promise(told, ends, 0)
        for promise in self.promises:
            if promise.reset == kept.reset:
                promise.take_in(kept)
                return
        self.promises.append(kept)
        if len(self.promises) > MOST_PROMISES:
            self._lay_two_together()

    @property
    def in_flight(self) -> int:
        """Requests that were sent and did not end yet."""
        return len(self._in_flight)

    def left(self, promise: Promise) -> int:
        """Return how many more requests may certainly leave by *promise*."""
        return max(0, promise.remaining - promise.silent - len(self._in_flight))

    def sent(self) -> int:
        """Count one request that leaves; return its number."""
        self._last += 1
        self._in_flight[self._last] = self._ended
        return self._last

    def ended(self, number: int, told: Told | None, now: float, *, left: bool = True) -> None:
        """Note that request *number* was answered, with *told* in its headers, or given up; a second time is ignored.

        A *told* whose reset is over says nothing. A request that never *left* cannot have been counted.
        """
        ended_before = self._in_flight.pop(number, None)
        if ended_before is None or not left:
            return
        spoken = None
        if told is not None and told.reset_in_seconds > 0:
            spoken = self._heard(number, told, self._ended - ended_before, now)
        self._ended += 1
        self._last_at_end = self._last
        for promise in self.promises:
            if promise is not spoken:
                promise.ended_silently(self._last, now)
        expected = self._expected
        if expected is not None:
            expected.ended_silently(self._last, now)
            if spoken is not None and number > expected.known_at:
                self._expected = None

    def wait_seconds(self, now: float) -> float:
        """Return in how many seconds one more request may leave, should nothing be heard until then."""
        if not self.promises and self._expected is None:
            return 0.0
        self._forget(now)
        in_flight = len(self._in_flight)
        wait = 0.0
        for promise in (*self.promises, self._expected) if self._expected else self.promises:
            if promise.remaining - promise.silent <= in_flight:
                wait = max(wait, promise.ends + WAIT_MARGIN_SECONDS - now)
        return wait

    def last_leaves_seconds(self, requests: int, now: float) -> float:
        """Return in how many seconds, at least, the last of *requests* may leave; a length not known counts once."""
        seconds = 0.0
        for promise in self.promises:
            if promise.ends > now:
                seconds = max(seconds, self._until_last(requests, promise, promise.ends - now))
        if self._expected is not None and self.lengths.seconds(self._expected.limit) is not None:
            ends_seconds = 0.0 if self._tells_early else max(0.0, self._expected.ends - now)
            seconds = max(seconds, self._until_last(requests, self._expected, ends_seconds))
        return seconds

    def _until_last(self, requests: int, promise: Promise, ends_seconds: float) -> float:
        beyond = requests - self.left(promise)
        if beyond <= 0:
            return 0.0
        if not promise.limit:
            return ends_seconds
        return ends_seconds + (beyond - 1) // promise.limit * (self.lengths.seconds(promise.limit) or 0.0)

    def _take_note(self, told: Told) -> None:
        self._tells_early = self._tells_early or told.remaining > 0
        if told.limit:
            seconds = told.reset_in_seconds - (0.0 if told.dated else SKEW_SECONDS)
            self.lengths.heard(told.limit, told.reset_unix_seconds, seconds)

    def _heard(self, number: int, told: Told, ended_since: int, now: float) -> Promise:
        ends = now + told.reset_in_seconds
        self._take_note(told)
        for promise in self.promises:
            if promise.reset == told.reset_unix_seconds:
                promise.heard(number, told, ends, self._last)
                return promise
        promise = Promise(told, ends, self._last)
        if ended_since:
            promise.ended_silently(self._last_at_end, now, ended_since)
        self.promises.append(promise)
        if len(self.promises) > MOST_PROMISES:
            self._lay_two_together()
        return promise

    def _forget(self, now: float) -> None:
        """Drop the promises that ended; the window after one is taken to hold as much, until an answer tells."""
        over = now - FREE_MARGIN_SECONDS
        if self._expected is not None and self._expected.ends <= over:
            self._expected = self._next_expected(self._expected, over)
        ended = [promise for promise in self.promises if promise.ends <= over]
        if not ended:
            return
        self.promises = [promise for promise in self.promises if promise.ends > over]
        limited = [promise for promise in ended if promise.limit]
        if limited:
            self._expect(limited, now)

    def _expect(self, ended: list[Promise], now: float) -> None:
        """Guess at the window that follows, once for each reset: a very slow answer may tell of its end again.

        The server's reset was a little before our time of it, so what ended silently just now may count already.
        """
        limit = min(promise.limit or 0 for promise in ended)
        reset = max(promise.reset for promise in ended)
        if reset <= self._guessed_after:
            if self._expected is not None:
                self._expected.remaining = min(self._expected.remaining, limit)
            return
        is_near = reset <= self._guessed_after + _NEAR_RESETS_SECONDS
        self._guessed_after = reset
        self._expected_until = now + _EXPECTED_SECONDS
        seconds = self._window_seconds(limit)
        began = now if self._tells_early else max(promise.ends for promise in ended)
        ends = began + seconds * ((now - began) // seconds + 1)
        expected = Promise(Told(limit, limit, 0.0, seconds, dated=False), ends, self._last)
        silent = [promise.silent for promise in ended if promise.silent_at > now - _EXPECTED_SECONDS]
        if silent:
            expected.ended_silently(self._last, now, max(silent))
        if is_near and self._expected is not None:
            expected.take_in(self._expected)
        self._expected = expected

    def _window_seconds(self, limit: int | None) -> float:
        """Return for how long what one window of *limit* may hold is not exceeded, while no answer tells.

        Where the server tells early, the next answer knows better than any guess at when a second window begins.
        """
        seconds = None if self._tells_early else self.lengths.seconds(limit)
        return min(seconds or _EXPECTED_SECONDS, _EXPECTED_SECONDS)

    def _next_expected(self, expected: Promise, over: float) -> Promise | None:
        """Return what the window after *expected* is taken to hold, if its answers were silent; else it goes on."""
        seconds = self._window_seconds(expected.limit)
        ends = expected.ends + seconds * ((over - expected.ends) // seconds + 1)
        if ends > self._expected_until + WAIT_MARGIN_SECONDS:
            return None
        if self._tells_early or expected.silent < min(_ENOUGH_SILENT, expected.remaining):
            expected.ends = ends
            return expected
        return Promise(Told(expected.remaining, expected.limit, 0.0, seconds, dated=False), ends, self._last)

    def _lay_two_together(self) -> None:
        """Make one of the two promises that end nearest to each other."""
        promises = sorted(self.promises, key=lambda promise: promise.ends)
        at = min(range(1, len(promises)), key=lambda at: promises[at].ends - promises[at - 1].ends)
        promises[at].take_in(promises[at - 1])
        del promises[at - 1]
        self.promises = promises
