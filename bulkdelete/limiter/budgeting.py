"""Retries are bought with first attempts and successes, so that they never become most of what a server gets."""

from __future__ import annotations

from typing import Final

A_FIRST_ATTEMPT: Final = 0.2
A_SUCCESS: Final = 0.5
A_SECOND: Final = 1.0
AT_FIRST: Final = 10.0
"""A short job has no time to earn its first retries."""
MOST: Final = 100.0


class RetryBudget:
    """Tokens, one for a retry; without one a retry waits in line and is never dropped. Times are seconds of one clock.

    Deposits are Finagle's (https://finagle.github.io/blog/2016/02/08/retry-budgets): a share of first attempts, and a
    minimum each second. A success pays too, as in gRPC's retry throttling (gRFC A6): where a third of all answers
    fails for reasons of its own, a fifth of first attempts does not buy the retries, though they harm nobody.
    """

    def __init__(self) -> None:
        self._tokens = AT_FIRST
        self._as_of: float | None = None

    def wait_seconds(self, now: float) -> float:
        """Return how long to wait for a token at the least; 0 where there is one."""
        self._flow(now)
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) / A_SECOND

    def spend(self) -> None:
        """Pay for a retry."""
        self._tokens -= 1

    def first_attempt(self) -> None:
        """Deposit for a first attempt."""
        self._tokens = min(MOST, self._tokens + A_FIRST_ATTEMPT)

    def success(self) -> None:
        """Deposit for a success."""
        self._tokens = min(MOST, self._tokens + A_SUCCESS)

    def _flow(self, now: float) -> None:
        if self._as_of is not None and now > self._as_of:
            self._tokens = min(MOST, self._tokens + A_SECOND * (now - self._as_of))
        self._as_of = now
