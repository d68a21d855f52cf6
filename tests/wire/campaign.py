"""Many cases, some at a time; what they found."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from tests.wire.bytewise import How, Way
from tests.wire.cases import PLAIN, TLS, Case, bytewise_cases, odd_cases, play, wrong_port_cases
from tests.wire.job import Belongings, Heard
from tests.wire.odd_answers import is_flood

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

AT_ONCE = 24
SUDDEN = (How.CUT, How.RESET, How.FLIP, How.SPILL)
SLOW = (How.SILENCE, How.PAUSE, How.DRIP)


@dataclass
class Found:
    """What a campaign came to: how many cases were played and struck, how struck runs ended, and what failed."""

    played: int = 0
    struck: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)


async def play_all(cases: Iterable[Case]) -> Found:
    """Play *cases*, :data:`AT_ONCE` at a time, floods alone; after each group everything must be given back."""
    found = Found()
    await _calm(PLAIN)  # what is made once is made before anybody counts
    for group in _groups(cases):
        belongings = Belongings()
        with Heard() as heard:
            await asyncio.gather(*(_play(case, found) for case in group))
        try:
            await belongings.check_given_back()
            heard.check()
        except AssertionError as error:
            found.failures[f"one of {', '.join(map(str, group))}"] = str(error)
    return found


def _groups(cases: Iterable[Case]) -> Iterator[list[Case]]:
    cases = list(cases)
    for case in cases:
        if is_flood(case.odd):
            yield [case]  # beside others it would not get far before the answer's time is over
    left = iter([case for case in cases if not is_flood(case.odd)])
    while group := list(islice(left, AT_ONCE)):
        yield group


async def _play(case: Case, found: Found) -> None:
    with tempfile.TemporaryDirectory(prefix="wire-") as folder:
        try:
            played = await play(case, Path(folder))
        except Exception:  # noqa: BLE001 - whatever it is, it is found
            found.failures[str(case)] = traceback.format_exc()
            return
    found.played += 1
    found.struck += played.struck
    found.ended[played.ended] += 1


async def _calm(port: str) -> dict[Way, int]:
    """Return the bytes that pass each way in a job that nothing happens to."""
    with tempfile.TemporaryDirectory(prefix="wire-") as folder:
        return (await play(Case(port), Path(folder))).passed


async def all_cases() -> list[Case]:
    """Return every case there is: a strike at every byte, and at every few where the byte makes little difference."""
    cases = [*odd_cases(always=False), *odd_cases(always=True), *wrong_port_cases()]
    for port in (PLAIN, TLS):
        passed = await _calm(port)
        if port == PLAIN:
            passed = {way: count // 2 for way, count in passed.items()}  # two of four requests: a new and a used one
        cases += bytewise_cases(port, passed, SUDDEN)
        cases += bytewise_cases(port, passed, SLOW, every=16)
        cases += bytewise_cases(port, passed, (How.CUT, How.RESET), every=16, always=True)
    return cases


async def some_cases(seed: int, bytewise: int, always: int) -> list[Case]:
    """Return every odd answer once and every wrong port, and of the rest so many, drawn by *seed*."""
    drawn = random.Random(seed)
    every = await all_cases()
    once = [case for case in every if case.strike is not None and not case.always]
    lasting = [case for case in every if case.always]
    fixed = [*odd_cases(always=False), *wrong_port_cases()]
    return fixed + drawn.sample(once, bytewise) + drawn.sample(lasting, always)


def figures(found: Found, began: float) -> str:
    ended = ", ".join(f"{count} {word}" for word, count in found.ended.most_common())
    return (
        f"{found.played} cases played, {found.struck} of them struck; their runs ended: {ended}; every job was resumed "
        f"and complete, or is a failure; {len(found.failures)} failures; {time.monotonic() - began:.0f} s, "
        f"{time.process_time():.0f} s of CPU"
    )
