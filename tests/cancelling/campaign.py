"""Every step of one seed's job, with a ledger and without one."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from tests.cancelling.every_step import REPLAY, cancel_at, job_of, steps_of
from tests.hanging import Hangs
from tests.simulation.campaign import fresh_folder


@dataclass
class Figures:
    """What was done to the job of *seed*, or to several; *said* is what broke."""

    seed: int = 0
    steps: int = 0
    left_out: int = 0
    cancelled: int = 0
    said: str = ""
    hangs: bool = False

    def add(self, other: Figures) -> None:
        self.steps += other.steps
        self.left_out += other.left_out
        self.cancelled += other.cancelled

    def told(self) -> str:
        left_out = f", {self.left_out} left out" if self.left_out else ""
        return f"{self.cancelled} times cancelled and run again, at each of their {self.steps} steps{left_out}"


def cancel_everywhere(seed: int, most_steps: int | None = None) -> Figures:
    """Cancel the job of *seed* at each of its steps, but at none after *most_steps*."""
    figures = Figures(seed)
    for durable in (True, False):
        with fresh_folder() as folder:
            try:
                steps = steps_of(job_of(seed), folder, durable=durable)
                most = steps if most_steps is None else min(steps, most_steps)
                figures.steps += steps
                figures.left_out += steps - most
                figures.cancelled += cancel_at(job_of(seed), folder, range(1, most + 1), durable=durable)
            except (Exception, Hangs) as error:  # noqa: BLE001 - whatever it is, the seed replays it
                figures.said = f"{traceback.format_exc()}\n{REPLAY} {seed}"
                figures.hangs = isinstance(error, Hangs)
                break
    return figures
