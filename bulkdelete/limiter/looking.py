"""When to look at a server anew: at its latency without load, and at a level that was too much for it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_LOOK_SECONDS: Final = 15.0
LOOK_SECONDS: Final = 600.0
"""When the latency without load is measured anew: soon, then after thrice as long each time, up to this."""
LOOK_LATENCIES: Final = 120.0
"""A look takes a latency or two, and must not come oftener than after so many."""
STEP: Final = 0.5
"""Growth in a second, on average, of whatever limit: with cuts in proportion, jobs come to share a server evenly."""
STEP_LATENCIES: Final = 2.0
"""Where so many latencies are longer than a second, the step is for that time: growth must see what it does."""
NEW_GROUND: Final = 1.1
"""So far beyond where it was cut last, nothing is known."""
REGAINING_REFUSED: Final = 50
REGAINING: Final = 200
"""Answers before a level that was too much is tried again, so that trying it costs a few per cent at most: a refusal is
seen at once, and failures only when there are several."""


class Looks:
    """When the next look at the latency without load is due. *random* gives numbers in [0, 1)."""

    __slots__ = ("_interval_seconds", "_planned_at", "_random", "_spread")

    def __init__(self, random: Callable[[], float], *, is_due: bool) -> None:
        self._interval_seconds = FIRST_LOOK_SECONDS
        self._random = random
        self._spread = 1.0
        self._planned_at = -math.inf if is_due else math.inf

    def plan(self, now: float) -> None:
        """Plan the next one; not in step with other clients'."""
        self._planned_at = now
        self._spread = 0.75 + 0.5 * self._random()

    def looked(self, now: float) -> None:
        """Plan the next one, later than the last."""
        self._interval_seconds = min(3 * self._interval_seconds, LOOK_SECONDS)
        self.plan(now)

    def begin_anew(self, now: float) -> None:
        """Plan the first one of a server that has changed."""
        self._interval_seconds = FIRST_LOOK_SECONDS
        self.plan(now)

    def is_due(self, now: float, latency_seconds: float) -> bool:
        """Whether it is time for one."""
        if self._planned_at == math.inf:
            self.plan(now)
        return now - self._planned_at >= self._spread * max(self._interval_seconds, LOOK_LATENCIES * latency_seconds)


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
