"""Jobs that are killed again and again, and resumed until they are done."""

from __future__ import annotations

import asyncio
import itertools
import random
import shlex
import signal
import tempfile
import time
from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bulkdelete.emulator import Emulator, Faults
from tests.acceptance.command import CANARY_KEY, TABLE_ID, Command, but_for, fates, finished, write, write_csv
from tests.crashes import oracle
from tests.crashes.launcher import ONCE_IN_A_RUN, ONLY_IN_A_NEW_LEDGER, STEPS
from tests.secrets import assert_nowhere

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterator, Sequence

    from tests.acceptance.command import Finished, Process

LAUNCHER = Path(__file__).with_name("launcher.py")
LIFE_SECONDS = 1.0
LONGEST_ANSWER_SECONDS = 0.25
MOST_TRIES = 6
MOST_TWICE = 2 * oracle.CONCURRENCY * oracle.BATCH_SIZE  # the workers are twice as many as the permits
HITS = 1, 7
MOST_REQUESTS = 12
SEED_VARIABLE = "CRASHES_SEED"
"""Gives the tests of adversity another seed."""
RETRIES = "[retry]\nfirst_backoff_seconds = 0.01\nmax_attempts = 30\n"


class StepNotReachedError(AssertionError):
    """A named step of the write path was not taken by any job: the list of steps is wrong."""


class At(NamedTuple):
    """Where a job is killed."""

    step: str
    when: str
    hit: int


@dataclass
class Figures:
    """What the campaign came to."""

    crashes: int = 0
    stops: int = 0
    jobs: int = 0
    steps: Counter[int] = field(default_factory=Counter)
    """By the hit of a step: so many were killed at it."""
    rows_sent_twice: int = 0
    most_sent_twice: int = 0
    life_seconds: float = LIFE_SECONDS
    counts: oracle.Counts = field(default_factory=oracle.Counts)

    def __str__(self) -> str:
        mean = self.rows_sent_twice / max(1, self.crashes)
        at_steps = f"{self.steps.total()} at named steps, {self.steps[1]} of them at the first hit"
        return (
            f"{self.crashes} crashes, {at_steps}, and {self.stops} stops survived in {self.jobs} jobs of {oracle.ROWS} "
            f"rows; {self.counts}; rows sent twice per crash {mean:.1f}, at most {self.most_sent_twice}"
        )


def job_of(folder: Path, base_url: str, *program: object, words: Sequence[object] = ()) -> Command:
    """The command of the campaign's job in *folder*, with more *words*; *program* launches it."""
    job = ("ids.csv", "--table-id", TABLE_ID, "--base-url", base_url, "--ledger", "purge.db", "--yes", "--json")
    more = {"--holds": "held.txt", "--batch-size": oracle.BATCH_SIZE, "--concurrency": oracle.CONCURRENCY}
    every = (*job, *but_for(words, more), "-c", "purge.toml", *words)
    return Command(folder, "run", *every, program=program or ("-m", "bulkdelete"))


def lay_out(folder: Path, emulator: Emulator) -> None:
    """Write the files of the job to *folder*, and its records to *emulator*."""
    write_csv(folder / "ids.csv", oracle.SOURCE)
    write(folder / "held.txt", [oracle.SOURCE[row] for row in oracle.HELD])
    (folder / "purge.toml").write_text(RETRIES)
    emulator.add_key(CANARY_KEY)
    emulator.load(TABLE_ID, {*oracle.SOURCE, *oracle.SURVIVORS})
    emulator.poison(TABLE_ID, oracle.REJECTED)


class Job:
    """One job in *folder* against *emulator*, under faults."""

    def __init__(self, folder: Path, emulator: Emulator, figures: Figures) -> None:
        self.folder, self.emulator, self._figures = folder, emulator, figures
        self._logged = 0
        self._seen = oracle.Seen()
        self.words: Sequence[object] = ()
        self.done = False

    def command(self, *program: object, words: Sequence[object] = ()) -> Command:
        return job_of(self.folder, self.emulator.base_url, *program, words=(*self.words, *words))

    def settings(self, toml: str) -> None:
        """Add *toml* to the job's settings."""
        with (self.folder / "purge.toml").open("a") as settings:
            settings.write(toml)

    async def is_killed_after(self, seconds: float, requests: int = 0, by: signal.Signals = signal.SIGKILL) -> bool:
        """Kill a run so many *seconds* after its start, or after the emulator got so many *requests* of it."""
        async with self.command().started() as process:
            await self.sends(requests, process)
            ending = asyncio.ensure_future(finished(process))
            await asyncio.wait({ending}, timeout=seconds)
            if process.returncode is None:
                process.send_signal(by)
            return await self.looked_at(await ending)

    async def is_killed_at(self, at: At) -> bool:
        return await self.looked_at(await self.command(LAUNCHER, *at).run())

    async def ends(self) -> None:
        for _ in range(MOST_TRIES):
            if self.done:
                break
            await self.looked_at(await self.command().run())
        assert self.done, "the job does not come to its end"

    async def looked_at(self, ended: Finished) -> bool:
        """Check what the run left; return whether it was killed."""
        assert_nowhere(CANARY_KEY, self.folder.glob("purge.*"), [ended.everything])
        seen = await self.checked()
        if ended.code == 75:  # unresolved rows, as no retry helped: the same command goes on
            return False
        if ended.code in {143, -15}:  # asked to stop, or not yet ready to be asked
            self._figures.stops += 1
            return False
        if ended.code == -9:
            self._count(seen)
            return True
        assert ended.code == 1, ended.everything
        counts = Counter(oracle.FATES.values())
        assert fates(ended.report) == {"acknowledged": oracle.ROWS - counts.total(), **counts}
        oracle.check_end(seen, self.emulator, self._figures.counts)
        self.done = True
        return False

    async def checked(self) -> oracle.Seen:
        """Check what must hold whenever nothing runs, and return what there is."""
        await self._answered()
        counts = self._figures.counts
        seen = oracle.look(self.folder / "purge.db", counts)
        oracle.check(seen, self.emulator, counts)
        oracle.check_later(seen, self._seen, counts)
        self._seen = seen
        return seen

    def loses_its_last_commit(self) -> None:
        """Forget what was acknowledged: the last commit, which nobody was told of, may be gone by right."""
        self._seen = oracle.Seen()

    async def sends(self, requests: int, process: Process) -> None:
        """Wait until the emulator got so many more *requests*."""
        requests += self.emulator.requests
        async with asyncio.timeout(30):
            while self.emulator.requests < requests and process.returncode is None:
                await asyncio.sleep(0.001)

    async def _answered(self) -> None:
        """Wait until the emulator has done what it was asked, but for requests that were killed half way out."""
        until = time.monotonic() + LONGEST_ANSWER_SECONDS
        while self.emulator.answers.total() < self.emulator.requests and time.monotonic() < until:
            await asyncio.sleep(0.002)

    def _count(self, seen: oracle.Seen) -> None:
        log = self.emulator.log
        twice = {record for request in log[self._logged :] for record in request.applied} - seen.acknowledged
        self._logged = len(log)
        assert len(twice) <= MOST_TWICE, f"{len(twice)} rows are sent twice because of one crash"
        self._figures.crashes += 1
        self._figures.rows_sent_twice += len(twice)
        self._figures.most_sent_twice = max(self._figures.most_sent_twice, len(twice))


@asynccontextmanager
async def job(figures: Figures, seed: int) -> AsyncIterator[Job]:
    """A new job under faults of *seed*; at the end of the block it is resumed until it is done."""
    faults = Faults(
        seed=seed,
        latency_seconds=0.02,
        latency_spread=0.7,
        internal_error_rate=0.05,
        applied_then_50000_rate=0.02,
        drop_before_rate=0.03,
        drop_after_rate=0.03,
    )
    with tempfile.TemporaryDirectory(prefix="bulkdelete-crashes-") as name:
        folder = Path(name)
        async with Emulator(folder / "emulator.db", faults, record_requests=True) as emulator:
            lay_out(folder, emulator)
            one = Job(folder, emulator, figures)
            yield one
            await one.ends()
            figures.jobs += 1


async def uninterrupted(figures: Figures, seed: int) -> None:
    """Run a job that nobody kills, and keep how long it lives: the moments of the others are spread over that."""
    async with job(figures, seed) as one:
        began = time.monotonic()
        await one.ends()
        figures.life_seconds = time.monotonic() - began


def playing_again(*words: object) -> str:
    """Return what plays a part of the campaign once more."""
    return "again: " + shlex.join(["python", "-m", "tests.crashes", *map(str, words)])


@contextmanager
def played_again_by(*words: object) -> Iterator[None]:
    """Let whatever fails in the block say the command that plays it again."""
    try:
        yield
    except BaseException as error:
        error.add_note(playing_again(*words))
        raise


async def killed_so_often(figures: Figures, seed: int, kills: int) -> None:
    """Kill jobs at random moments, together so often as *kills* says; a job of its own seed for each that got done."""
    if kills:
        with played_again_by("--seed", seed, "--kills", kills, "--steps"):
            await uninterrupted(figures, seed)
    for number in itertools.count(seed):
        left = kills - figures.crashes
        if left <= 0:
            break
        with played_again_by("--seed", number, "--kills", left, "--steps"):
            await killed_at_random_moments(figures, number + 1, left)


async def killed_at_random_moments(figures: Figures, seed: int, most: int) -> None:
    """Kill one job at random moments until it is done, at most *most* times; some are asked to stop before.

    Every second moment is anywhere in a run's life, the others are while it sends.
    """
    chance = random.Random(seed)
    async with job(figures, seed) as one:
        if seed % 2:  # later runs begin with what a kill has left open, and come to nothing that is certainly not sent
            await one.is_killed_after(0.03 * chance.random(), chance.randint(1, MOST_REQUESTS // 2), signal.SIGTERM)
        for number in range(most):
            if one.done:
                break
            if number % 2:
                await one.is_killed_after(figures.life_seconds * chance.random())
            else:
                await one.is_killed_after(0.03 * chance.random(), chance.randint(1, MOST_REQUESTS))


async def killed_at_every_step(figures: Figures, seed: int, steps: Collection[str] = STEPS, hit: int = 1) -> None:
    """Kill jobs before and after every one of *steps*, each at the *hit*-th time that it is taken in a run.

    One that no run takes so often is struck at the first time instead.
    """
    with played_again_by("--seed", seed, "--kills", 0, "--hits", hit, "--steps", *steps):
        await _killed_at_every_step(figures, seed, steps, hit)


async def _killed_at_every_step(figures: Figures, seed: int, steps: Collection[str], hit: int) -> None:
    chance = random.Random(seed)
    left = [At(step, when, 1 if step in ONCE_IN_A_RUN else hit) for step in steps for when in ("before", "after")]
    chance.shuffle(left)
    tries: Counter[tuple[str, str]] = Counter()
    while left:
        left.sort(key=lambda at: at.step not in ONLY_IN_A_NEW_LEDGER)
        async with job(figures, chance.randrange(2**32)) as one:
            if tries[left[0][:2]] > 1:  # what is only done in a resume
                await one.is_killed_at(At("record", "before", 3))
            while left and not one.done:
                at = left.pop(0)
                if not await one.is_killed_at(at):
                    tries[at[:2]] += 1
                    if tries[at[:2]] == MOST_TRIES:
                        raise StepNotReachedError(f"no job came to {at.step!r}")
                    left.append(At(at.step, at.when, 1))
                    continue
                figures.steps[at.hit] += 1
                if at.step in ONLY_IN_A_NEW_LEDGER:
                    break
