"""One limit of our own: so many requests in any window of one length, wherever the window begins."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
"""The length of each window in seconds."""
UNLIMITED: Final = 2**63
BEYOND_EVERY_LIMIT: Final = 10**12
"""So many requests use any limit up."""
SUB_WINDOWS: Final = 128
"""A window is counted in so many parts, which costs at most 1/128 of its length."""
JITTER_SECONDS: Final = 0.009
"""How much longer than its window a request counts: two on one wire do not take equally long."""
WAIT_MARGIN_SECONDS: Final = 0.001
FREE_MARGIN_SECONDS: Final = 0.0005
"""Less than the margin of a wait, so that whoever waited is let through whatever the floats are rounded to."""


class Moment(NamedTuple):
    """One instant on two clocks, both in seconds; reading both at once is the caller's part.

    ``monotonic`` measures every window while the process lives, so no step of the wall clock can shorten one;
    ``unix`` only carries what was spent over to the next process.
    """

    unix: float
    monotonic: float


class Window:
    """What was spent in the last *seconds*, of at most *limit* requests. Times are monotonic seconds.

    Requests are counted in parts of 1/128 of the window, each as if all its requests had left with its last one:
    a request may count for 1/128 of the window (and 10 ms) too long, and never for too short.
    """

    __slots__ = ("_counts_seconds", "_parts", "_parts_until", "limit", "seconds", "spent")

    def __init__(self, seconds: int, limit: int) -> None:
        self.seconds = seconds
        self._counts_seconds = seconds + JITTER_SECONDS
        self.limit = limit
        self.spent = 0
        """Requests that count now; those whose time is over may still be among them."""
        self._parts: deque[list[float]] = deque()
        self._parts_until = float("-inf")

    def add(self, at: float, offset: float, requests: int = 1) -> None:
        """Count *requests* that leave at *at*, not before those added last; *offset* leads from it to Unix time.

        Parts lie on a grid of Unix time, so that many restarts cannot push them together further and further.
        """
        self.spent += requests
        if at < self._parts_until:
            part = self._parts[-1]
            part[0] = at
            part[1] += requests
            return
        self.forget(at)
        width = self.seconds / SUB_WINDOWS
        self._parts_until = ((at + offset) // width + 1) * width - offset
        self._parts.append([at, requests])

    def take_in(self, parts: Iterable[tuple[float, int]], offset: float) -> None:
        """Count *parts* too, that left before now: each as the time of its last request and its requests."""
        together = sorted([*((at, int(requests)) for at, requests in self._parts), *parts])
        self._parts.clear()
        self._parts_until = float("-inf")
        self.spent = 0
        for at, requests in together:
            self.add(at, offset, requests)

    def take_back(self, at: float, requests: int, now: float) -> None:
        """Count *requests* no more that were taken in at *at*, as far as they still count."""
        if at + self._counts_seconds <= now:
            return
        for part in self._parts:
            if part[0] >= at and requests > 0:
                taken = min(requests, int(part[1]))
                part[1] -= taken
                self.spent -= taken
                requests -= taken
        self._parts = deque(part for part in self._parts if part[1])
        self._parts_until = float("-inf")

    def forget(self, now: float) -> None:
        """Stop counting what left longer ago than the window is long."""
        parts = self._parts
        since = now - self._counts_seconds - FREE_MARGIN_SECONDS
        while parts and parts[0][0] <= since:
            self.spent -= int(parts.popleft()[1])
        if not parts:
            self._parts_until = float("-inf")

    def wait_seconds(self, now: float, leaving: int) -> float:
        """Return in how many seconds one more request may leave, beside those that are *leaving* and not added yet."""
        self.forget(now)
        too_many = self.spent + leaving - self.limit + 1
        for at, requests in self._parts:
            if too_many <= 0:
                break
            too_many -= int(requests)
            if too_many <= 0:
                return at + self._counts_seconds + WAIT_MARGIN_SECONDS - now
        return self._counts_seconds + WAIT_MARGIN_SECONDS if too_many > 0 else 0.0

    def parts(self, now: float) -> Iterator[tuple[float, int]]:
        """Give the parts that count now, each as its last request's time and its requests, in order."""
        self.forget(now)
        for at, requests in self._parts:
            yield at, int(requests)
