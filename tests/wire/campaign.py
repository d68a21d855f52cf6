"""Many cases, some at a time; what they found, and how to play again what failed."""

from __future__ import annotations

import asyncio
import random
import shlex
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from tests.simulation.campaign import fresh_folder
from tests.wire.bytewise import How, Way
from tests.wire.cases import PLAIN, TLS, Case, Played, bytewise_cases, odd_cases, play, wrong_port_cases
from tests.wire.job import LONGEST_SECONDS, Belongings, Heard
from tests.wire.odd_answers import is_flood

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator
    from pathlib import Path

    Player: TypeAlias = Callable[[Case, Path], Awaitable[Played]]

AT_ONCE = 24
A_GROUP = 4 * AT_ONCE
"""So many are played before everything must be given back: while some wait for an answer's time to pass, others run."""
MOST_NARROWED = 20
"""Where so much fails, the campaign goes on without looking for the guilty."""


@dataclass(frozen=True)
class Failure:
    """What failed, and *cases* that show it when they are played together."""

    cases: tuple[Case, ...]
    said: str

    @property
    def again(self) -> str:
        words = [word for case in self.cases for word in ("--only", str(case))]
        return f"python -m tests.wire {shlex.join(words)}"

    def __str__(self) -> str:
        return f"{self.said}\nagain: {self.again}"


@dataclass
class Found:
    """What a campaign came to: how many cases struck, how their runs ended, which never struck, and what failed."""

    struck: int = 0
    cpu_seconds: float = 0
    ended: Counter[str] = field(default_factory=Counter)
    missed: list[Case] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def played(self) -> int:
        return self.struck + len(self.missed)

    @property
    def proves_little(self) -> bool:
        """Whether hardly anything struck: how many bytes TLS takes varies by a few."""
        return self.struck < 0.98 * self.played or not self.played

    def add(self, other: Found) -> None:
        self.struck += other.struck
        self.cpu_seconds += other.cpu_seconds
        self.ended += other.ended
        self.missed += other.missed
        self.failures += other.failures

    def told(self) -> str:
        return "\n\n".join(map(str, self.failures))

    def figures(self, seconds: float) -> str:
        ended = ", ".join(f"{count} {word}" for word, count in self.ended.most_common())
        return (
            f"{self.played} cases played, {self.struck} of them struck; their runs ended: {ended}; every job was "
            f"resumed and complete, or is a failure; {len(self.failures)} failures; {seconds:.0f} s, "
            f"{self.cpu_seconds:.0f} s of CPU"
        )


async def play_all(cases: Iterable[Case], player: Player = play, a_group: int = A_GROUP) -> Found:
    """Play *cases*, :data:`AT_ONCE` at a time; after each group of so many everything must be given back."""
    found, began = Found(), time.process_time()
    await _calm(PLAIN)  # what is made once is made before anybody counts
    await _play_groups(cases, found, player, a_group)
    if found.missed:  # on a busy machine an answer's time may be over before its byte came: they get a second chance
        missed, found.missed = found.missed, []
        await _play_groups(missed, found, player, a_group)
    found.cpu_seconds = time.process_time() - began
    return found


async def _play_groups(cases: Iterable[Case], found: Found, player: Player, a_group: int) -> None:
    for group in _groups(cases, a_group):
        failures = await _play_group(group, found, player)
        if failures and len(group) > 1 and len(found.failures) < MOST_NARROWED:
            failures = await _narrowed(group, failures, player)
        found.failures += failures


def play_share(cases: list[Case]) -> Found:
    """Play *cases* on an event loop of their own."""
    return asyncio.run(play_all(cases))


def _groups(cases: Iterable[Case], a_group: int) -> Iterator[list[Case]]:
    cases = list(cases)
    for case in cases:
        if is_flood(case.odd):
            yield [case]  # beside others it would not get far before the answer's time is over
    others = [case for case in cases if not is_flood(case.odd)]
    for garbling in (False, True):  # apart, for the complaints of a server that reads garbage are let pass
        left = iter([case for case in others if case.garbles_requests is garbling])
        while group := list(islice(left, a_group)):
            yield group


async def _play_group(group: list[Case], found: Found, player: Player) -> list[Failure]:
    belongings = Belongings()
    free = asyncio.Semaphore(AT_ONCE)
    with Heard(garbled=any(case.garbles_requests for case in group)) as heard:
        played = await asyncio.gather(*(_play(case, found, player, free) for case in group))
    failures = [failure for failure in played if failure is not None]
    try:
        await belongings.check_given_back()
        heard.check()
    except AssertionError as error:
        failures.append(Failure(tuple(group), f"after {', '.join(map(str, group))}: {error}"))
    return failures


async def _play(case: Case, found: Found, player: Player, free: asyncio.Semaphore) -> Failure | None:
    async with free:
        return await _play_now(case, found, player)


async def _play_now(case: Case, found: Found, player: Player) -> Failure | None:
    with fresh_folder() as folder:  # in memory: what a disk takes to sync says nothing of the wire
        try:
            async with asyncio.timeout(2 * LONGEST_SECONDS):
                played = await player(case, folder)
        except Exception:  # noqa: BLE001 - whatever it is, it is found
            return Failure((case,), f"{case}: {traceback.format_exc()}")
    if not played.struck:
        found.missed.append(case)
        return None
    found.struck += 1
    found.ended[played.ended] += 1
    return None


async def _narrowed(group: list[Case], failures: list[Failure], player: Player) -> list[Failure]:
    """Play each case alone that may be guilty; what shows in none of them alone takes the whole group."""
    suspects = {case for failure in failures for case in failure.cases}
    alone = [failure for case in group if case in suspects for failure in await _play_group([case], Found(), player)]
    guilty = {case for failure in alone for case in failure.cases}
    beside = [replace(failure, cases=tuple(group)) for failure in failures if guilty.isdisjoint(failure.cases)]
    return alone + beside


async def _calm(port: str) -> dict[Way, bytes]:
    """Return what passes each way in a job that nothing happens to."""
    with fresh_folder() as folder:
        return (await play(Case(port), folder)).passed


async def all_cases() -> list[Case]:
    """Return every case there is: each strike once at every byte, and cuts and resets there of every connection."""
    cases = [*odd_cases(always=False), *odd_cases(always=True), *wrong_port_cases()]
    for port in (PLAIN, TLS):
        passed = await _calm(port)
        cases += bytewise_cases(port, passed, How)
        cases += bytewise_cases(port, passed, (How.CUT, How.RESET), always=True)
    return cases


async def some_cases(seed: int, bytewise: int, always: int, odd_always: int) -> list[Case]:
    """Return every odd answer once and every wrong port, and of the rest so many, drawn by *seed*."""
    drawn = random.Random(seed)
    every = await all_cases()
    once = [case for case in every if case.strike is not None and not case.always]
    lasting = [case for case in every if case.strike is not None and case.always]
    fixed = [*odd_cases(always=False), *wrong_port_cases()]
    odd = drawn.sample([*odd_cases(always=True)], odd_always)
    return fixed + odd + drawn.sample(once, bytewise) + drawn.sample(lasting, always)
