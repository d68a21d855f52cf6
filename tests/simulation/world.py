"""One job, one API and one folder, over as many runs as it takes: each run is looked at from all sides.

A cut is a SIGKILL: the files are taken as they are between two steps, what the process does after that reaches nobody,
and the next run finds those files.
"""

from __future__ import annotations

import asyncio
import math
import shutil
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from bulkdelete.attempts import Attempts
from bulkdelete.calls import Calls
from bulkdelete.credentials import Credentials
from bulkdelete.errors import FatalAnswer
from bulkdelete.events import OutcomeReached
from bulkdelete.hub import Hub
from bulkdelete.job import Job
from bulkdelete.ledger.lock import holder
from bulkdelete.limiter import Limiter
from bulkdelete.orders import Order
from bulkdelete.records import Ended, Outcome
from bulkdelete.settings import CanarySettings
from bulkdelete.sources import from_iterable, open_source
from tests.secrets import as_told, assert_nowhere, everything_logged
from tests.simulation import oracle
from tests.simulation.api import KEY, NEW_KEY, TABLE, Api
from tests.simulation.figures import Figures
from tests.simulation.loop import Clock, SimulatedLoop, Trace
from tests.simulation.pauses import KEPT_WITHIN_SECONDS
from tests.simulation.scenario import INVALID, Blow, Scenario
from tests.simulation.server_quota import ServerQuota
from tests.simulation.timing import most_seconds

if TYPE_CHECKING:
    from pathlib import Path

    from bulkdelete.reports import Report
    from bulkdelete.settings import Settings
    from tests.simulation.neighbour import Neighbour
    from tests.simulation.trouble import Trouble

GAPS_SECONDS = (0.0, 0.5, 7.0, 100.0, 4000.0)
BY_RICH_OF = 25
"""Of so many exceptions one is told by rich too, which takes long."""
NO_BLOW = Blow("none", 0.0)
Play = Callable[[Job], Coroutine[Any, Any, "Report | None"]]


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
            quota=ServerQuota(scenario.told) if scenario.told else None,
        )
        self._dice = scenario.dice(f"{name} order")
        self._judgement = scenario.dice(f"{name} judgement")
        self.figures = Figures()
        self.steps, self.seconds, self.most_seconds = 0, 0.0, 0.0
        self.is_approved = scenario.canary is None or not durable
        self._raised: BaseException | None = None
        self._executor_seconds = 0.0
        self._broken_off_at = math.inf
        """When it was cut, or what was cancelled may be cancelled once more, and write nothing from then on."""
        self.approves: bool | None = None
        """Whether a canary is approved; ``None``: the dice say it."""
        self.was_cut = False
        self.trouble: Trouble | None = None
        """What fails around its next run."""
        self.neighbour: Neighbour | None = None
        """Another call of the same deleter, that begins with its next run."""
        self.play: Play = Job.run
        """What a run of the job is."""

    def run(
        self, blow: Blow = NO_BLOW, step: int = 0, *, patient: bool = False, settings: Settings | None = None
    ) -> Report | None:
        """Run the job once and check what it left; return its report, ``None`` where it gave none."""
        scenario, api = self.scenario, self.api
        self.held |= frozenset(blow.holds_more)
        api.begin_run(self.held.union(INVALID))
        api.served.is_alone = not self.is_approved
        settings = settings or (scenario.patient_settings if patient else scenario.settings)
        hub = Hub()
        limiter = Limiter(settings.flow, self.clock, self._dice.random, hub)
        self.trace.add(f"{self.name} run, {blow.act} at {step}")
        self._raised, self._broken_off_at = None, math.inf
        job, outcomes = self._job(settings, limiter, Calls(hub)), list[Outcome]()
        job.subscribe(lambda event: outcomes.append(event.outcome) if isinstance(event, OutcomeReached) else None)
        with everything_logged() as logged, nullcontext() if self.trouble is None else self.trouble.around():
            report = self._drive(job, limiter, blow, step)
        self.most_seconds = most_seconds(
            scenario, api.served, self._executor_seconds, api.arrivals, was_cut=self.was_cut
        )
        self._search_for_the_key(logged, report, by_rich=(scenario.seed + step) % BY_RICH_OF == 0)
        self._forget_pauses()
        self._restore(report)
        oracle.check_given_up(outcomes, scenario, settings)
        oracle.check_requests(api, scenario.quotas if self._durable else {})
        oracle.check_bounds(api, settings.stop.limit, None if self.is_approved else scenario.canary, self.held)
        self.trace.add(f"{report and report.ended}")
        self.figures.endings[report.ended.value if report is not None else "without a report"] += 1
        self.figures.beyond_quota += api.served.refused
        if self._durable:
            self._check_ledger(report)
        elif (told := report or getattr(self._raised, "report", None)) is not None:
            broken_off = report is None or report.ended is Ended.CANCELLED  # its reader left, and its grace was over
            oracle.check_told(told, outcomes, broken_off=broken_off)
        return report

    def _job(self, settings: Settings, limiter: Limiter, calls: Calls) -> Job:
        rows, spooled = self.scenario.rows, self.scenario.is_spooled
        if self.trouble is None:
            source, key = from_iterable(list(rows)) if spooled else open_source(self.source), KEY
        else:
            source, key = self.trouble.source(rows, spooled=spooled), self.trouble.key
        holds = (from_iterable(sorted(self.held)),) if self.held else ()
        order = Order(TABLE, source, self.ledger, holds, check=self._judge)
        if not self._durable:  # nor is there a canary then
            order = replace(order, ledger=None, check=None)
            settings = settings.model_copy(update={"canary": CanarySettings()})
        transport = self.api if self.neighbour is None else self.neighbour.transport(TABLE)
        attempts = Attempts(transport, limiter, Credentials(key), wall_clock=self.clock)
        if self.neighbour is not None:
            self.neighbour.prepare(settings, attempts, limiter, calls)
        return Job(order, settings, attempts, limiter, calls)

    async def _judge(self, report: Report) -> bool:
        """Look at a canary."""
        came = report.canary
        assert came is not None
        assert report.ended is Ended.CANARY, report
        assert came.sent == came.acknowledged + came.rejected + came.unresolved, came
        assert not self.is_approved or self.was_cut, "asked again, though it was approved"
        seconds = self._judgement.choice((0, 0.1))
        await asyncio.sleep(seconds)
        self.api.served.judged_seconds += seconds
        approves = self.approves or (self.approves is None and self._judgement.random() < 0.5)
        self.is_approved |= approves
        self.api.served.is_alone = not approves
        return approves

    def _search_for_the_key(self, logged: list[str], report: Report | None, *, by_rich: bool) -> None:
        """The key is in no file, also of an image, in nothing logged, in no report, and nowhere in what was raised."""
        texts = ["\n".join(logged)]
        if report is not None:
            texts += repr(report), repr(report.failures), orjson.dumps(report.as_dict())
        if self._raised is not None:
            texts += as_told(self._raised, by_rich=by_rich)
        for key in (KEY,) if self.trouble is None else (KEY, NEW_KEY):
            assert_nowhere(key, [path for path in (self.folder, self.image) if path.exists()], texts)

    def _check_ledger(self, report: Report | None) -> None:
        image = oracle.read(self.ledger, self.scenario.rows)
        self.trace.add(str(image.fates))
        oracle.check_image(image, self.scenario, self.api)
        oracle.check_doubts(image, self.scenario, self.api, was_cut=self.was_cut)
        if self.trouble is not None:
            self.trouble.check(report, self._raised, image)
        elif report is not None:
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
                (main if not blow.neighbour else self.neighbour.call).cancel()
            if acted and self.trouble is not None:
                self.trouble.strike()

        loop = self.clock.loop = SimulatedLoop(self._dice, self.trace, on_step)
        main = loop.create_task(self.play(job))
        tasks = {main} if self.neighbour is None else {main, self.neighbour.begin(loop)}
        report = None
        try:
            loop.run_until_complete(asyncio.wait(tasks))
            is_struck = acted and (blow.act == "cut" or not blow.neighbour)
            report = self._ending(main, cancelled=is_struck and blow.act in {"cut", "cancel"})
            left = [task.get_name() for task in asyncio.all_tasks(loop)]
            assert not left, f"tasks are left behind: {left}"
            assert not (swallowed := loop.swallowed()), f"their cancellation is swallowed: {swallowed}"
            assert not limiter.in_flight, f"{limiter.in_flight} permits are left behind"
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            self.figures.runs += 1
            self.figures.steps += loop.steps
            self.seconds, self._executor_seconds = loop.time(), loop.executor_seconds
            loop.close()
        assert not loop.complaints, loop.complaints
        assert holder(self.ledger) is None, "the lock is left behind"
        if acted and blow.act != "none":
            self.figures.acts[blow.act] += 1
        return report

    def _act(self, blow: Blow, job: Job, main: asyncio.Task[Report | None]) -> None:
        if self.neighbour is not None and (blow.neighbour or blow.act == "cut"):
            self.neighbour.befall(blow)
        if blow.neighbour and blow.act != "cut":
            return
        self.was_cut |= blow.act in {"cut", "cancel", "fail"}
        if blow.act == "cut" or blow.again:
            self._broken_off_at = self.clock()
        if blow.act == "cut":
            shutil.copytree(self.folder, self.image)
            self.api.lose_client()
            main.cancel()
        elif blow.act == "cancel":
            main.cancel()
        elif blow.act == "stop":
            job.stop("SIGTERM received")

    def _ending(self, main: asyncio.Task[Report | None], *, cancelled: bool) -> Report | None:
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
        if isinstance(problem, FatalAnswer if self.trouble is None else self.trouble.raises):
            return problem.report
        raise problem

    def _forget_pauses(self) -> None:
        """Of what this run heard, the next one knows what was on disk in time."""
        knows_all = self._durable and self.trouble is None and self.neighbour is None
        self.api.pauses.forget(self._broken_off_at - KEPT_WITHIN_SECONDS if knows_all else 0.0)

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
        self.approves = True
        report = self.run(patient=True)
        self.check_time()
        if report is not None and report.ended is Ended.WHOLLY_WRONG:
            oracle.check_wrong(self.scenario, self.api)
            report = self.run(settings=self.scenario.trusting_settings)
            self.check_time()
        is_done = report is not None and report.ended is Ended.COMPLETE and not report.remaining
        assert is_done, f"an undisturbed run does not end the job: {report}"
        return report

    def check_time(self) -> None:
        """The last run took no longer than it had to."""
        most = self.most_seconds
        assert self.seconds <= most, f"an undisturbed run took {self.seconds:.2f} s, more than {most:.2f}"

    def check_end(self) -> None:
        """Each row has ended as it had to."""
        scenario, image = self.scenario, oracle.read(self.ledger, self.scenario.rows)
        wanted = oracle.expected(scenario, image.starts if scenario.cuts_anew else frozenset())
        oracle.check_same(image, wanted, scenario, self.api, self.held - scenario.held)
