"""How long does the adaptive limit take to come to 90 % of the best fixed setting?

The real command with its default settings, from its first request on, and before it with fixed numbers of permits, at
servers with and without a capacity, beyond which requests wait in line. The rate is that of the server over the last
second, or two latencies where these are longer: requests at work, on average, divided by their mean latency, so that
luck with a few long ones plays no part. The bound is the larger of 20 round trips and 10 s.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.latency import ROWS, warming_seconds
from benchmarks.measuring import write_ids
from benchmarks.results import Case, Measured
from benchmarks.slow_server import Manner
from benchmarks.watching import watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.suite import Size

SERVERS = (50, "fixed", 0), (200, "heavy-tailed", 0), (200, "fixed", 24), (1000, "heavy-tailed", 24)
"""Latency in ms, its shape, and the capacity; 0 is none."""
PERMITS = 16, 32, 64
"""The fixed settings; the last is also the most that the adaptive limit may come to."""
ENOUGH = 0.9
BOUND_ROUND_TRIPS, BOUND_SECONDS = 20, 10.0
LOOKS_SECONDS = 0.1
PATIENCE = 2.0
"""So many times the bound is waited for; a run that takes longer counts as that long."""
GOAL = "the goal is 100 % at most"


def measure(size: Size) -> Iterator[Measured]:
    """Give the best fixed setting and its rate, and the time until 90 % of it, for each server."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "ids.txt"
        write_ids(source, ROWS)
        for latency_ms, shape, capacity in SERVERS[: size.of(len(SERVERS))]:
            manners = [Manner(latency_ms / 1000, shape, capacity, seed) for seed in range(size.times)]
            turns = [_turn(source, manner) for manner in manners]
            case: Case = {"latency_ms": latency_ms, "shape": shape, "capacity": capacity or "none"}
            bound = max(BOUND_SECONDS, BOUND_ROUND_TRIPS * latency_ms / 1000)
            rates = [at_work / latency_ms * 1000 for _, at_work, _ in turns]
            yield Measured(case, "best fixed setting", "permits", [permits for permits, _, _ in turns])
            yield Measured(case, "its rate", "batches/s", rates)
            yield Measured(case, "time to 90 % of it", "s", [seconds for _, _, seconds in turns])
            yield Measured(case, "share of the bound", "%", [seconds / bound * 100 for _, _, seconds in turns], GOAL)


def _turn(source: Path, manner: Manner) -> tuple[int, float, float]:
    """Return the best fixed setting, the requests at work with it, and the seconds until there are 90 % of them."""
    found = {permits: _fixed(source, manner, permits) for permits in PERMITS}
    best = max(found, key=found.__getitem__)
    return best, found[best], _seconds_until(source, manner, ENOUGH * found[best])


def _window_seconds(manner: Manner) -> float:
    return max(1.0, 2 * manner.mean_seconds)


def _fixed(source: Path, manner: Manner, permits: int) -> float:
    with watched(source, manner, "--concurrency", str(permits)) as command:
        since = command.first_answer() + warming_seconds(manner)
        seen = command.between(since, since + _window_seconds(manner))
    return seen.at_work(since, seen.now)


def _seconds_until(source: Path, manner: Manner, enough: float) -> float:
    """Return how long after its first request the adaptive limit has kept *enough* at work for a whole window."""
    window = _window_seconds(manner)
    longest = PATIENCE * max(BOUND_SECONDS, BOUND_ROUND_TRIPS * manner.mean_seconds)
    with watched(source, manner, "--concurrency", "adaptive") as command:
        first, at_work, now = command.first(), 0.0, 0.0
        while at_work < enough and now - first < longest:
            time.sleep(LOOKS_SECONDS)
            seen = command.look(time.time() - window - LOOKS_SECONDS)
            now = seen.now
            at_work = seen.at_work(now - window, now)
    return now - first
