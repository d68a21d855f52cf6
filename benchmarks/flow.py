"""Does adaptive concurrency find what a server takes, whatever the server is, and does it do so better than others?

Virtual time: the servers of ``tests/flow/scenarios`` for one job, under the product's decisions and under what is
published of others, all driven by the same saturated client. What ideal, goodput and waste are stands in
``tests/flow/lab.py``. Nothing is left behind but the figures.
"""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from benchmarks import figures
from benchmarks.rivals import AwsAdaptive, Gradient2, NetflixAimd, Rival, VectorArc
from tests.flow.doors import Ours
from tests.flow.lab import play
from tests.flow.scenarios import every

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flow.doors import Door
    from tests.flow.lab import Result
    from tests.flow.scenarios import Scenario

FIGURES = Path(__file__).with_name("figures")
SEED = 0
OURS = "bulkdelete"
DOORS: dict[str, Callable[[], Door]] = {
    OURS: lambda: Ours(Random(f"{SEED} door 0")),  # noqa: S311 - dice of a simulation
    "fixed 8": lambda: Rival(8),
    "fixed 32": lambda: Rival(32),
    "fixed 128": lambda: Rival(128),
    "Netflix AIMD": NetflixAimd,
    "Gradient2": Gradient2,
    "Vector ARC": VectorArc,
    "AWS adaptive": AwsAdaptive,
}
PLOTTED = (OURS, "Netflix AIMD", "Gradient2", "Vector ARC")
PLOTS = ("thrash_square", "changes_queue", "errors_10", "two_hours_thrash")


def main() -> None:
    """Print the table, and draw the limits over time at four of the servers."""
    scenarios = [one for one in every() if one.jobs == 1 and not one.expect.gave_up]
    print("goodput, as a share of the ideal · wasted requests, % · p99 latency of successes, s\n")
    print(f"| server | {' | '.join(DOORS)} |")
    print(f"| --- |{' --- |' * len(DOORS)}")
    columns: dict[str, list[Result]] = {name: [] for name in DOORS}
    for scenario in scenarios:
        results = {name: play(scenario.server, [door()], scenario.seconds, SEED) for name, door in DOORS.items()}
        for name, result in results.items():
            columns[name].append(result)
        print(f"| {scenario.name} | {' | '.join(map(_cell, results.values()))} |", flush=True)
        if scenario.name in PLOTS:
            _draw(scenario, results)
    for name, of in (("mean", statistics.fmean), ("worst", min)):
        print(
            f"| **{name} goodput** | {' | '.join(f'**{of([r.goodput for r in c]):.2f}**' for c in columns.values())} |"
        )
    for name, of in (("mean", statistics.fmean), ("worst", max)):
        print(f"| **{name} waste** | {' | '.join(f'{of([r.waste for r in c]):.0%}' for c in columns.values())} |")
    print(f"| batches set aside | {' | '.join(str(sum(r.set_aside for r in c)) for c in columns.values())} |")


def _cell(result: Result) -> str:
    p99 = "none" if math.isnan(result.p99_seconds) else f"{result.p99_seconds:.1f}"
    return f"{result.goodput:.2f} · {result.waste * 100:.0f} · {p99}"


def _draw(scenario: Scenario, results: dict[str, Result]) -> None:
    lines: dict[str, list[tuple[float, float]]] = {"best number": _best(scenario)}
    lines |= {name: [(time, float(limit)) for time, limit in results[name].limits] for name in PLOTTED}
    FIGURES.mkdir(exist_ok=True)
    title = f"{scenario.name}: attempts in flight that are allowed"
    (FIGURES / f"{scenario.name}.svg").write_text(figures.steps(title, lines, scenario.seconds, 100.0))


def _best(scenario: Scenario) -> list[tuple[float, float]]:
    server = scenario.server
    share = (server.exponent - 1) ** (-1 / server.exponent) if server.beyond == "thrash" else 1.0
    changes = [(change.at, change.capacity) for change in server.changes if change.capacity is not None]
    return [(time, share * capacity) for time, capacity in [(0.0, server.capacity), *changes]]
