"""Every step of one seed's job, in each of several ways; and the jobs of many seeds."""

from __future__ import annotations

import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.hanging import Hangs, in_processes
from tests.simulation.campaign import fresh_folder
from tests.simulation.every_step import job_of, steps_of, strike_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.simulation.every_step import Way


@dataclass
class Figures:
    """What was done to the job of *seed*, or to several; *said* is what broke."""

    seed: int = 0
    steps: int = 0
    left_out: int = 0
    struck: int = 0
    left: int = 0
    """How often whoever read a job's outcomes left it."""
    said: str = ""
    hangs: bool = False

    def add(self, other: Figures) -> None:
        self.steps += other.steps
        self.left_out += other.left_out
        self.struck += other.struck
        self.left += other.left

    def told(self, struck: str) -> str:
        left_out = f", {self.left_out} left out" if self.left_out else ""
        left = f", and {self.left} times left by its reader" if self.left else ""
        steps = f", at each of their {self.steps} steps" if self.steps else ""
        return f"{self.struck} times {struck} and run again{steps}{left_out}{left}"


def strike_everywhere(
    seed: int, ways: Sequence[Way], most_steps: int | None = None, at_step: int | None = None
) -> Figures:
    """Strike the job of *seed* at each of its steps, but at none after *most_steps*, in each of *ways*.

    With *at_step* it is struck there alone.
    """
    figures = Figures(seed)
    for way in ways:
        with fresh_folder() as folder:
            steps = range(at_step, at_step + 1) if at_step is not None else _steps(figures, folder, way, most_steps)
            for step in steps:
                with told(figures, f"{way.replay} {seed} --at-step {step}"):
                    figures.struck += strike_at(job_of(seed), folder, step, way)
                if figures.said:
                    return figures
        if figures.said:
            break
    if at_step is not None and not figures.struck:
        figures.said = f"the job of seed {seed} has no step {at_step}"
    return figures


def _steps(figures: Figures, folder: Path, way: Way, most_steps: int | None) -> range:
    """Return the steps at which the job is struck; none where it breaks a promise with nothing befalling it."""
    with told(figures, f"{way.replay} {figures.seed}"):
        steps = steps_of(job_of(figures.seed), folder, way)
        most = steps if most_steps is None else min(steps, most_steps)
        figures.steps += steps
        figures.left_out += steps - most
        return range(1, most + 1)
    return range(0)


@contextmanager
def told(figures: Figures, replay: str) -> Iterator[None]:
    """While entered, whatever is raised becomes what *figures* say, with the command that replays it."""
    try:
        yield
    except (Exception, Hangs) as error:  # noqa: BLE001 - whatever it is, the seed replays it
        figures.said = f"{traceback.format_exc()}\nreplay it: {replay}"
        figures.hangs = isinstance(error, Hangs)


def play_all(
    play: Callable[[int], Figures], seeds: Sequence[int], processes: int, struck: str, say: Callable[[str], object]
) -> bool:
    """Play the jobs of *seeds* in so many *processes*, *say* what came of it; return whether all was well."""
    began, total, broken = time.monotonic(), Figures(), []
    for figures in in_processes(play, seeds, processes):
        total.add(figures)
        if figures.said:
            say(figures.said)
            broken.append(figures.seed)
            if figures.hangs:
                break
    say(f"{len(seeds)} jobs, {total.told(struck)}, in {time.monotonic() - began:.1f} s")
    say(f"{len(broken)} jobs broke a promise: {' '.join(map(str, broken[:50]))}")
    return not broken
