"""What one seed stands for: a source, an API, settings, and what befalls the runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from random import Random
from typing import Literal

from bulkdelete.settings import Settings
from tests.simulation.api import FAULTS, HARD, MOST_RECORDS
from tests.simulation.timing import WINDOW_SECONDS

INVALID = ("5.4e+17", "a b")
PATIENT: dict[str, dict[str, object]] = {"flow": {"wait": True}, "retry": {"max_attempts": 8}}
FIRST_ID = 541_278_230_707_963_208
TROUBLED_SHARE, SHARED_SHARE = 0.12, 0.08
Act = Literal["cut", "cancel", "stop", "fail", "none"]
TROUBLES = (
    *("full disk", "broken disk", "disk that forgets to say so"),
    *("broken source", "broken source", "changed source"),
    *("no key", "key that is gone", "refused key", "another key"),
)


@dataclass(frozen=True)
class Blow:
    """What befalls a run: *act* before the step that lies at *share* of the steps of the undisturbed run.

    It is cancelled *again* so many steps later, where that is not 0.
    """

    act: Act
    share: float
    holds_more: tuple[str, ...] = ()
    again: int = 0
    neighbour: bool = False
    """Whether it befalls another call of the same deleter, and not the job; a cut befalls both."""


@dataclass(frozen=True)
class Failing:
    """What fails around a run beside the API, from the step that lies at *share* on; *once*: then no more."""

    what: str
    share: float
    once: bool


@dataclass(frozen=True)
class ToldQuota:
    """The API takes *limit* requests in each window of so many *seconds*, and says so; *dated*: with its time."""

    limit: int
    seconds: int
    dated: bool


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
    canary: int | None = None
    limit: int | None = None
    most_seconds: float | None = None
    """The setting ``stop.max_duration_seconds``."""
    stops_when_wrong: bool = False
    told: ToldQuota | None = None
    failing: Failing | None = None
    beside: Blow | None = None
    """What befalls the job, or its neighbour, where it has one."""
    is_narrow: bool = False
    """Whether the two share a single permit, and what is cancelled gets no grace."""
    is_calm_at_end: bool = False
    """Whether no fault at all strikes the last run."""

    def dice(self, purpose: object) -> Random:
        return Random(f"{self.seed} {purpose}")

    @cached_property
    def settings(self) -> Settings:
        return self._settings(stop={"limit": self.limit, "max_duration_seconds": self.most_seconds})

    @cached_property
    def patient_settings(self) -> Settings:
        """Those of a run that waits for whatever it must, tries often enough, and sends all that is left."""
        return self._settings(**PATIENT)

    @cached_property
    def bounded_settings(self) -> Settings:
        """Those of a patient run that need not send all."""
        return self._settings(**PATIENT, stop={"limit": self.limit, "max_duration_seconds": self.most_seconds})

    @cached_property
    def trusting_settings(self) -> Settings:
        """Those of a patient run that takes no file for wrong."""
        return self._settings(**PATIENT, splitting={"stop_when_wholly_wrong": False})

    @cached_property
    def shared_settings(self) -> Settings:
        """Those of a patient run beside another call."""
        narrow = {"concurrency": 1, "cancel_grace_seconds": 0} if self.is_narrow else {}
        return self._settings(retry=PATIENT["retry"], flow={**PATIENT["flow"], **narrow})

    @property
    def is_bounded(self) -> bool:
        """Whether a run may end before all is sent, without a fault of anybody's."""
        return bool(self.canary or self.limit or self.most_seconds or self.stops_when_wrong)

    @property
    def cuts_anew(self) -> bool:
        """Whether batches may end where a run had sent enough."""
        return bool(self.canary or self.limit)

    def _settings(self, **more: dict[str, object]) -> Settings:
        sections = {name: {**values, **more.get(name, {})} for name, values in self.sections.items()}
        if self.stops_when_wrong:
            sections["splitting"] = {"stop_when_wholly_wrong": True, **more.get("splitting", {})}
        if self.canary:
            sections["canary"] = {"records": self.canary}
        return Settings.from_mapping(sections)

    @property
    def mild_faults(self) -> tuple[str, ...]:
        """Those that retries alone get over."""
        return tuple(fault for fault in self.faults if fault not in HARD)

    @property
    def quotas(self) -> dict[str, int]:
        return self.settings.flow.quotas


def scenario(seed: int) -> Scenario:
    """Return what *seed* stands for; what came later has dice of its own, so that old seeds stay what they were."""
    plain = _with_more(_scenario(seed), Random(f"{seed} more"))
    return _with_neighbour(_with_trouble(plain, Random(f"{seed} trouble")), Random(f"{seed} beside"))


def _scenario(seed: int) -> Scenario:
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


def _with_more(plain: Scenario, dice: Random) -> Scenario:
    kind = dice.random()
    told = ToldQuota(dice.choice((2, 5, 20)), dice.choice((1, 10, 60)), dice.random() < 0.7)
    more = replace(plain, told=told if dice.random() < 0.15 else None, is_calm_at_end=dice.random() < 0.5)
    most = max(1, len(plain.rows))
    if kind < 0.13:
        more = replace(more, canary=dice.randrange(1, most + 1))
    if kind < 0.04 or 0.13 <= kind < 0.22:
        more = replace(more, limit=dice.randrange(1, most + 1))
    if 0.22 <= kind < 0.3:
        more = replace(more, most_seconds=dice.choice((0.3, 1.0, 3.0, 30.0)))
    if 0.3 <= kind < 0.42:
        wrong = frozenset(plain.rows).difference(INVALID, plain.held) if dice.random() < 0.4 else plain.poisoned
        more = replace(more, poisoned=wrong, stops_when_wrong=True)
    return more


def _with_trouble(plain: Scenario, dice: Random) -> Scenario:
    if dice.random() >= TROUBLED_SHARE:
        return plain
    return replace(plain, failing=Failing(dice.choice(TROUBLES), 1.2 * dice.random(), dice.random() < 0.5))


def _with_neighbour(plain: Scenario, dice: Random) -> Scenario:
    if dice.random() >= SHARED_SHARE:
        return plain
    act: Act = dice.choice(("cut", "cancel", "cancel", "cancel", "stop", "none"))
    again = dice.choice((0, 0, 1, 5)) if act == "cancel" else 0
    blow = Blow(act, 1.5 * dice.random(), again=again, neighbour=dice.random() < 0.5)
    return replace(plain, beside=blow, is_narrow=dice.random() < 0.6)


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
