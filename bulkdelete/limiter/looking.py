"""When to look at a server anew: at its latency without load, and at a level that was too much for it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

LOOKS_SECONDS: Final = (15.0, 60.0, 120.0)
"""The latency without load is measured anew soon, then later each time: when the time of day is a whole multiple of
these, each of which is one of those before it. So all jobs at one server look at the same moment, and none of them
takes the others' load for the server's own slowness. (BBR's flows come to probe in step for that reason: N. Cardwell
et al., "BBR: Congestion-Based Congestion Control", ACM Queue 2016.) Their clocks have to agree to a second for that."""
LOOK_LATENCIES: Final = 120.0
"""A look takes a latency or two, and must not come oftener than after so many."""
STEP: Final = 0.5
"""Growth in a second, on average, of whatever limit: with cuts in proportion, jobs come to share a server evenly."""
STEP_LATENCIES: Final = 2.0
"""Where so many latencies are longer than a second, the step is for that time: growth must see what it does."""
NEW_GROUND: Final = 1.1
"""So far beyond where it was cut last, nothing is known."""
REGAINING_REFUSED: Final = 25
REGAINING_SLOW: Final = 100
REGAINING: Final = 200
"""Answers before a level that was too much is tried again, so that trying it costs a few per cent at most: a refusal is
seen at once, slowness soon, and failures only when there are several."""
FEW: Final = 3.0
REGAINING_FEW: Final = 300
"""Below so low a limit one more is a lot, and trying a level that is too slow costs more."""


class Looks:
    """When the next look at the latency without load is due; *wall_clock* gives Unix seconds.

    ``at``: no look is due before. One that waits to be planned is planned when it is asked for.
    """

    __slots__ = ("_interval", "_planned_at", "_wall_clock", "at")

    def __init__(self, wall_clock: Callable[[], float], *, is_due: bool) -> None:
        self._wall_clock = wall_clock
        self._interval = 0
        self._planned_at = -math.inf if is_due else math.inf
        self.at = -math.inf

    def plan(self, now: float) -> None:
        """Plan the next one."""
        self._planned_at = now
        self._wait(now)

    def looked(self, now: float) -> None:
        """Plan the next one, later than the last."""
        self._interval = min(self._interval + 1, len(LOOKS_SECONDS) - 1)
        self.plan(now)

    def begin_anew(self, now: float) -> None:
        """Plan the first one of a server that has changed."""
        self._interval = 0
        self.plan(now)

    def is_due(self, now: float, latency_seconds: float) -> bool:
        """Whether it is time for one, now that :attr:`at` is over."""
        if self._planned_at == math.inf:
            self.plan(now)
        elif now - self._planned_at >= LOOK_LATENCIES * latency_seconds:
            return True
        else:
            self._wait(now)
        return False

    def _wait(self, now: float) -> None:
        seconds = LOOKS_SECONDS[self._interval]
        self.at = now + seconds - self._wall_clock() % seconds


class Ground:
    """What is known of the limits above: where it was too much, and when that may be tried again."""

    __slots__ = ("_answers", "_level", "_regaining", "top")

    def __init__(self, limit: float) -> None:
        self.top = limit
        self._level = math.inf
        self._regaining = 0
        self._answers = 0

    def lost(self, limit: float, regaining: int) -> None:
        """Note that *limit* was too much, and may be tried again after *regaining* answers."""
        self.top = limit
        self._level = math.floor(limit)
        self._regaining = regaining
        self._answers = 0

    def answered(self, answers: int) -> None:
        """Count *answers*."""
        self._answers += answers

    def forget(self) -> None:
        """Let every level be tried."""
        self._regaining = 0

    def grown(self, limit: float, seconds: float, latency_seconds: float) -> float:
        """Return *limit* a step higher after *seconds* in which all was well; not yet at a level that was too much."""
        wanted = limit + STEP * seconds / max(1.0, STEP_LATENCIES * latency_seconds)
        wanted = min(wanted, math.floor(limit) + 1)
        return wanted if self._answers >= self._regaining else max(limit, min(wanted, self._level - 0.01))

    def is_new(self, limit: float) -> bool:
        """Whether *limit* is so far beyond what was too much that nothing is known there."""
        return limit > NEW_GROUND * self.top
