"""A job run by itself, and one whose outcomes are read, with a ledger and without: cancelled, or left by its reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.cancelling.reading import Reader
from tests.hanging import Hangs, bounded
from tests.simulation import oracle
from tests.simulation.campaign import fresh_folder
from tests.simulation.every_step import Way, check_end, job_of, world_of
from tests.simulation.everywhere import Figures, strike_everywhere, told
from tests.simulation.loop import simulated_time

if TYPE_CHECKING:
    from pathlib import Path

    from tests.simulation.scenario import Scenario

REPLAY_ALONE: Final = "python -m tests.cancelling --alone --seeds 1 --first"
REPLAY_READ: Final = "python -m tests.cancelling --read --seeds 1 --first"
ALONE: Final = [Way("cancel", REPLAY_ALONE, durable=durable) for durable in (True, False)]
READ: Final = [Way("cancel", REPLAY_READ, durable=durable, play=Reader) for durable in (True, False)]


def cancel_everywhere(
    seed: int, most_steps: int | None = None, at_step: int | None = None, *, alone: bool = True, read: bool = True
) -> Figures:
    """Cancel the job of *seed* at each of its steps, but at none after *most_steps*; with *at_step* there alone.

    It runs *alone*, and it is *read*; then, unless *at_step* is given, its reader also leaves at each outcome.
    """
    figures = strike_everywhere(seed, [*(ALONE if alone else ()), *(READ if read else ())], most_steps, at_step)
    for way in READ if read and at_step is None else ():
        if not figures.said:
            with told(figures, f"{REPLAY_READ} {seed}"), fresh_folder() as folder:
                figures.left += leave_everywhere(job_of(seed), folder, way)
    return figures


def leave_everywhere(job: Scenario, folder: Path, way: Way) -> int:
    """Read the outcomes of *job* to the end, and until each of them, leaving or raising there; return how often."""
    given = len(_read(job, folder / "read", way, Reader()).given)
    times = 0
    for after in range(given + 1):
        for raises in (False, True):
            _read(job, folder / f"{after} {raises}", way, Reader(after, raises))
            times += 1
    return times


def _read(job: Scenario, folder: Path, way: Way, reader: Reader) -> Reader:
    world, what = world_of(job, folder, way), f"{reader} of seed {job.seed}"
    world.play = reader
    try:
        with bounded(f"{what}; {REPLAY_READ} {job.seed}"), simulated_time(world.clock):
            report = world.run(patient=True)
            reader.check_told(report, oracle.read(world.ledger, job.rows) if way.durable else None)
            world.was_cut |= reader.leaves_after is not None
            check_end(world)
    except (Exception, Hangs) as error:
        error.add_note(what)
        raise
    return reader
