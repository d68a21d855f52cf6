"""Does the engine keep every permit busy, whatever the server's latency is, and however it scatters?

The real command with a fixed number of permits, once the warm-up is over. Expected is permits / latency; the latency is
the one that the server kept, from the kernel's receipt of a request's last byte to its answer, its own lateness
included. Heavy-tailed latencies are lognormal, and have the same mean: one in a hundred is six times as long. As rate x
latency is how many requests the server has at a time (J. D. C. Little, 1961), the share is counted as that number, on
average, divided by the permits: a window's first and last requests count in part, and no luck with a few long ones
plays a part. First comes the engine's ceiling, at a server that answers at once; what would take more than half of it
is not measured. Where latencies are short, what stands beside is how busy bare aiohttp keeps as many connections, which
posts one ready body again and again: from an answer to the next request it also takes some of a millisecond.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import write_ids
from benchmarks.results import Measured
from benchmarks.slow_server import Manner
from benchmarks.watching import watched, watched_client

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.results import Case
    from benchmarks.suite import Size
    from benchmarks.watching import Watched

ACROSS = "permits"
LATENCIES_MS = 20, 50, 200, 1000
SHAPES = "fixed", "heavy-tailed"
PERMITS = 1, 4, 16, 64, 256
CEILING_PERMITS = 64
MOST_OF_THE_CEILING = 0.5
SHORT_MS = 50
"""Up to this, bare aiohttp is measured too, at fixed latencies."""
ROWS = 16_000_000
"""More than any run sends: what is fastest is 4000 batches a second for 4 s."""
WARMING_SECONDS, WARMING_LATENCIES = 0.7, 1.0
"""Before anything counts: after its first batch, which goes alone, a job opens all its connections."""
FEWEST_SECONDS, FEWEST_LATENCIES = 2.0, 3.0
GOAL = "the goal is 97 %"


@dataclass(frozen=True)
class Turn:
    """One run: how many requests were at work on average, the answers a second, and the seconds that each took."""

    at_work: float
    rate: float
    latencies: list[float]


def measure(size: Size) -> Iterator[Measured]:
    """Give the ceiling, and then the share of permits / latency, the latency and the rate in each cell of the grid."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "ids.txt"
        write_ids(source, ROWS)
        ceilings = [_turn(source, Manner(0.0), CEILING_PERMITS, size).rate for _ in range(size.times)]
        most = MOST_OF_THE_CEILING * statistics.median(ceilings)
        cells = list(product(LATENCIES_MS, PERMITS))
        measured = [(latency_ms, permits) for latency_ms, permits in cells if permits / latency_ms * 1000 <= most]
        note = _told([cell for cell in cells if cell not in measured])
        yield Measured(_case(0, "fixed", CEILING_PERMITS), "ceiling", "batches/s", ceilings, note)
        for shape, (latency_ms, permits) in product(SHAPES, measured):
            manners = [Manner(latency_ms / 1000, shape, seed=seed) for seed in range(size.times)]
            turns = [_turn(source, manner, permits, size) for manner in manners]
            case = _case(latency_ms, shape, permits)
            yield from _told_of(case, turns, permits)
            if shape == "fixed" and latency_ms <= SHORT_MS:
                shares = [_bare_turn(manner, permits, size).at_work / permits * 100 for manner in manners]
                yield Measured(case, "share that bare aiohttp reaches", "%", shares)


def warming_seconds(manner: Manner) -> float:
    """Return how long after its first answer a run at a server of that *manner* counts."""
    return WARMING_SECONDS + WARMING_LATENCIES * manner.mean_seconds


def _told_of(case: Case, turns: Sequence[Turn], permits: int) -> Iterator[Measured]:
    yield Measured(case, "share of permits / latency", "%", [turn.at_work / permits * 100 for turn in turns], GOAL)
    kept = [statistics.fmean(turn.latencies) * 1000 for turn in turns if turn.latencies]
    yield Measured(case, "latency as kept", "ms", kept)
    yield Measured(case, "rate", "batches/s", [turn.rate for turn in turns])


def _case(latency_ms: int, shape: str, permits: int) -> Case:
    return {"latency_ms": latency_ms, "shape": shape, ACROSS: str(permits)}


def _told(cells: Sequence[tuple[int, int]]) -> str:
    """Say which *cells*, of latency and permits, are not measured."""
    told = ", ".join(f"{permits} permits at {latency_ms} ms" for latency_ms, permits in cells)
    return f"not measured, because permits / latency is above half of the ceiling: {told}" if told else ""


def _turn(source: Path, manner: Manner, permits: int, size: Size) -> Turn:
    with watched(source, manner, "--concurrency", str(permits)) as command:
        return _seen(command, manner, size)


def _bare_turn(manner: Manner, permits: int, size: Size) -> Turn:
    with watched_client(manner, lambda url: [sys.executable, "-m", "benchmarks.bare", url, str(permits)]) as client:
        return _seen(client, manner, size)


def _seen(client: Watched, manner: Manner, size: Size) -> Turn:
    counted = max(FEWEST_SECONDS, FEWEST_LATENCIES * manner.mean_seconds) * min(1.0, size.share)
    since = client.first_answer() + warming_seconds(manner)
    seen = client.between(since, since + counted)
    latencies = seen.latencies(since, seen.now)
    return Turn(seen.at_work(since, seen.now), len(latencies) / (seen.now - since), latencies)
