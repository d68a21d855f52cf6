"""What was taken in of another process's quotas: what its snapshots say together, in whatever order they are read."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bulkdelete.quotas.windows import BEYOND_EVERY_LIMIT

if TYPE_CHECKING:
    from bulkdelete.quotas.snapshots import Kept


class Taken:
    """What was taken in of one process: *requests*, and those of which its snapshots say that they may have left."""

    __slots__ = ("_clean", "_unclean", "counted", "requests", "unknown")

    def __init__(self) -> None:
        self.requests = self.unknown = 0
        self.counted: list[tuple[float, int]] = []
        """When the unknown ones were counted, and how many."""
        self._clean = self._unclean = 0

    def hear(self, kept: Kept) -> None:
        """Take note of *kept*, one of the process's snapshots.

        Without limits each ledger answers for its own job alone, and no other's clean end says anything of it.
        """
        if kept.clean:
            self._clean = max(self._clean, kept.number)
        else:
            is_limited = (kept.allowance or 0) < BEYOND_EVERY_LIMIT
            self._unclean = max(self._unclean, kept.number if kept.number and is_limited else sys.maxsize)

    @property
    def is_all_known(self) -> bool:
        """Whether the last one was clean: it knew of all that left, and nothing does until a newer one is durable."""
        return self._unclean < self._clean


def latest(parts: list[tuple[float, int]], most: int) -> list[tuple[float, int]]:
    """Return the latest *most* requests of *parts*, which are in the order of time."""
    found: list[tuple[float, int]] = []
    for unix, requests in reversed(parts):
        if most <= 0:
            break
        found.append((unix, min(requests, most)))
        most -= requests
    return found
