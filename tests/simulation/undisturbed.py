"""An undisturbed job. Where a run may end before all is sent, how it must end is known exactly, and what it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkdelete.records import Ended
from tests.simulation import oracle
from tests.simulation.api import LATENCIES, OPENING_SECONDS
from tests.simulation.loop import EXECUTOR_SECONDS

if TYPE_CHECKING:
    from bulkdelete.reports import Report
    from tests.simulation.scenario import Scenario
    from tests.simulation.world import World

DRAINED_SECONDS = max(OPENING_SECONDS) + 2 * max(LATENCIES) + 20 * max(EXECUTOR_SECONDS)
"""How long what is in flight takes to end, with all that is written down of it."""

MOST_ASKED = 6
"""So many records of a batch may all be asked for: of the quarters of six, two are single; the others are probed."""


def play_undisturbed(world: World) -> int:
    """Run the job as far as it may go, look at what that leaves, and then to its end; return the steps of its run."""
    steps = 0
    if world.scenario.is_bounded:
        world.approves = False
        report = world.run(settings=world.scenario.bounded_settings)
        assert report is not None
        _check_ending(world, report)
        steps = world.steps
    world.run_to_end()
    world.check_end()
    return steps or world.steps


def _check_ending(world: World, report: Report) -> None:
    scenario = world.scenario
    image = oracle.read(world.ledger, scenario.rows)
    unsent = [
        row for row, fate in enumerate(image.fates) if fate == "unresolved" and scenario.rows[row] not in world.api.seen
    ]
    assert not unsent, f"rows {unsent} are unresolved, and were never sent"
    ended, rows = _ending(scenario)
    if scenario.most_seconds is not None:
        most = scenario.most_seconds
        assert world.seconds <= most + DRAINED_SECONDS, f"{world.seconds:.2f} s, where {most} s are the most"
        ended = Ended.COMPLETE if world.seconds < most else report.ended
        assert report.ended in {Ended.COMPLETE, Ended.DURATION}, report
    else:
        world.check_time()
    if report.ended is Ended.WHOLLY_WRONG and ended is Ended.COMPLETE:
        oracle.check_wrong(scenario, world.api)
        return
    assert report.ended is ended, f"{report.ended} after {world.seconds:.2f} s, and had to be {ended}: {report}"
    if ended in {Ended.COMPLETE, Ended.CANARY, Ended.LIMIT}:
        wanted = oracle.expected(scenario, image.starts if scenario.cuts_anew else frozenset())
        assert len(image.fates) == rows, f"{len(image.fates)} rows are in the ledger, and had to be {rows}"
        oracle.check_same(image, wanted[:rows], scenario, world.api, frozenset())


def _ending(scenario: Scenario) -> tuple[Ended, int]:
    """Return how a run without any disturbance ends, and how many rows are in the ledger then."""
    canary, limit = scenario.canary, scenario.limit
    for ended, most, other in ((Ended.CANARY, canary, limit), (Ended.LIMIT, limit, None)):
        if most is not None and (other is None or other > most):
            rows = _rows_until(scenario, most)
            if rows < len(scenario.rows):
                return ended, rows
    return (Ended.WHOLLY_WRONG if _is_surely_wrong(scenario) else Ended.COMPLETE), len(scenario.rows)


def _is_surely_wrong(scenario: Scenario) -> bool:
    """Whether all is refused, and so much of it that not every record is asked for one by one before that is plain."""
    fates = oracle.expected(scenario)
    records = fates.count("rejected")
    is_left = records > oracle.ENOUGH_WRONG + 3 * scenario.size
    if scenario.most_records >= scenario.size:  # else a batch is too large before it is refused, and searched further
        is_left |= min(records, scenario.size) > MOST_ASKED
    return scenario.stops_when_wrong and "acknowledged" not in fates and is_left


def _rows_until(scenario: Scenario, records: int) -> int:
    """Return how many rows are read when so many *records* were sent."""
    for row, fate in enumerate(oracle.expected(scenario)):
        records -= fate in {"acknowledged", "rejected"}
        if records == 0:
            return row + 1
    return len(scenario.rows)
