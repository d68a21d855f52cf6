"""How long so many requests take: at a quota, and at the rate that permits and latency allow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bulkdelete.errors import SettingsError
from bulkdelete.quotas import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bulkdelete.quotas import Moment, Quotas

_QUOTA: Final = re.compile(r"(\d{1,12})/(second|minute|hour|day)")


@dataclass(frozen=True, slots=True)
class Quota:
    """So many *requests* in each *unit*: second, minute, hour or day."""

    requests: int
    unit: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.requests:,} requests a{'n' if self.unit == 'hour' else ''} {self.unit}"

    def seconds(self, requests: int) -> float:
        """Return how long *requests* take at this rate; those of one window need no waiting."""
        return 0.0 if requests <= self.requests else requests / self.requests * SECONDS[self.unit]


PLANS: Final = (Quota(1000, "hour", "Professional"), Quota(100, "day", "Free"))
"""The quotas of the vendor's plans that have one, as its documentation has them."""


def read_quota(text: str) -> Quota:
    """Return the quota that *text* says, such as ``1000/hour``; raise :class:`SettingsError` where it says none."""
    found = _QUOTA.fullmatch(text)
    if found is None or not int(found[1]):
        raise SettingsError(f"{text!r} is no quota: write it as 1000/hour, with second, minute, hour or day")
    return Quota(int(found[1]), found[2])


def forecast(requests: int, permits: int, latency_seconds: float, quotas: Iterable[Quota]) -> list[dict[str, Any]]:
    """Return how long *requests* take without a quota, which comes first, and at each of *quotas*; without retries."""
    unhindered = unhindered_seconds(requests, permits, latency_seconds)
    found: list[dict[str, Any]] = [{"quota": None, "name": "", "seconds": unhindered}]
    for quota in quotas:
        seconds = max(unhindered, quota.seconds(requests))
        found.append({"quota": f"{quota.requests}/{quota.unit}", "name": quota.name, "seconds": seconds})
    return found


def unhindered_seconds(requests: int, permits: int, latency_seconds: float) -> float:
    """Return how long *requests* take where only *permits* and the API's latency count."""
    return requests * latency_seconds / min(permits, max(1, requests))


def seconds_until_done(requests: int, limits: Mapping[str, int], spent: Quotas | None, now: Moment) -> float:
    """Return in how many seconds the last of *requests* may leave, were there nothing but quotas to wait for.

    *limits* are requests by "second", "minute", "hour" and "day"; *spent* is what counts in their windows by now (of a
    stored snapshot: ``Quotas.restored``), and what the server said last. Each quota is used up as early as it may be,
    which :class:`Quotas` does but for 1/128 of each window waited for. Exact with one limit, and with several while
    nothing is spent; else never too late, and too early by the time that a burst of the longer limit takes at the
    shorter ones' pace once something delayed it (1.5 % at 60 a minute and 1000 an hour). :meth:`Quota.seconds` spreads
    the same requests evenly: with nothing spent it is never earlier than this, and later by a window at the most.
    """
    if requests <= 0:
        return 0.0
    told_seconds = spent.told_seconds(requests, now) if spent else 0.0
    levels = sorted((SECONDS[unit], limit, unit) for unit, limit in limits.items())
    shorter: list[_Level] = []
    seconds = told_seconds
    for length, limit, unit in levels:
        level = _Level(length, limit)
        slots = _slots(limit, spent.releases(unit, now) if spent else ())
        seconds = max(seconds, _through(requests, level, slots, shorter))
        shorter.append(level)
    return seconds


class _Level(NamedTuple):
    seconds: int
    limit: int


def _slots(limit: int, releases: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """Return in how many seconds how many requests may leave by one limit: *limit* of them, then again each window."""
    free = limit - sum(requests for _, requests in releases)
    slots = [(0.0, free)] if free > 0 else []
    for seconds, requests in releases:
        more = min(requests, requests + free) if free < 0 else requests
        free = min(0, free + requests)
        if more > 0:
            slots.append((seconds, more))
    return slots


def _through(requests: int, level: _Level, slots: Sequence[tuple[float, int]], shorter: Sequence[_Level]) -> float:
    """Return when the last of *requests* is through *level*, each group of its slots paced by the *shorter* ones."""
    windows, left = divmod(requests - 1, level.limit)
    groups = []
    left += 1
    for seconds, free in slots:
        groups.append((seconds, min(free, left)))
        left -= free
        if left <= 0:
            break
    last, paced = 0.0, 0
    for seconds, free in reversed(groups):
        paced += free
        last = max(last, seconds + _paced(paced, shorter))
    return windows * level.seconds + last


def _paced(requests: int, levels: Sequence[_Level]) -> float:
    """Return when the last of *requests* leaves where nothing was spent; *levels* from the shortest to the longest."""
    if not levels:
        return 0.0
    *shorter, longest = levels
    windows, left = divmod(requests - 1, longest.limit)
    alone = _paced(left + 1, shorter) + windows * longest.seconds
    return max(alone, _paced(requests, shorter)) if windows else alone
