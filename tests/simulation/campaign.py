"""Many histories, and what to do about one that breaks a promise."""

from __future__ import annotations

import gc
import os
import tempfile
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.hanging import Hangs, bounded
from tests.simulation.figures import Figures
from tests.simulation.history import play
from tests.simulation.loop import Trace
from tests.simulation.scenario import scenario

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

REPLAY = "python -m tests.simulation --seed"
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@contextmanager
def fresh_folder() -> Iterator[Path]:
    """An empty folder for as long as it is needed, in memory where there is such a place."""
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="simulation-") as folder:
        yield Path(folder)


@dataclass(frozen=True)
class Failure:
    """A seed whose history broke a promise."""

    seed: int
    said: str
    hangs: bool = False

    def __str__(self) -> str:
        return f"{self.said}\nreplay it: {REPLAY} {self.seed}"


@dataclass(frozen=True)
class Played:
    trace: Trace
    outcome: Figures | Failure


@contextmanager
def _garbage_kept() -> Iterator[None]:
    """Let no collector interfere: when it comes depends on what was before, and it closes generators."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def play_seed(seed: int, trace: Trace | None = None) -> Played:
    """Play one history in a folder of its own; *trace* hears of all that happens."""
    trace = trace or Trace()
    with fresh_folder() as folder, _garbage_kept():
        try:
            with bounded(f"seed {seed}: {REPLAY} {seed}"):
                return Played(trace, play(scenario(seed), folder, trace))
        except (Exception, Hangs) as error:  # noqa: BLE001 - whatever it is, the seed replays it
            return Played(trace, Failure(seed, traceback.format_exc(), isinstance(error, Hangs)))


def play_seeds(seeds: Iterable[int]) -> tuple[Figures, list[Failure]]:
    """Play the histories of *seeds*; none follows one that hangs, for others may hang too."""
    total, failures = Figures(), []
    for seed in seeds:
        outcome = play_seed(seed, Trace(is_deaf=True)).outcome
        if isinstance(outcome, Failure):
            failures.append(outcome)
            if outcome.hangs:
                break
        else:
            total.add(outcome)
    return total, failures
