"""One job, one API and one folder, over as many runs as it takes: each run is looked at from all sides.

A cut is a SIGKILL: the files are taken as they are between two steps, what the process does after that reaches nobody,
and the next run finds those files.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from bulkdelete.attempts import Attempts
from bulkdelete.credentials import Credentials
from bulkdelete.errors import FatalAnswer
from bulkdelete.job import Job
from bulkdelete.ledger.lock import holder
from bulkdelete.limiter import Limiter
from bulkdelete.orders import Order
from bulkdelete.records import Ended
from bulkdelete.sources import from_iterable, open_source
from tests.secrets import as_told, assert_nowhere, everything_logged
from tests.simulation import oracle
from tests.simulation.api import KEY, TABLE, Api
from tests.simulation.loop import Clock, SimulatedLoop, Trace
from tests.simulation.scenario import INVALID, Blow, Scenario

if TYPE_CHECKING:
    from pathlib import Path

    from bulkdelete.records import Report

GAPS_SECONDS = (0.0, 0.5, 7.0, 100.0, 4000.0)
NO_BLOW = Blow("none", 0.0)


@dataclass
class Figures:
    """What happened in some histories, counted."""

    histories: int = 0
    runs: int = 0
    steps: int = 0
    requests: int = 0
    rows: int = 0
    acts: dict[str, int] = field(default_factory=lambda: {"cut": 0, "cancel": 0, "stop": 0})

    def add(self, other: Figures) -> None:
        self.histories += other.histories
        self.runs += other.runs
        self.steps += other.steps
        self.requests += other.requests
        self.rows += other.rows
        for act, times in other.acts.items():
            self.acts[act] += times

    def told(self) -> str:
        acts = ", ".join(f"{times} times {act}" for act, times in self.acts.items())
        return f"{self.runs} runs, {self.steps} steps, {self.rows} rows, {self.requests} requests; {acts}"


class World:
    """One job, one API and one folder, over as many runs as it takes."""

    def __init__(  # noqa: PLR0913 - a world is all of that
        self, scenario: Scenario, folder: Path, name: str, trace: Trace, *, faults: bool, durable: bool = True
    ) -> None:
        self.scenario, self.name, self.trace, self._durable = scenario, name, trace, durable
        self.folder, self.image = folder / name, folder / f"{name} image"
        self.folder.mkdir()
        self.source = folder / f"{name}.txt"
        self.source.write_text("".join(f"{row}\n" for row in scenario.rows))
        self.ledger = self.folder / "purge.db"
        self.clock = Clock()
        self.held = scenario.held
        self.api = Api(
            self.clock,
            scenario.dice(f"{name} api"),
            trace,
            scenario.poisoned,
            scenario.faults if faults else (),
            scenario.fault_rate,
            scenario.most_records,
            scenario.in_part,
            scenario.once,
            most_sent=scenario.size,
        )
        self._dice = scenario.dice(f"{name} order")
        self.figures = Figures()
        self.steps, self.seconds = 0, 0.0

    def run(self, blow: Blow = NO_BLOW, step: int = 0, *, patient: bool = False) -> Report | None:
        """Run the job once and check what it left; return its report, ``None`` where it gave none."""
        scenario, api = self.scenario, self.api
        self.held |= frozenset(blow.holds_more)
        api.is_dead, api.forbidden = False, self.held.union(INVALID)
        settings = scenario.patient_settings if patient else scenario.settings
        limiter = Limiter(settings.flow, self.clock, self._dice.random)
        source = from_iterable(list(scenario.rows)) if scenario.is_spooled else open_source(self.source)
        holds = (from_iterable(sorted(self.held)),) if self.held else ()
        job = Job(
            Order(TABLE, source, self.ledger if self._durable else None, holds),
            settings,
            Attempts(api, limiter, Credentials(KEY), wall_clock=self.clock),
            limiter,
        )
        self.trace.add(f"{self.name} run, {blow.act} at {step}")
        self._raised: BaseException | None = None
        with everything_logged() as logged:
            report = self._drive(job, limiter, blow, step)
        self._search_for_the_key(logged, report)
        self._restore(report)
        oracle.check_requests(api, scenario.quotas if self._durable else {})
        self.trace.add(f"{report and report.ended}")
        if self._durable:
            self._check_ledger(report)
        elif report is not None:
            assert report.balanced
        return report

    def _search_for_the_key(self, logged: list[str], report: Report | None) -> None:
        """The key is in no file, also of an image, in nothing logged, in no report, and nowhere in what was raised."""
        texts = ["\n".join(logged)]
        if report is not None:
            texts += repr(report), repr(report.failures), orjson.dumps(report.as_dict())
        if self._raised is not None:
            texts += as_told(self._raised, by_rich=self.scenario.is_told_by_rich)
        assert_nowhere(KEY, [path for path in (self.folder, self.image) if path.exists()], texts)

    def _check_ledger(self, report: Report | None) -> None:
        image = oracle.read(self.ledger, self.scenario.rows)
        self.trace.add(str(image.fates))
        oracle.check_image(image, self.scenario, self.api)
        if report is not None:
            oracle.check_report(report, image)

    def _drive(self, job: Job, limiter: Limiter, blow: Blow, step: int) -> Report | None:
        acted, self.steps = False, 0

        def on_step(number: int) -> None:
            nonlocal acted
            self.steps += not main.done()
            if number == step and not main.done():
                acted = True
                self._act(blow, job, main)
            elif acted and number == step + blow.again:
                main.cancel()

        loop = self.clock.loop = SimulatedLoop(self._dice, self.trace, on_step)
        main = loop.create_task(job.run())
        report = None
        try:
            loop.run_until_complete(asyncio.wait({main}))
            report = self._ending(main, cancelled=acted and blow.act in {"cut", "cancel"})
            left = [task.get_name() for task in asyncio.all_tasks(loop)]
            assert not left, f"tasks are left behind: {left}"
            assert not limiter.in_flight, f"{limiter.in_flight} permits are left behind"
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            self.figures.runs += 1
            self.figures.steps += loop.steps
            self.seconds = loop.time()
            loop.close()
        assert not loop.complaints, loop.complaints
        assert holder(self.ledger) is None, "the lock is left behind"
        if acted and blow.act != "none":
            self.figures.acts[blow.act] += 1
        return report

    def _act(self, blow: Blow, job: Job, main: asyncio.Task[Report]) -> None:
        if blow.act == "cut":
            shutil.copytree(self.folder, self.image)
            self.api.lose_client()
            main.cancel()
        elif blow.act == "cancel":
            main.cancel()
        elif blow.act == "stop":
            job.stop("SIGTERM received")

    def _ending(self, main: asyncio.Task[Report], *, cancelled: bool) -> Report | None:
        if cancelled:
            assert main.cancelled(), f"the cancellation is swallowed: {main}"
            try:
                main.result()
            except asyncio.CancelledError as error:
                self._raised = error
            return None
        assert not main.cancelled(), "a cancellation comes from nowhere"
        problem = main.exception()
        if problem is None:
            return main.result()
        self._raised = problem
        if isinstance(problem, FatalAnswer):
            return problem.report
        raise problem

    def _restore(self, report: Report | None) -> None:
        """Put the image of a cut in place of what is there, and let some time pass."""
        if self.image.exists():
            shutil.rmtree(self.folder)
            self.image.rename(self.folder)
        resume_at = None if report is None else report.resume_at_unix_seconds
        waits = 0.0 if resume_at is None else max(0.0, resume_at - self.clock())
        self.clock.leave(max(waits, self._dice.choice(GAPS_SECONDS)))

    def run_to_end(self) -> Report:
        """Run once more, undisturbed and with few faults or none: nothing remains then, and that within its time."""
        report = self.run(patient=True)
        most = self.scenario.longest_seconds
        assert self.seconds <= most, f"an undisturbed run took {self.seconds:.0f} s, more than {most:.0f}"
        is_done = report is not None and report.ended is Ended.COMPLETE and not report.remaining
        assert is_done, f"an undisturbed run does not end the job: {report}"
        return report
