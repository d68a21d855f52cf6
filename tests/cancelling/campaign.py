"""Every step of one seed's job, with a ledger and without one."""

from __future__ import annotations

import traceback

from tests.cancelling.every_step import cancel_at, steps_of
from tests.simulation.campaign import fresh_folder
from tests.simulation.scenario import scenario

MOST_STEPS = 1000


def cancel_everywhere(seed: int) -> tuple[int, int, str]:
    """Return *seed*, how many runs were cancelled, and what broke, if anything did; longer jobs are cut short."""
    cancelled = 0
    for durable in (True, False):
        with fresh_folder() as folder:
            try:
                steps = min(steps_of(scenario(seed), folder, durable=durable), MOST_STEPS)
                cancelled += cancel_at(scenario(seed), folder, range(1, steps + 1), durable=durable)
            except Exception:  # noqa: BLE001 - whatever it is, the seed replays it
                replay = f"replay it: python -m tests.cancelling --first {seed} --seeds 1"
                return seed, cancelled, f"{traceback.format_exc()}\n{replay}"
    return seed, cancelled, ""
