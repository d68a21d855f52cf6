"""One pause for everybody: as long as the server asks for, or, where it does not say, short ones that grow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_PAUSE_SECONDS: Final = 0.1
MOST_PAUSE_SECONDS: Final = 60.0
SHARE_OF_STREAK: Final = 0.25
"""A pause of unknown length doubles, but is no longer than this share of the refusals so far."""
SPREAD: Final = 0.05
"""Nobody sends until up to so much of the pause after its end: clients do not come back together."""
MOST_SPREAD_SECONDS: Final = 30.0
"""What spreads clients after seconds would cost a far reset, of an hour or a day, minutes of it."""


class Gate:
    """Until when nobody sends. Times are seconds of one clock; *random* gives numbers in [0, 1)."""

    def __init__(self, *, random: Callable[[], float]) -> None:
        self._random = random
        self._until = self._began = -math.inf
        self._next_seconds = FIRST_PAUSE_SECONDS
        self.is_wary = False
        """Whether the server was down, or a pause of unknown length was too short: then one goes first."""
        self.refused_since: float | None = None
        """Since when nothing but refusals came back, idle time left out; ``None`` where something else came last."""

    def wait_seconds(self, now: float) -> float:
        """Return how long nobody sends, from *now* on; 0 without a pause."""
        return max(0.0, self._until - now)

    def hold(self, now: float, seconds: float, *, is_down: bool = False) -> None:
        """Let nobody send for *seconds*, as the server asks; *is_down*: it failed, and one goes first afterwards."""
        if is_down:
            self.is_wary = True
        elif self.refused_since is None:
            self.refused_since = now
        self._began = now
        self._until = max(self._until, self._end_of(now, seconds))

    def refused(self, now: float, sent_at: float) -> None:
        """Let nobody send for a while; an attempt from before the last pause, sent at *sent_at*, tells of that one."""
        if sent_at < self._began:
            return
        self.is_wary = self.refused_since is not None
        if self.refused_since is None:
            self.refused_since = now
        longest = max(FIRST_PAUSE_SECONDS, SHARE_OF_STREAK * (now - self.refused_since))
        seconds = min(self._next_seconds, longest, MOST_PAUSE_SECONDS)
        self._next_seconds = 2 * seconds
        self._began = now
        self._until = max(self._until, self._end_of(now, seconds))

    def was_idle(self, seconds: float) -> None:
        """Take note that for *seconds*, up to now, nobody wanted to send: nothing was refused meanwhile."""
        if self.refused_since is not None:
            self.refused_since += seconds

    def failed(self) -> None:
        """Take note that the server is down: what it refuses afterwards is another row of refusals."""
        self.refused_since = None

    def _end_of(self, now: float, seconds: float) -> float:
        return now + seconds + min(SPREAD * seconds, MOST_SPREAD_SECONDS) * self._random()

    def answered(self) -> None:
        """Take note of an answer that was no refusal."""
        self.refused_since = None
        self.is_wary = False
        self._next_seconds = FIRST_PAUSE_SECONDS
