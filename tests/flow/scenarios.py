"""Scenarios as data: a server, a sentence on what should happen there, and what is expected."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.flow.doors import Door, Ours
from tests.flow.lab import Late, Result, play
from tests.flow.servers import Server

FOLDER = Path(__file__).with_name("scenarios")


@dataclass(frozen=True, slots=True)
class Expected:
    """Bounds: at least this ``goodput``, at most everything else. ``shares`` is of the larger job to the smaller."""

    goodput: float
    waste: float
    shares: float | None = None
    set_aside: int = 0
    over_quota: int | None = None
    requests: int | None = None
    gave_up: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """One file of the folder."""

    name: str
    says: str
    seconds: float
    server: Server
    expect: Expected
    jobs: int = 1
    late_seconds: float = 0.0
    shares_from_seconds: float = 0.0
    fast_seconds: float = 0.0

    def play(self, seed: int) -> Result:
        """Run it with the product's decisions."""
        doors: list[Door] = [
            Ours(Random(f"{seed} door {number}"), fast_seconds=number * self.fast_seconds)
            for number in range(self.jobs)
        ]
        return play(self.server, doors, self.seconds, seed, Late(self.late_seconds, self.shares_from_seconds))


def read(path: Path) -> Scenario:
    """Read one scenario."""
    values = tomllib.loads(path.read_text())
    server, expect = Server.from_mapping(values.pop("server")), Expected(**values.pop("expect"))
    return Scenario(path.stem, server=server, expect=expect, **values)


def every() -> list[Scenario]:
    """Read all of them."""
    return [read(path) for path in sorted(FOLDER.glob("*.toml"))]
