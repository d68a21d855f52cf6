"""How long so many requests take: at a quota, and at the rate that permits and latency allow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
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
        return 0.0 if requests <= self.requests else requests / self.requests * _SECONDS[self.unit]


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
