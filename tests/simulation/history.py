"""One seed's history: an undisturbed run, and the same job at a bad API, cut, cancelled and stopped, until it is done.

Nothing is real in it but the product and its ledger's file.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from bulkdelete.records import Ended
from tests.simulation.figures import Figures
from tests.simulation.loop import simulated_time
from tests.simulation.neighbour import Neighbour
from tests.simulation.scenario import Blow
from tests.simulation.trouble import KINDS
from tests.simulation.undisturbed import play_undisturbed
from tests.simulation.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from tests.simulation.loop import Trace
    from tests.simulation.scenario import Scenario


def play(scenario: Scenario, folder: Path, trace: Trace) -> Figures:
    """Play the history of *scenario* in *folder*; raise ``AssertionError`` where a promise is broken."""
    state = random.getstate()
    random.seed(scenario.seed)  # the product's own dice, for backoff
    try:
        calm = World(scenario, folder, "calm", trace, faults=False)
        stormy = World(scenario, folder, "stormy", trace, faults=True)
        with simulated_time(calm.clock):
            steps = play_undisturbed(calm)
        with simulated_time(stormy.clock):
            for blow in scenario.blows:
                stormy.run(blow, 1 + int(blow.share * steps))
            stormy.api.calm_down(() if scenario.is_calm_at_end else scenario.mild_faults)
            stormy.run_to_end()
            stormy.check_end()
        worlds = [calm, stormy, _unrecorded(scenario, folder, trace, steps)]
        if scenario.failing is not None:
            worlds.append(_troubled(scenario, folder, trace, steps))
        if scenario.beside is not None:
            worlds.append(_shared(scenario, folder, trace, steps))
    finally:
        random.setstate(state)
    figures = Figures(1)
    for world in worlds:
        figures.add(world.figures)
        figures.requests += len(world.api.arrivals)
        figures.rows += len(scenario.rows)
    return figures


def _unrecorded(scenario: Scenario, folder: Path, trace: Trace, steps: int) -> World:
    """Run the job once without a ledger; it may be cancelled or stopped."""
    world = World(scenario, folder, "unrecorded", trace, faults=True, durable=False)
    dice = scenario.dice("unrecorded blow")
    blow = Blow(dice.choice(("none", "none", "stop", "cancel")), 1.3 * dice.random())
    with simulated_time(world.clock):
        world.run(blow, 1 + int(blow.share * steps), patient=dice.random() < 0.5)
    return world


def _troubled(scenario: Scenario, folder: Path, trace: Trace, steps: int) -> World:
    """Run the job while something around it fails, and then to its end without that."""
    failing = scenario.failing
    world = World(scenario, folder, "troubled", trace, faults=True)
    world.api.calm_down(scenario.mild_faults)
    world.approves = True
    trouble = world.trouble = KINDS[failing.what](failing, world.ledger, world.source, world.api)
    with simulated_time(world.clock):
        world.run(Blow("fail", failing.share), 1 + int(failing.share * steps), patient=True)
        world.figures.troubles[failing.what] += bool(trouble.felt)
        world.trouble = None
        world.run_to_end()
        world.check_end()
    return world


def _shared(scenario: Scenario, folder: Path, trace: Trace, steps: int) -> World:
    """Run the job beside another call of the same deleter, strike one of the two, and run the job to its end."""
    blow = scenario.beside
    world = World(scenario, folder, "shared", trace, faults=True)
    world.approves = True
    world.api.faults = tuple(fault for fault in world.api.faults if fault != "40008 for an hour")
    if blow.neighbour:
        world.api.calm_down(scenario.mild_faults)
    with simulated_time(world.clock):
        neighbour = world.neighbour = Neighbour(scenario, world.api)
        report = world.run(blow, 1 + int(blow.share * steps), settings=scenario.shared_settings)
        neighbour.check()
        if blow.neighbour and blow.act != "cut":
            is_done = report is not None and (report.ended is Ended.WHOLLY_WRONG or not report.remaining)
            assert is_done, f"what befell a neighbour befell the job: {report}"
        world.neighbour, world.was_cut = None, True  # who shares a quota may have spent more of it
        world.figures.shared += 1
        world.figures.requests += len(neighbour.api.arrivals)
        world.api.calm_down(scenario.mild_faults)
        world.run_to_end()
        world.check_end()
    return world
