"""A job cancelled at every step of its event loop, each in a world of its own, and then run again."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from bulkdelete.records import FATES
from tests.hanging import Hangs, bounded
from tests.simulation import oracle
from tests.simulation.loop import Trace, simulated_time
from tests.simulation.scenario import Blow, Scenario, scenario
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

REPLAY = "replay it: python -m tests.cancelling --seeds 1 --first"
AGAIN = (0, 0, 1, 2, 7, 30)


def job_of(seed: int) -> Scenario:
    """Return what *seed* stands for, without pauses of an hour: each is a thousand times the same few steps."""
    job = scenario(seed)
    return replace(job, faults=tuple(fault for fault in job.faults if fault != "40008 for an hour"))


def steps_of(job: Scenario, folder: Path, *, durable: bool) -> int:
    """Return how many steps *job* takes where nobody cancels it."""
    world = _world(job, folder / "whole", durable=durable)
    with bounded(f"seed {job.seed}, not cancelled; {REPLAY} {job.seed}"), simulated_time(world.clock):
        world.run(patient=True)
    return world.steps


def cancel_at(job: Scenario, folder: Path, steps: Iterable[int], *, durable: bool) -> int:
    """Cancel *job* at each of *steps*, perhaps twice, and run it again to its end; return how many were cancelled."""
    cancelled = 0
    for step in steps:
        world = _world(job, folder / f"{step}", durable=durable)
        again = job.dice(f"again {step}").choice(AGAIN)
        what = f"seed {job.seed}, cancelled at step {step}; {REPLAY} {job.seed}"
        try:
            with (
                bounded(what),
                simulated_time(world.clock),
            ):
                world.run(Blow("cancel", 0.0, again=again), step, patient=True)
                world.api.calm_down(())
                _check_end(world)
        except (Exception, Hangs) as error:
            error.add_note(f"cancelled at step {step} of seed {job.seed}, and {again} steps later")
            raise
        cancelled += world.figures.acts["cancel"]
    return cancelled


def _check_end(world: World) -> None:
    job, report = world.scenario, world.run_to_end()
    if world.ledger.exists():
        world.check_end()
    elif not job.once:  # without a ledger nobody knows what is gone
        counted = Counter(oracle.expected(job))
        assert {fate: getattr(report, fate) for fate in FATES} == {fate: counted[fate] for fate in FATES}


def _world(job: Scenario, folder: Path, *, durable: bool) -> World:
    """Return a world in *folder* that goes like every other of *job* until something befalls it."""
    random.seed(job.seed)
    folder.mkdir()
    return World(job, folder, "cancelled", Trace(is_deaf=True), faults=True, durable=durable)
