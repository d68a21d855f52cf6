"""A job cut or cancelled at every step of its event loop, each in a world of its own, and then run again."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from bulkdelete.job import Job
from bulkdelete.records import FATES
from tests.hanging import Hangs, bounded
from tests.simulation import oracle
from tests.simulation.loop import Trace, simulated_time
from tests.simulation.scenario import Blow, Scenario, scenario
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.simulation.world import Play

AGAIN = (0, 0, 1, 2, 7, 30)
"""So many steps after the first a second cancellation comes; with 0 none does."""


def plainly() -> Play:
    """Return what runs a job, and nothing else."""
    return Job.run


@dataclass(frozen=True)
class Way:
    """How a job is run, and what befalls it at a step; *replay* is the command that does so again, without its seed.

    *play* makes what runs a job, anew for each world; a process can be given it.
    """

    act: Literal["cut", "cancel"]
    replay: str
    durable: bool = True
    play: Callable[[], Play] = plainly


def job_of(seed: int) -> Scenario:
    """Return what *seed* stands for, without pauses of an hour: each is a thousand times the same few steps."""
    job = scenario(seed)
    return replace(job, faults=tuple(fault for fault in job.faults if fault != "40008 for an hour"))


def steps_of(job: Scenario, folder: Path, way: Way) -> int:
    """Return how many steps *job* takes where nothing befalls it; it ends as it has to."""
    world = world_of(job, folder / "whole", way)
    with bounded(f"seed {job.seed}, undisturbed; {way.replay} {job.seed}"), simulated_time(world.clock):
        world.run(patient=True)
        steps = world.steps
        check_end(world)
    return steps


def strike_at(job: Scenario, folder: Path, step: int, way: Way) -> int:
    """Cut or cancel *job* at *step*, and run it again to its end; return how many times it was struck."""
    world = world_of(job, folder / f"{step}", way)
    again = job.dice(f"again {step}").choice(AGAIN) if way.act == "cancel" else 0
    what = f"{way.act} at step {step} of seed {job.seed}"
    try:
        with bounded(f"{what}; {way.replay} {job.seed} --at-step {step}"), simulated_time(world.clock):
            world.run(Blow(way.act, 0.0, again=again), step, patient=True)
            check_end(world)
    except (Exception, Hangs) as error:
        error.add_note(f"{what}, and {again} steps later" if again else what)
        raise
    return world.figures.acts[way.act]


def check_end(world: World) -> None:
    """Run the job of *world* again, undisturbed: each row ends as in a run that nothing ever befell."""
    world.play = Job.run
    world.api.calm_down(())
    job, report = world.scenario, world.run_to_end()
    if world.ledger.exists():
        world.check_end()
    elif not job.once:  # without a ledger nobody knows what is gone
        counted = Counter(oracle.expected(job))
        assert {fate: getattr(report, fate) for fate in FATES} == {fate: counted[fate] for fate in FATES}


def world_of(job: Scenario, folder: Path, way: Way) -> World:
    """Return a world in *folder* that goes like every other of *job* until something befalls it."""
    random.seed(job.seed)
    folder.mkdir()
    world = World(job, folder, way.act, Trace(is_deaf=True), faults=True, durable=way.durable)
    world.play = way.play()
    return world
