"""What outlives the process: the quotas behind the door that steering knows, and the reading of what was kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bulkdelete.quotas import Moment, Quotas

if TYPE_CHECKING:
    from collections.abc import Callable


class QuotaDoor:
    """The quotas as steering asks for them: by the event loop's time, with the wall clock read beside it."""

    def __init__(self, quotas: Quotas, wall_clock: Callable[[], float]) -> None:
        self.quotas = quotas
        self._wall_clock = wall_clock
        self.number = 0

    def moment(self, now: float) -> Moment:
        """Return *now*, of the loop, with the wall clock beside it."""
        return Moment(self._wall_clock(), now)

    def wait_seconds(self, now: float) -> float:
        """Return how long to wait before the next request; 0 means now."""
        return self.quotas.wait_seconds(self.moment(now))

    def spend(self, now: float) -> None:
        """Count one request that may leave now, whose number is ``number`` then."""
        self.number = self.quotas.spend(self.moment(now))


def loaded(snapshot: str) -> object:
    """Return what was kept as JSON; ``None`` where it cannot be read."""
    try:
        return json.loads(snapshot)
    except (ValueError, RecursionError):
        return None


def number(text: str | None) -> float | None:
    """Return the limit that was kept, if it is one."""
    try:
        return None if text is None else max(1.0, min(1024.0, float(text)))
    except ValueError:
        return None
