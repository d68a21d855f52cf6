"""The account of one job: what earlier runs did, what this one has done, and the report of both."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bulkdelete.errors import LedgerError
from bulkdelete.ledger import Totals
from bulkdelete.ledger.facts import COUNT_AFTER, COUNT_BEFORE
from bulkdelete.records import Ended, Fate
from bulkdelete.reports import Report

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bulkdelete.ledger import Ledger
    from bulkdelete.limiter import Limiter
    from bulkdelete.reports import CanaryCounts
    from bulkdelete.tally import Tally

_NEVER_SENT: Final = (Fate.INVALID, Fate.HELD, Fate.DUPLICATE)
_MADE_BY_FAILURES: Final = frozenset({Ended.COMPLETE, Ended.MAX_FAILURES})
_VERDICTS_ON_THE_REST: Final = frozenset({Ended.WHOLLY_WRONG, Ended.MAX_FAILURES})
_NO_PERSON_NEEDED: Final = frozenset({Ended.COMPLETE, Ended.LIMIT, Ended.QUOTA, Ended.OUTAGE, Ended.DURATION})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How far a running job is, at one moment; counts are rows unless named otherwise.

    At most ``limit`` attempts may be in flight. ``limited_by`` says what limits the job now: ``server``, ``pause``,
    ``quota``, ``outage``, ``retries``, ``source`` or ``ledger``; or ``resume``, before the time that an earlier run was
    asked to come back at. ``last_failure`` is empty once an attempt succeeds.

    Example:
        >>> job = deleter.job(TABLE_ID, ids)
        >>> _ = await job.run()
        >>> now = job.snapshot()
        >>> now.rows, now.settled, now.acknowledged, now.requests, now.in_flight, now.limited_by
        (3, 3, 3, 1, 0, 'server')

    """

    rows: int
    settled: int
    settled_before: int
    acknowledged: int
    failed: int
    requests: int
    retries: int
    in_flight: int
    limit: int
    limited_by: str
    pause_seconds: float
    elapsed_seconds: float
    last_failure: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a run ended, the problem that is raised for it, and whether the source was read to its end."""

    ended: Ended
    reason: str
    problem: Exception | None = None
    resume_at_unix_seconds: float | None = None
    read_to_end: bool = False


class Account:
    """Keeps the account of a job on *table_id* with the ledger at *path*, as *tally* counts it."""

    def __init__(self, table_id: str, path: Path | None, tally: Tally) -> None:
        self._table_id = table_id
        self._path = path
        self._tally = tally
        self._run: int | None = None
        self._facts: Mapping[str, str] = {}
        self.canary: CanaryCounts | None = None
        """What came of the canary of this run, once that is known."""
        self.resume_at_unix_seconds = 0.0
        """Nothing is sent before, because an earlier run was asked to come back then."""
        self._began = time.monotonic()

    def begin(self) -> None:
        """Let the run's time begin now."""
        self._began = time.monotonic()

    @property
    def elapsed_seconds(self) -> float:
        """How long the run has taken."""
        return time.monotonic() - self._began

    def take_over(self, ledger: Ledger) -> None:
        """Take note of what earlier runs did by *ledger*, whose facts may come to be more."""
        self._run, self._facts = ledger.run, ledger.facts
        before, tally = ledger.totals, self._tally
        tally.rows_before = before.rows
        tally.settled_before = before.rows - before.unresolved - before.pending
        tally.acknowledged_before, tally.rejected_before = before.acknowledged, before.rejected
        tally.set_aside_before = {fate: getattr(before, fate) for fate in _NEVER_SENT}

    def snapshot(self, limiter: Limiter, waits_for: str = "") -> Snapshot:
        """Return how far the job is; *waits_for* is what keeps it from sending more, where the limiter does not."""
        idle = limiter.state == "server" and not limiter.waiting and limiter.in_flight < limiter.limit
        resume_seconds = max(0.0, self.resume_at_unix_seconds - time.time())
        limited_by = "resume" if resume_seconds else waits_for if idle and waits_for else limiter.state
        tally = self._tally
        return Snapshot(
            rows=max(tally.rows_before, tally.rows),
            settled=tally.settled,
            settled_before=tally.settled_before,
            acknowledged=tally.acknowledged_before + tally.acknowledged,
            failed=tally.failed,
            requests=tally.requests,
            retries=tally.retries,
            in_flight=limiter.in_flight,
            limit=limiter.limit,
            limited_by=limited_by,
            pause_seconds=max(resume_seconds, limiter.pause_seconds),
            elapsed_seconds=self.elapsed_seconds,
            last_failure=tally.last_failure,
        )

    async def closed(self, ledger: Ledger, ending: Ending) -> tuple[Report, Exception | None]:
        """Return the report of the job after *ending*, and the problem to be raised, by what *ledger* counts.

        Where that can be counted no more, the report is what this run knows, and says so.
        """
        ended, reason, problem = ending.ended, ending.reason, ending.problem
        unread = None
        try:
            totals = await ledger.count()
        except LedgerError as error:
            totals, unread = self._estimated(), error
        if ended in _VERDICTS_ON_THE_REST and ending.read_to_end and not totals.remaining:
            ended, reason = Ended.COMPLETE, ""
        if unread is not None:  # what the engine wrote is there
            problem = unread if ended in _NO_PERSON_NEEDED else problem
            ended, reason = _failed_by(unread, ended, reason)
        return self.report(totals, ended, reason, ending.resume_at_unix_seconds), problem

    def sealed(self, report: Report, digest: str, lost: LedgerError | None) -> Report:
        """Return *report* with the *digest* of its ledger, which is closed; where that was *lost*, it says so."""
        if lost is None:
            return replace(report, ledger_digest=digest)
        ended, reason = _failed_by(lost, report.ended, report.reason)
        return replace(report, ended=ended, reason=reason)

    def estimated(self, ended: Ended, reason: str) -> Report:
        """Return the report of the job by what this run knows, where there is no time to ask the ledger."""
        return self.report(self._estimated(), ended, reason)

    def _estimated(self) -> Totals:
        """Return what this run knows by itself; the rest is unresolved."""
        tally = self._tally
        rows = max(tally.rows_before, tally.rows)
        return Totals(
            rows=rows,
            batches=tally.batches,
            acknowledged=tally.acknowledged_before + tally.acknowledged,
            rejected=tally.rejected_before + tally.rejected,
            **{fate.value: tally.set_aside_before.get(fate, 0) + tally.set_aside[fate] for fate in _NEVER_SENT},
            unresolved=rows - tally.settled,
        )

    def report(self, totals: Totals, ended: Ended, reason: str, resume_at: float | None = None) -> Report:
        """Return the report of the job, whose rows are *totals*; where rows are left, it says what failed at last."""
        failure = self._tally.last_failure
        if failure and ended in _MADE_BY_FAILURES and totals.unresolved + totals.pending:
            reason = f"{reason}{'; ' if reason else ''}the last failure: {failure}"
        return Report(
            table_id=self._table_id,
            **totals._asdict(),
            requests=self._tally.requests,
            retries=self._tally.retries,
            elapsed_seconds=self.elapsed_seconds,
            ended=ended,
            reason=reason,
            settled_before=self._tally.settled_before,
            ledger=None if self._path is None else str(self._path),
            ledger_run=self._run,
            resume_at_unix_seconds=resume_at,
            total_count_before=self._counted(COUNT_BEFORE),
            total_count_after=self._counted(COUNT_AFTER),
            canary=self.canary,
            failures=tuple(self._tally.failures),
        )

    def _counted(self, fact: str) -> int | None:
        counted = self._facts.get(fact)
        return int(counted) if counted else None


def _failed_by(error: LedgerError, ended: Ended, reason: str) -> tuple[Ended, str]:
    """Return how a job ended that would have as *ended* and *reason* say, but for an *error* of its ledger."""
    if ended in _NO_PERSON_NEEDED:
        return Ended.STORAGE, str(error)
    return ended, reason if str(error) in reason else f"{reason}{'; ' if reason else ''}{error}"
