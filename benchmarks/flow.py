"""Does adaptive concurrency find what a server takes, whatever the server is, and does it do so better than others?

Virtual time: the servers of ``tests/flow/scenarios`` for one job, under the product's decisions and under what is
published of others, all driven by the same saturated client. What ideal, goodput and waste are stands in
``tests/flow/lab.py``. Nothing of it is measured by a clock: it is the same on each machine, and played once.
"""

from __future__ import annotations

import math
import statistics
from random import Random
from typing import TYPE_CHECKING

from benchmarks.results import Measured
from benchmarks.rivals import AwsAdaptive, Gradient2, NetflixAimd, Rival, VectorArc
from tests.flow.doors import Ours
from tests.flow.lab import play
from tests.flow.scenarios import every

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.suite import Size
    from tests.flow.doors import Door
    from tests.flow.lab import Result
    from tests.flow.scenarios import Scenario

ACROSS = "door"
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


def measure(size: Size) -> Iterator[Measured]:
    """Give goodput, waste and latency of each at each server, and at four of them the limits over time."""
    scenarios = [one for one in every() if one.jobs == 1 and not one.expect.gave_up]
    columns: dict[str, list[Result]] = {name: [] for name in DOORS}
    for scenario in scenarios[: size.of(len(scenarios))]:
        if scenario.name in PLOTS:
            yield _limits(scenario, "best number", _best(scenario))
        for name, door in DOORS.items():
            result = play(scenario.server, [door()], scenario.seconds, SEED)
            columns[name].append(result)
            yield from _of_one(scenario, name, result)
    for name, results in columns.items():
        goodputs, wastes = [result.goodput for result in results], [result.waste * 100 for result in results]
        for server, goodput, waste in (
            ("mean", statistics.fmean(goodputs), statistics.fmean(wastes)),
            ("worst", min(goodputs), max(wastes)),
        ):
            yield Measured({"server": server, ACROSS: name}, "goodput", "of the ideal", [goodput])
            yield Measured({"server": server, ACROSS: name}, "wasted requests", "%", [waste])
        set_aside = float(sum(result.set_aside for result in results))
        yield Measured({"server": "all", ACROSS: name}, "batches set aside", "batches", [set_aside])


def _of_one(scenario: Scenario, name: str, result: Result) -> Iterator[Measured]:
    case = {"server": scenario.name, ACROSS: name}
    yield Measured(case, "goodput", "of the ideal", [result.goodput])
    yield Measured(case, "wasted requests", "%", [result.waste * 100])
    if not math.isnan(result.p99_seconds):
        yield Measured(case, "p99 latency of successes", "s", [result.p99_seconds])
    if scenario.name in PLOTS and name in PLOTTED:
        yield _limits(scenario, name, [(time, float(limit)) for time, limit in result.limits])


def _limits(scenario: Scenario, name: str, points: list[tuple[float, float]]) -> Measured:
    """Give a limit over time, up to the scenario's end."""
    case, ends = {"server": scenario.name, ACROSS: name}, scenario.seconds
    within = [point for point in points if point[0] < ends]
    return Measured(case, "attempts in flight that are allowed", "attempts", points=[*within, (ends, within[-1][1])])


def _best(scenario: Scenario) -> list[tuple[float, float]]:
    server = scenario.server
    share = (server.exponent - 1) ** (-1 / server.exponent) if server.beyond == "thrash" else 1.0
    changes = [(change.at, change.capacity) for change in server.changes if change.capacity is not None]
    return [(time, share * capacity) for time, capacity in [(0.0, server.capacity), *changes]]
