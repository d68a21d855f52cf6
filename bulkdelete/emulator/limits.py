"""Requests per minute, hour and day, counted for each key in fixed windows of the wall clock.

A window begins at a full minute, hour or day (UTC). A request counts when it is let through, whatever becomes of it
then; one that is refused here counts nowhere, and meets no fault.
"""

from __future__ import annotations

import math
from email.utils import formatdate
from typing import TYPE_CHECKING, Final, NamedTuple

from bulkdelete.emulator.answers import MINUTE_LIMIT, TOO_MANY_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bulkdelete.emulator.switches import Switches

_MINUTE_SECONDS: Final = 60
_HOUR_SECONDS: Final = 3_600
_DAY_SECONDS: Final = 86_400


class Passage(NamedTuple):
    """Whether a request may pass: ``refused`` is the answer of a limit reached; ``headers`` tell of the limits."""

    refused: int | str | None = None
    headers: Mapping[str, str] = {}


class Limits:
    """The counts; *clock* gives the Unix time in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counts: dict[tuple[str, int], tuple[int, int]] = {}

    def take(self, key: str, switches: Switches) -> Passage:
        """Count a request with *key*, or refuse it."""
        now = self._clock()
        quotas = [self._quota(key, seconds, limit, now) for seconds, limit in _limits(switches)]
        if not quotas:
            return Passage()
        reached = [quota for quota in quotas if quota.remaining == 0]
        if reached:
            last = max(reached, key=lambda quota: quota.resets_at)
            return Passage(last.answer(), _refusal_headers(last, switches, now) | _headers(last, switches, now))
        for quota in quotas:
            self._count(key, quota, now)
        scarcest = min(quotas, key=lambda quota: quota.remaining)
        return Passage(None, _headers(scarcest._replace(remaining=scarcest.remaining - 1), switches, now))

    def _quota(self, key: str, window_seconds: int, limit: int, now: float) -> _Quota:
        window = now // window_seconds
        counted_in, taken = self._counts.get((key, window_seconds), (window, 0))
        left = limit - taken if counted_in == window else limit
        return _Quota(limit, max(left, 0), window_seconds, int(window + 1) * window_seconds)

    def _count(self, key: str, quota: _Quota, now: float) -> None:
        window = int(now // quota.window_seconds)
        counted_in, taken = self._counts.get((key, quota.window_seconds), (window, 0))
        self._counts[key, quota.window_seconds] = (window, taken + 1 if counted_in == window else 1)


class _Quota(NamedTuple):
    """What one limit leaves to one key until ``resets_at``, a Unix time in seconds."""

    limit: int
    remaining: int
    window_seconds: int
    resets_at: int

    def answer(self) -> int | str:
        return MINUTE_LIMIT if self.window_seconds == _MINUTE_SECONDS else TOO_MANY_REQUESTS


def _limits(switches: Switches) -> list[tuple[int, int]]:
    limits = {
        _MINUTE_SECONDS: switches.requests_per_minute,
        _HOUR_SECONDS: switches.requests_per_hour,
        _DAY_SECONDS: switches.requests_per_day,
    }
    return [(seconds, limit) for seconds, limit in limits.items() if limit is not None]


def _headers(quota: _Quota, switches: Switches, now: float) -> dict[str, str]:
    if not switches.rate_limit_headers:
        return {}
    return {
        "Date": formatdate(now, usegmt=True),
        "X-RateLimit-Limit": str(quota.limit),
        "X-RateLimit-Remaining": str(quota.remaining),
        "X-RateLimit-Reset": str(quota.resets_at * (1000 if switches.reset_unit == "milliseconds" else 1)),
    }


def _refusal_headers(quota: _Quota, switches: Switches, now: float) -> dict[str, str]:
    if switches.retry_after == "none":
        return {}
    seconds = str(math.ceil(quota.resets_at - now))
    date = formatdate(quota.resets_at, usegmt=True)
    return {
        "Date": formatdate(now, usegmt=True),
        "Retry-After": date if switches.retry_after == "date" else seconds,
    }
