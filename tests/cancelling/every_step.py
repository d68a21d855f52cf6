"""A job cancelled at every step of its event loop, each in a world of its own, and then run again."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

from bulkdelete.records import FATES
from tests.hanging import Hangs, bounded
from tests.simulation import oracle
from tests.simulation.loop import Trace, simulated_time
from tests.simulation.scenario import Blow, Scenario
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

REPLAY = "replay it: python -m tests.cancelling --seeds 1 --first"
AGAIN = (0, 0, 1, 2, 7, 30)


def steps_of(scenario: Scenario, folder: Path, *, durable: bool) -> int:
    """Return how many steps the job of *scenario* takes where nobody cancels it."""
    world = _world(scenario, folder / "whole", durable=durable)
    with bounded(f"seed {scenario.seed}, not cancelled; {REPLAY} {scenario.seed}"), simulated_time(world.clock):
        world.run(patient=True)
    return world.steps


def cancel_at(scenario: Scenario, folder: Path, steps: Iterable[int], *, durable: bool) -> int:
    """Cancel the job at each of *steps*, perhaps twice, and run it again to its end; return how many were cancelled."""
    cancelled = 0
    for step in steps:
        world = _world(scenario, folder / f"{step}", durable=durable)
        again = scenario.dice(f"again {step}").choice(AGAIN)
        what = f"seed {scenario.seed}, cancelled at step {step}; {REPLAY} {scenario.seed}"
        try:
            with (
                bounded(what),
                simulated_time(world.clock),
            ):
                world.run(Blow("cancel", 0.0, again=again), step, patient=True)
                world.api.calm_down(())
                _check_end(world)
        except (Exception, Hangs) as error:
            error.add_note(f"cancelled at step {step} of seed {scenario.seed}, and {again} steps later")
            raise
        cancelled += world.figures.acts["cancel"]
    return cancelled


def _check_end(world: World) -> None:
    scenario, report = world.scenario, world.run_to_end()
    if world.ledger.exists():
        world.check_end()
    elif not scenario.once:  # without a ledger nobody knows what is gone
        counted = Counter(oracle.expected(scenario))
        assert {fate: getattr(report, fate) for fate in FATES} == {fate: counted[fate] for fate in FATES}


def _world(scenario: Scenario, folder: Path, *, durable: bool) -> World:
    """Return a world in *folder* that goes like every other of *scenario* until something befalls it."""
    random.seed(scenario.seed)
    folder.mkdir()
    return World(scenario, folder, "cancelled", Trace(), faults=True, durable=durable)
