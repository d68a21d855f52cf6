"""What outlives the process: the quotas behind the door that steering knows, a pause, and how what was kept is read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.quotas import Moment, Quotas

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST_WAIT_SECONDS: Final = 0.001
"""A shorter one may be lost in the rounding of the clock, and be asked for again and again."""
LEAST_KEPT_SECONDS: Final = 1.0
"""What is kept tells the end of a pause no less exactly; a shorter pause is over before another process begins."""


class QuotaDoor:
    """The quotas as steering asks for them: by the event loop's time, with the wall clock read beside it."""

    def __init__(self, quotas: Quotas, wall_clock: Callable[[], float]) -> None:
        self.quotas = quotas
        self._wall_clock = wall_clock
        self.number = 0
        self._pause_ends = float("-inf")

    def moment(self, now: float) -> Moment:
        """Return *now*, of the loop, with the wall clock beside it."""
        return Moment(self._wall_clock(), now)

    def wait_seconds(self, now: float) -> float:
        """Return how long to wait before the next request; 0 means now."""
        return self.quotas.wait_seconds(self.moment(now))

    def spend(self, now: float) -> None:
        """Count one request that may leave now, whose number is ``number`` then."""
        self.number = self.quotas.spend(self.moment(now))

    def paused_for(self, seconds: float, now: float) -> None:
        """Take note that the server lets nobody send for *seconds* from *now* on."""
        self._pause_ends = now + seconds

    def snapshot(self, now: float, *, clean: bool) -> dict[str, Any]:
        """Return what a later process has to know; *clean*: nothing is spent after it."""
        left = self._pause_ends - now
        return self.quotas.snapshot(clean=clean, paused_until=self._wall_clock() + left if left > 0 else 0.0)

    def is_paused_beyond(self, snapshot: dict[str, Any], now: float) -> bool:
        """Return whether *snapshot* does not tell of a pause, or not of all of it, as the wall clock goes by now."""
        told = max((ends for _, ends, remaining, _ in snapshot["told"] if not remaining), default=0.0)
        return self._pause_ends - now > max(told - self._wall_clock(), 0.0) + LEAST_KEPT_SECONDS


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
