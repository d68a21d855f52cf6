"""A quota that the simulated API keeps, and tells of in the headers of its answers."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING

from bulkdelete.exchange import Reply

if TYPE_CHECKING:
    from tests.simulation.scenario import ToldQuota

BEYOND = Reply(429, {}, b"<html>Too Many Requests</html>")
KNOWN_FOR_SECONDS = 50.0
"""So long after an answer told of a window, the next one is taken to hold as much."""


class ServerQuota:
    """At most ``told.limit`` requests in each window of ``told.seconds``, which begin on the full; more are refused."""

    def __init__(self, told: ToldQuota) -> None:
        self.told = told
        self.heard_at: float | None = None
        """When an answer told the client of it last; ``None`` where this client heard of it from nobody."""
        self._ends = 0.0
        self._requests = 0

    def take(self, now: float) -> Place:
        """Count a request that arrives *now*."""
        if now >= self._ends:
            self._ends, self._requests = (now // self.told.seconds + 1) * self.told.seconds, 0
        self._requests += 1
        return Place(self, self.told.limit - self._requests, self._ends)


@dataclass(frozen=True)
class Place:
    """One request's place in its window: so many *remaining* after it, fewer than none where it is refused."""

    quota: ServerQuota
    remaining: int
    ends: float

    @property
    def is_beyond(self) -> bool:
        return self.remaining < 0

    def was_known(self, began: float) -> bool:
        """Whether whoever asked to send it, when it *began*, had been told before."""
        heard_at = self.quota.heard_at
        return heard_at is not None and heard_at < began <= heard_at + KNOWN_FOR_SECONDS

    def told_with(self, said: Reply, now: float) -> Reply:
        """Return *said* with what is true of the quota."""
        if now < self.ends:  # of a window that is over an answer tells nothing
            self.quota.heard_at = now
        told = {
            "X-RateLimit-Limit": str(self.quota.told.limit),
            "X-RateLimit-Remaining": str(max(0, self.remaining)),
            "X-RateLimit-Reset": str(int(self.ends)),
        }
        if self.quota.told.dated:
            told["Date"] = formatdate(now, usegmt=True)
        return said._replace(headers={**said.headers, **told})
