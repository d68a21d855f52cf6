"""One seed's history: an undisturbed run, and the same job at a bad API, cut, cancelled and stopped, until it is done.

Nothing is real in it but the product and its ledger's file.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.simulation.loop import simulated_time
from tests.simulation.undisturbed import play_undisturbed
from tests.simulation.world import Figures, World

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
    finally:
        random.setstate(state)
    figures = Figures(1)
    for world in (calm, stormy):
        figures.add(world.figures)
        figures.requests += len(world.api.arrivals)
        figures.rows += len(scenario.rows)
    return figures
