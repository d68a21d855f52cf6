"""One job, wired: opens its ledger, joins it with its source, runs the engine, returns the report."""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from bulkdelete.batching import Batcher
from bulkdelete.copying import copied, spool_of
from bulkdelete.deleter import Deleter
from bulkdelete.engine import Engine
from bulkdelete.errors import (
    BulkDeleteError,
    LedgerError,
    LedgerStorageError,
    PauseTooLong,
    SourceChanged,
    SourceError,
)
from bulkdelete.ledger import Totals, UnrecordedLedger, open_ledger
from bulkdelete.merging import Merge
from bulkdelete.records import Ended, Report
from bulkdelete.retry import Retry
from bulkdelete.splitting import Suspicion
from bulkdelete.state import State
from bulkdelete.stopping import Stop, StopAsked
from bulkdelete.tally import Tally
from bulkdelete.version import VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from bulkdelete.attempts import Attempts
    from bulkdelete.ledger import Ledger
    from bulkdelete.limiter import Limiter
    from bulkdelete.settings import Settings
    from bulkdelete.sources import Source

SOURCE_PATH = "source_path"
"""The ledger's fact of where the source was read from, last time."""
SOURCE_ROWS = "source_rows"
"""The ledger's fact that the source was read to its end, and how many rows that were."""
RESUME_AT = "resume_at_unix_seconds"
"""The ledger's fact that the API asked to come back not before then."""


_VERDICTS_ON_THE_REST = frozenset({Ended.WHOLLY_WRONG, Ended.MAX_FAILURES})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How far a running job is, at one moment; counts are rows unless named otherwise."""

    rows: int
    settled: int
    settled_before: int
    acknowledged: int
    failed: int
    requests: int
    retries: int
    in_flight: int
    pause_seconds: float
    elapsed_seconds: float


class Job:
    """One job of a :class:`bulkdelete.BulkDeleter`: run it once, look at it or stop it meanwhile."""

    def __init__(  # noqa: PLR0913 - what a job is made of, each once
        self,
        table_id: str,
        source: Source,
        settings: Settings,
        *,
        attempts: Attempts,
        limiter: Limiter,
        ledger: Path | None,
    ) -> None:
        self._table_id = table_id
        self._source = source
        self._settings = settings
        self._attempts = attempts
        self._limiter = limiter
        self._ledger_path = ledger
        self._stop = Stop()
        self._tally = Tally()
        self._engine: Engine | None = None
        self._stopped_early = ""
        self._began = time.monotonic()

    def stop(self, reason: str) -> None:
        """Let the job end soon: what is in flight finishes, the rest stays pending in the ledger."""
        if self._engine is None:
            self._stopped_early = reason
            self._stop.ask()
        else:
            self._engine.halt(Ended.SIGNAL, reason)

    def snapshot(self) -> Snapshot:
        """Return how far the job is."""
        tally = self._tally
        return Snapshot(
            rows=max(tally.rows_before, tally.rows),
            settled=tally.settled,
            settled_before=tally.settled_before,
            acknowledged=tally.acknowledged_before + tally.acknowledged,
            failed=tally.failed,
            requests=tally.requests,
            retries=tally.retries,
            in_flight=self._limiter.in_flight,
            pause_seconds=self._limiter.pause_seconds,
            elapsed_seconds=time.monotonic() - self._began,
        )

    async def run(self) -> Report:
        """Run the job; see :meth:`bulkdelete.BulkDeleter.delete` for what it returns and raises."""
        self._began = time.monotonic()
        ledger = await self._open_ledger()
        self._remember_earlier_runs(ledger.totals)
        ended, reason = Ended.FAULT, "bulkdelete itself failed"
        try:
            report, problem = await self._run(ledger)
            ended, reason = report.ended, report.reason
        except asyncio.CancelledError:
            ended, reason = Ended.CANCELLED, "the awaiting task was cancelled"
            raise
        except SourceError as error:
            changed = isinstance(error, SourceChanged)
            ended, reason = (Ended.SOURCE_CHANGED if changed else Ended.SOURCE_BROKEN), str(error)
            raise
        finally:
            await ledger.close(ended, reason, self._tally.requests, self._tally.retries)
        if problem is not None:
            raise _with_report(problem, report)
        return report

    async def _open_ledger(self) -> Ledger:
        content = await self._source.fingerprint()
        if self._ledger_path is None:
            return UnrecordedLedger()
        identity = {
            "table_id": self._table_id,
            "base_url": self._settings.base_url,
            **{f"source {key}": value for key, value in self._source.identity.items()},
        }
        if content:
            identity["source content"] = content
        synchronous = self._settings.ledger.synchronous
        return await open_ledger(self._ledger_path, identity, synchronous=synchronous, version=VERSION)

    def _remember_earlier_runs(self, before: Totals) -> None:
        tally = self._tally
        tally.rows_before = before.rows
        tally.settled_before = before.rows - before.unresolved - before.pending
        tally.acknowledged_before, tally.rejected_before = before.acknowledged, before.rejected

    async def _run(self, ledger: Ledger) -> tuple[Report, Exception | None]:
        resume_at = float(ledger.facts.get(RESUME_AT, 0))
        if resume_at > time.time():
            why = "the API asked not to come back before the time given"
            return self._report(ledger.totals, Ended.QUOTA, why, resume_at), None
        try:
            source = await self._stop.unless_asked(self._copied(ledger))
        except StopAsked:
            return self._report(await ledger.count(), Ended.SIGNAL, self._stopped_early), None
        merge = self._merge(ledger)
        engine = self._engine = self._wire(ledger)
        if self._stopped_early:
            engine.halt(Ended.SIGNAL, self._stopped_early)
        if self._source.replayable:
            await self._remember(ledger, SOURCE_PATH, stored_paths(self._source.paths))
        await engine.run(merge.batches(source.blocks()), self._settings.flow.cancel_grace_seconds)
        if not (merge.read_to_end or merge.limited or self._stop.asked or engine.problem):
            engine.halt(Ended.FAULT, "the source was not read to its end, and nobody said why")
        if merge.limited:
            limit = self._settings.stop.limit
            engine.halt(Ended.LIMIT, f"the limit of {limit} records in this run was reached{merge.limit_note}")
        if merge.read_to_end:
            await self._remember(ledger, SOURCE_ROWS, str(max(self._tally.rows_before, self._tally.rows)))
        report, problem = await self._account_for(ledger, engine, read_to_end=merge.read_to_end)
        if report.ended is Ended.COMPLETE and not report.remaining:
            self._drop_spool()
        return report, problem

    @property
    def _spool(self) -> Path | None:
        return None if self._ledger_path is None or self._source.replayable else spool_of(self._ledger_path)

    async def _copied(self, ledger: Ledger) -> Source:
        return self._source if self._spool is None else await copied(self._source, ledger, self._spool)

    def _drop_spool(self) -> None:
        if self._spool is not None:
            self._spool.unlink(missing_ok=True)

    def _merge(self, ledger: Ledger) -> Merge:
        rows = ledger.facts.get(SOURCE_ROWS)
        return Merge(
            Batcher(self._table_id, self._settings.batch),
            ledger.ranges(),
            limit=self._settings.stop.limit,
            source_rows=None if rows is None else int(rows),
        )

    def _wire(self, ledger: Ledger) -> Engine:
        settings = self._settings
        state = State(self._stop, self._tally, Suspicion(settings.splitting, self._tally))
        deleter = Deleter(self._table_id, self._attempts, Retry(settings.retry), state)
        workers, max_failures = 2 * settings.flow.permits, settings.stop.max_failures
        return Engine(deleter, ledger, state, workers=workers, max_failures=max_failures)

    async def _account_for(
        self, ledger: Ledger, engine: Engine, *, read_to_end: bool
    ) -> tuple[Report, Exception | None]:
        problem, resume_at = engine.problem, engine.resume_at_unix_seconds
        if resume_at is not None:
            await self._remember(ledger, RESUME_AT, repr(resume_at))
        if isinstance(problem, PauseTooLong):
            problem = None
        try:
            totals = await ledger.count()
        except LedgerError:
            totals = self._estimated()
        ended, reason = engine.ended, engine.reason
        if ended in _VERDICTS_ON_THE_REST and read_to_end and not (totals.unresolved or totals.pending):
            ended, reason = Ended.COMPLETE, ""
        return self._report(totals, ended, reason, resume_at), problem

    async def _remember(self, ledger: Ledger, key: str, value: str) -> None:
        with suppress(LedgerStorageError):  # the engine has seen it too, and says so
            await ledger.remember(key, value)

    def _estimated(self) -> Totals:
        """Return what this run knows by itself where the ledger cannot be read any more; the rest is unresolved."""
        tally = self._tally
        rows = max(tally.rows_before, tally.rows)
        acknowledged = tally.acknowledged_before + tally.acknowledged
        rejected = tally.rejected_before + tally.rejected
        invalid = tally.settled - acknowledged - rejected
        return Totals(
            rows=rows,
            batches=tally.batches,
            acknowledged=acknowledged,
            rejected=rejected,
            invalid=invalid,
            held=0,
            duplicate=0,
            unresolved=rows - tally.settled,
            pending=0,
        )

    def _report(self, totals: Totals, ended: Ended, reason: str, resume_at: float | None = None) -> Report:
        return Report(
            table_id=self._table_id,
            **asdict(totals),
            requests=self._tally.requests,
            retries=self._tally.retries,
            elapsed_seconds=time.monotonic() - self._began,
            ended=ended,
            reason=reason,
            settled_before=self._tally.settled_before,
            ledger=None if self._ledger_path is None else str(self._ledger_path),
            resume_at_unix_seconds=resume_at,
            failures=tuple(self._tally.failures),
        )


def stored_paths(paths: tuple[str, ...]) -> str:
    """Return *paths* for :data:`SOURCE_PATH`: absolute; as JSON where there are several."""
    absolute = [os.path.abspath(path) for path in paths]  # noqa: PTH100 - asks no disk
    return absolute[0] if len(absolute) == 1 else json.dumps(absolute)


def _with_report(problem: Exception, report: Report) -> Exception:
    if isinstance(problem, BulkDeleteError):
        problem.report = report
    return problem
