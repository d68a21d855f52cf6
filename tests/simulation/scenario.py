"""What one seed stands for: a source, an API, settings, and what befalls the runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import Literal

from bulkdelete.settings import Settings
from tests.simulation.api import FAULTS, HARD, LONG_PAUSE_SECONDS, MOST_RECORDS, TIMEOUT_SECONDS

INVALID = ("5.4e+17", "a b")
FIRST_ID = 541_278_230_707_963_208
Act = Literal["cut", "cancel", "stop", "none"]
WINDOW_SECONDS = {"second": 1, "minute": 60, "hour": 3600}


@dataclass(frozen=True)
class Blow:
    """What befalls a run: *act* before the step that lies at *share* of the steps of the undisturbed run.

    It is cancelled *again* so many steps later, where that is not 0.
    """

    act: Act
    share: float
    holds_more: tuple[str, ...] = ()
    again: int = 0


@dataclass(frozen=True)
class Scenario:
    """All that decides a history, from its seed."""

    seed: int
    rows: tuple[str, ...]
    held: frozenset[str]
    poisoned: frozenset[str]
    size: int
    sections: dict[str, dict[str, object]] = field(repr=False)
    faults: tuple[str, ...] = ()
    fault_rate: float = 0.0
    most_records: int = MOST_RECORDS
    in_part: bool = False
    once: bool = False
    is_spooled: bool = False
    blows: tuple[Blow, ...] = ()

    def dice(self, purpose: object) -> Random:
        return Random(f"{self.seed} {purpose}")

    @cached_property
    def settings(self) -> Settings:
        return Settings.from_mapping(self.sections)

    @cached_property
    def patient_settings(self) -> Settings:
        """Those of a run that waits for whatever it must, and tries often enough."""
        flow, retry = {**self.sections["flow"], "wait": True}, {**self.sections["retry"], "max_attempts": 8}
        return Settings.from_mapping({**self.sections, "flow": flow, "retry": retry})

    @property
    def is_told_by_rich(self) -> bool:
        """Whether what is raised is also told by rich, which takes long."""
        return self.seed % 25 == 0

    @property
    def mild_faults(self) -> tuple[str, ...]:
        """Those that retries alone get over."""
        return tuple(fault for fault in self.faults if fault not in HARD)

    @property
    def quotas(self) -> dict[str, int]:
        return self.settings.flow.quotas

    @property
    def longest_seconds(self) -> float:
        """Within so much virtual time an undisturbed run ends, whatever was before it: twice what quotas make it.

        A run that died may have heard before that nothing is wanted for an hour.
        """
        requests = 30 + len(self.rows) * 3
        quota = sum((requests // limit + 2) * WINDOW_SECONDS[unit] for unit, limit in self.quotas.items())
        pause = LONG_PAUSE_SECONDS if "40008 for an hour" in self.faults else 0
        return 600 + 2 * quota + pause + (requests * TIMEOUT_SECONDS if self.faults else 0)


def scenario(seed: int) -> Scenario:
    dice = Random(f"{seed} scenario")
    size = dice.choice((1, 2, 3, 4, 5, 8))
    count = dice.randrange(1, 9 * size + 4)
    once, grows = dice.random() < 0.2, dice.random() < 0.2
    rows = [str(FIRST_ID + 37 * number) for number in range(count)]
    for at in range(1, count):
        if dice.random() < 0.04:
            rows[at] = dice.choice(INVALID)
        elif dice.random() < 0.08 and not (once or grows):
            rows[at] = rows[at - dice.randrange(1, min(at, 4) + 1)]
    records = sorted({row for row in rows if row not in INVALID})
    held = _some(dice, records, dice.choice((0, 0, 0.1)))
    poisoned = _some(dice, records, dice.choice((0.1, 0.3) if once else (0, 0.02, 0.1)))
    faults = dice.sample(sorted(FAULTS), dice.randrange(1, 8))
    rate = dice.choice((0, 0.05, 0.05, 0.1, 0.2, 0.4))
    blows = tuple(_blow(dice, records if grows else ()) for _ in range(dice.choice((1, 1, 2, 3))))
    return Scenario(
        seed,
        tuple(rows),
        frozenset(held),
        frozenset(poisoned),
        size,
        _sections(dice, size),
        tuple(sorted(faults)),
        rate,
        dice.choice((MOST_RECORDS, MOST_RECORDS, MOST_RECORDS, 3)),
        dice.random() < (0.6 if once else 0.1),
        once,
        dice.random() < 0.2,
        blows,
    )


def _sections(dice: Random, size: int) -> dict[str, dict[str, object]]:
    flow: dict[str, object] = {"concurrency": dice.choice((1, 2, 3, 5, "adaptive")), "max_concurrency": 8}
    if dice.random() < 0.3:
        unit = dice.choice(tuple(WINDOW_SECONDS))
        flow[f"requests_per_{unit}"] = dice.choice((2, 5, 20))
        flow["wait"] = dice.random() < 0.5
    flow["cancel_grace_seconds"] = dice.choice((0, 0.1, 5))
    return {
        "batch": {"size": size},
        "flow": flow,
        "retry": {"max_attempts": dice.choice((1, 2, 4, 8)), "first_backoff_seconds": dice.choice((0, 0.5))},
        "splitting": {"stop_when_wholly_wrong": False},
        "stop": {"max_failures": 10_000},
        "source": {"sanity_check": False},
        "holds": {"sanity_check": False},
    }


def _blow(dice: Random, records: list[str] | tuple[()]) -> Blow:
    act: Act = dice.choice(("cut", "cut", "cut", "cut", "cancel", "cancel", "stop", "none"))
    again = dice.choice((0, 0, 1, 5, 40)) if act == "cancel" else 0
    return Blow(act, dice.random() * 1.3, tuple(_some(dice, records, 0.1)), again)


def _some(dice: Random, records: list[str] | tuple[()], share: float) -> list[str]:
    return [record for record in records if dice.random() < share]
