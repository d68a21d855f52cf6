"""One job, wired: opens its ledger, prepares, sweeps over its source, returns the report."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from bulkdelete.accounting import Account, Ending
from bulkdelete.calls import Calls
from bulkdelete.canary import canary_of
from bulkdelete.capping import BodyCap
from bulkdelete.copying import NothingLeft, drop_spool
from bulkdelete.counting import forget_count, keep_count, total_count
from bulkdelete.deleter import Deleter
from bulkdelete.engine import Crew
from bulkdelete.errors import LedgerStorageError, OutageTooLong, PauseTooLong, SettingsError, SourceError
from bulkdelete.head_start import head_start
from bulkdelete.keeping import keeping
from bulkdelete.ledger.facts import COUNT_AFTER, COUNT_BEFORE, RESUME_AT, SOURCE_ROWS
from bulkdelete.preparing import CapPassed, opened_ledger, prepare
from bulkdelete.records import Ended
from bulkdelete.resuming import accept, note_beginning, note_place
from bulkdelete.retry import Retry
from bulkdelete.splitting import Suspicion
from bulkdelete.state import State
from bulkdelete.stopping import Stop, StopAsked, of_a_caller
from bulkdelete.sweeping import Means, Sweep, Sweeps, crew_of
from bulkdelete.tally import Tally
from bulkdelete.telling import JobEvents, ended_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.accounting import Snapshot
    from bulkdelete.attempts import Attempts
    from bulkdelete.canary import Canary
    from bulkdelete.events import Event
    from bulkdelete.ledger import Ledger
    from bulkdelete.limiter import Limiter
    from bulkdelete.orders import Order
    from bulkdelete.preparing import Prepared
    from bulkdelete.reports import Report
    from bulkdelete.settings import Settings
    from bulkdelete.state import Deliver

_log = logging.getLogger(__name__)


class Job:
    """One job of a :class:`bulkdelete.BulkDeleter`: run it once, look at it or stop it meanwhile.

    Example:
        >>> job = deleter.job(TABLE_ID, ids)
        >>> job.quota_seconds(1_000_000), job.report
        (0.0, None)
        >>> unsubscribe = job.subscribe(lambda event: print(type(event).__name__, event.job == job.id))
        >>> job.stop("not today")
        >>> (await job.run()).reason, job.snapshot().requests
        JobBegan True
        JobEnded True
        ('not today', 0)

    """

    def __init__(
        self, order: Order, settings: Settings, attempts: Attempts, limiter: Limiter, calls: Calls | None = None
    ) -> None:
        self._order = order
        self._settings = settings
        self._attempts = attempts
        self._limiter = limiter
        self._calls = calls or Calls()
        self._stop = Stop()
        self._tally = Tally()
        self._cap = BodyCap(settings.batch.max_body_bytes)
        self._sweeps = Sweeps(self._stop, settings.flow.cancel_grace_seconds)
        self._account = Account(order.table_id, order.ledger, self._tally)
        self._deliver: Deliver | None = None
        self._events = JobEvents(self._calls.hub, order.table_id)
        self.report: Report | None = None
        """The account, once it has ended, also where it was cancelled; ``None`` if it was refused before it began."""

    @property
    def id(self) -> str:
        """The short id that its events carry."""
        return self._events.job

    def subscribe(self, callback: Callable[[Event], object]) -> Callable[[], None]:
        """Call *callback* with the job's events, and what is common, to its end; see :meth:`BulkDeleter.subscribe`."""
        return self._events.hub.subscribe(callback, job=self.id)

    def stop(self, reason: str, ended: Ended = Ended.SIGNAL) -> None:
        """Let the job end soon: what is in flight finishes, the rest stays pending in the ledger."""
        self._sweeps.halt(ended, reason)

    def snapshot(self) -> Snapshot:
        """Return how far the job is."""
        return self._account.snapshot(self._limiter, self._sweeps.waits_for)

    def quota_seconds(self, rows: int) -> float:
        """Return how long so many *rows* take at least by the quotas, as far as they are known; 0 without any."""
        return self._limiter.quota_seconds(math.ceil(max(0, rows) / self._settings.batch.size))

    async def run(self, deliver: Deliver | None = None) -> Report:
        """Run the job; see :meth:`bulkdelete.BulkDeleter.delete` for what it returns and raises.

        *deliver* is awaited with every outcome, and with one for each row that is never sent.
        """
        self._deliver = deliver
        self._calls.begin(self)
        try:
            self._account.begin()
            return await self._events.around(self._order.source.name, self._run_with_report)
        finally:
            self._calls.end(self)

    async def _run_with_report(self) -> Report:
        try:
            return await self._run_to_its_end()
        except BaseException as error:
            if self.report is not None or isinstance(error, asyncio.CancelledError):
                error.report = self.report  # type: ignore[attr-defined]  # as errors of ours have it
            raise

    async def _run_to_its_end(self) -> Report:
        if self._deliver is not None or self._stop.asked:
            return await self._run_whole()
        start = head_start(self._order, self._settings, self._attempts, self._tally, self._events)
        if start is None:
            return await self._run_whole()
        self._sweeps.head_start = start
        if not await start.settles():
            self._order = replace(self._order, source=start.source)
            return await self._run_whole()
        self.report = self._account.report(start.totals, *start.ending)
        start.raise_if_cancelled()
        return self.report

    async def _run_whole(self) -> Report:
        content = await self._order.source.fingerprint()
        ledger = await opened_ledger(self._order, self._settings, content)
        self._account.take_over(ledger)
        ended, reason, report = Ended.FAULT, "bulkdelete itself failed", None
        try:
            report, problem = await self._run(ledger, content)
            ended, reason = report.ended, report.reason
        except asyncio.CancelledError:
            ended, reason = self._sweeps.why_cancelled
            self.report = self._account.estimated(ended, reason)  # what is left where it is cancelled again
            report, _ = await self._account.closed(ledger, Ending(ended, reason))
            raise
        except Exception as error:
            by_check, refused = self._account.canary is not None, isinstance(error, (SettingsError, SourceError))
            ended, reason = Ended.FAULT if by_check and refused else ended_by(error), str(error)
            if by_check or not refused:
                reason = f"{type(error).__name__} was raised"
                report, _ = await self._account.closed(ledger, Ending(ended, reason))
            raise
        finally:
            self.report = report = self.report if report is None else report
            accepting = accept(ledger) if ended is Ended.LIMIT and not self._settings.stop.limit else None
            digest = await ledger.close(ended, reason, self._tally.requests, self._tally.retries)
            if report is not None:
                self.report = report = self._account.sealed(report, digest, ledger.lost)
        problem = problem or (ledger.lost if report.ended is Ended.STORAGE else None)
        if accepting is not None and isinstance(failed := accepting.exception(), Exception):
            self.report, problem = replace(report, ended=Ended.STORAGE, reason=str(failed)), failed
        if problem is not None:
            raise problem
        return report

    async def _run(self, ledger: Ledger, content: str) -> tuple[Report, Exception | None]:
        if self._order.is_settled(ledger):
            drop_spool(ledger)
            return self._account.report(ledger.totals, Ended.COMPLETE, ""), None
        heeds = self._order.heeds_resume_time
        resume_at = float(ledger.facts.get(RESUME_AT, 0)) if heeds and self._asks_the_api else 0.0
        if resume_at > time.time() and not self._settings.flow.wait:
            why = "the API, or a quota, wants nothing before the time given"
            return self._account.report(ledger.totals, Ended.QUOTA, why, resume_at), None
        if self._tally.settled_before:
            _log.info("%d of its rows were settled before", self._tally.settled_before)
        await note_beginning(self._order, self._settings, ledger)
        approved = self._order.approved
        canary = await canary_of(ledger, self._settings.canary.records, "" if approved is None else approved.digest)
        with self._sweeps.for_at_most(self._settings.stop.max_duration_seconds):
            try:
                self._account.resume_at_unix_seconds = resume_at
                if (seconds := resume_at - time.time()) > 0:
                    await self._stop.sleep(seconds)
                prepared = await self._stop.unless_asked(prepare(self._order, self._settings, ledger, content))
                await note_place(self._order, ledger)
                if COUNT_BEFORE not in ledger.facts and not ledger.totals.sent:
                    await self._count(ledger, COUNT_BEFORE, self._stop)
            except StopAsked:
                ended, reason = self._sweeps.ended_early or (Ended.SIGNAL, "")
                if ended is Ended.DURATION:
                    reason = f"{reason}; nothing was sent in this run"
                return await self._account.closed(ledger, Ending(ended, reason))
            except (CapPassed, NothingLeft) as early:
                return await self._account.closed(ledger, Ending(early.ended, str(early)))
            counted = await forget_count(ledger)
            async with keeping(self._limiter, self._cap, ledger, self._sweeps.fail, heeds_told=heeds):
                sweep = self._sweeps.judge(await self._sweep(ledger, prepared, canary))
            return await self._conclude(ledger, sweep, counted)

    async def _sweep(self, ledger: Ledger, prepared: Prepared, canary: Canary | None) -> Sweep:
        """Send the *canary*, where there is one, and the rest; return the sweep that ended it."""
        settings = self._settings
        if self._order.holds:
            await ledger.note("holds", records=len(prepared.holds), digest=prepared.holds.digest)
        suspicion = Suspicion(settings.splitting, self._tally)
        state = State(self._stop, self._tally, suspicion, prepared.holds, self._cap, self._events, self._deliver)
        deleter = Deleter(self._order.table_id, self._sweeps.head_start or self._attempts, Retry(settings.retry), state)
        means = Means(settings, prepared, ledger, state, deleter)
        limit = settings.stop.limit
        if canary is not None:
            first = await self._sweeps.run(Sweep(means, limit, Crew(lambda: 1, 1), enough=canary.missing))
            is_approved = False
            try:
                is_approved = await self._is_approved(ledger, canary, first)
            except LedgerStorageError as error:
                first.engine.halt(Ended.STORAGE, str(error), error)
            if not is_approved:
                return first
            limit = None if limit is None else limit - first.sent
            self._tally.begin_again()
        return await self._sweeps.run(Sweep(means, limit, crew_of(settings.flow, self._limiter)))

    async def _is_approved(self, ledger: Ledger, canary: Canary, sweep: Sweep) -> bool:
        """Ask the check about what *sweep* sent of the *canary*; where it does not say yes, the job ends."""
        check = self._order.check
        assert check is not None  # noqa: S101 - BulkDeleter.job_of has looked
        if not sweep.had_enough:
            return False
        totals = await ledger.count()
        self._account.canary = came = canary.came_of(sweep.sent, totals, self._tally)
        told = canary.told(came, totals)
        if came.unresolved == came.sent:
            unasked = "no final answer came, so nobody was asked about it; the next run sends it again"
            sweep.engine.halt(Ended.OUTAGE, f"{told}: {unasked}")
            return False
        report = self._account.report(totals, Ended.CANARY, f"{told}. The rest waits for the check")
        try:
            said = await self._stop.unless_asked(of_a_caller(check(report), "the check"))
        except StopAsked:
            return False
        await canary.keep(ledger, came, approved=said is True)
        if said is True:
            return True
        sweep.engine.halt(Ended.CANARY, f"the check did not approve: {told}")
        return False

    async def _count(self, ledger: Ledger, fact: str, stop: Stop) -> None:
        """Ask the API how many records the table holds, and keep what it says; that it does not harms no job."""
        if self._order.count:
            heeds = self._order.heeds_resume_time
            async with keeping(self._limiter, self._cap, ledger, self._sweeps.fail, heeds_told=heeds):
                found = await total_count(self._attempts, Retry(self._settings.retry), stop, self._tally, self._events)
            await keep_count(found, ledger, fact, self._order.table_id)

    async def _conclude(self, ledger: Ledger, sweep: Sweep, counted: str) -> tuple[Report, Exception | None]:
        """Return the report of a job that sent what *sweep* did, after an earlier run had *counted* the table."""
        if sweep.read_to_end:
            await self._remember(ledger, SOURCE_ROWS, str(max(self._tally.rows_before, self._tally.rows)))
        if counted and not self._tally.requests:
            await self._remember(ledger, COUNT_AFTER, counted)
        elif sweep.engine.problem is None and sweep.engine.ended not in {Ended.SIGNAL, Ended.DURATION}:
            with suppress(StopAsked):
                await self._count(ledger, COUNT_AFTER, self._sweeps.afterwards)
        report, problem = await self._account_for(ledger, sweep)
        if report.ended is Ended.COMPLETE and not report.remaining:
            ledger.write_releases()
            drop_spool(ledger)
        return report, problem

    async def _account_for(self, ledger: Ledger, sweep: Sweep) -> tuple[Report, Exception | None]:
        engine = sweep.engine
        problem = None if isinstance(engine.problem, PauseTooLong | OutageTooLong) else engine.problem
        resume_at = engine.resume_at_unix_seconds
        ending = Ending(engine.ended, engine.reason, problem, resume_at, sweep.read_to_end)
        report, problem = await self._account.closed(ledger, ending)
        if resume_at is not None or (report.ended is Ended.COMPLETE and RESUME_AT in ledger.facts):
            await self._remember(ledger, RESUME_AT, repr(resume_at or 0.0))
        return report, problem

    @property
    def _asks_the_api(self) -> bool:
        return self._settings.stop.limit != 0 or self._order.count

    async def _remember(self, ledger: Ledger, key: str, value: str) -> None:
        with suppress(LedgerStorageError):  # the engine has seen it too, and says so
            await ledger.remember(key, value)
