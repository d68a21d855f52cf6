"""One job, wired: opens its ledger, joins it with its source, runs the engine, returns the report."""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bulkdelete.accounting import Account
from bulkdelete.batching import Batcher
from bulkdelete.copying import spool_of
from bulkdelete.deleter import Deleter
from bulkdelete.engine import Engine
from bulkdelete.errors import (
    BulkDeleteError,
    LedgerError,
    LedgerStorageError,
    PauseTooLong,
    SettingsError,
    SourceChanged,
    SourceError,
    SourceRefused,
)
from bulkdelete.ledger import UnrecordedLedger, open_ledger
from bulkdelete.ledger.facts import RESUME_AT, SOURCE_PATH, SOURCE_ROWS
from bulkdelete.merging import Merge
from bulkdelete.preparing import CapPassed, prepare
from bulkdelete.records import Ended
from bulkdelete.retry import Retry
from bulkdelete.splitting import Suspicion
from bulkdelete.state import State
from bulkdelete.stopping import Stop, StopAsked
from bulkdelete.tally import Tally
from bulkdelete.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bulkdelete.accounting import Snapshot
    from bulkdelete.attempts import Attempts
    from bulkdelete.ledger import Ledger
    from bulkdelete.limiter import Limiter
    from bulkdelete.preparing import Prepared
    from bulkdelete.records import Report
    from bulkdelete.settings import Settings
    from bulkdelete.sources import Source

_REFUSALS = (
    (SourceChanged, Ended.SOURCE_CHANGED),
    ((SettingsError, SourceRefused), Ended.REFUSED),
    (SourceError, Ended.SOURCE_BROKEN),
)
_VERDICTS_ON_THE_REST = frozenset({Ended.WHOLLY_WRONG, Ended.MAX_FAILURES})


@dataclass(frozen=True, slots=True)
class Order:
    """What a caller asks for.

    *holds* are its hold lists, *decisions* what was decided before it, for the ledger: kind and plain values.
    *one_at_a_time* lets no batch be sent before the one before it has its outcome.
    """

    table_id: str
    source: Source
    ledger: Path | None = None
    holds: tuple[Source, ...] = ()
    decisions: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    one_at_a_time: bool = False


class Job:
    """One job of a :class:`bulkdelete.BulkDeleter`: run it once, look at it or stop it meanwhile."""

    def __init__(self, order: Order, settings: Settings, attempts: Attempts, limiter: Limiter) -> None:
        self._order = order
        self._table_id = order.table_id
        self._source = order.source
        self._ledger_path = order.ledger
        self._settings = settings
        self._attempts = attempts
        self._limiter = limiter
        self._stop = Stop()
        self._tally = Tally()
        self._engine: Engine | None = None
        self._stopped_early: tuple[Ended, str] | None = None
        self._account = Account(order.table_id, order.ledger, self._tally)

    def stop(self, reason: str) -> None:
        """Let the job end soon: what is in flight finishes, the rest stays pending in the ledger."""
        self._end(Ended.SIGNAL, reason)

    def snapshot(self) -> Snapshot:
        """Return how far the job is."""
        return self._account.snapshot(self._limiter)

    def _end(self, ended: Ended, reason: str) -> None:
        if self._engine is None:
            self._stopped_early = self._stopped_early or (ended, reason)
            self._stop.ask()
        else:
            self._engine.halt(ended, reason)

    async def run(self) -> Report:
        """Run the job; see :meth:`bulkdelete.BulkDeleter.delete` for what it returns and raises."""
        self._account.begin()
        ledger = await self._open_ledger()
        self._account.take_over(ledger.totals)
        ended, reason = Ended.FAULT, "bulkdelete itself failed"
        try:
            report, problem = await self._run(ledger)
            ended, reason = report.ended, report.reason
        except asyncio.CancelledError:
            ended, reason = Ended.CANCELLED, "the awaiting task was cancelled"
            raise
        except (SettingsError, SourceError) as error:
            ended = next(ended for kind, ended in _REFUSALS if isinstance(error, kind))
            reason = str(error)
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

    async def _run(self, ledger: Ledger) -> tuple[Report, Exception | None]:
        resume_at = float(ledger.facts.get(RESUME_AT, 0))
        if resume_at > time.time():
            why = "the API asked not to come back before the time given"
            return self._account.report(ledger.totals, Ended.QUOTA, why, resume_at), None
        await self._note_beginning(ledger)
        with self._for_at_most(self._settings.stop.max_duration_seconds):
            try:
                prepared = await self._stop.unless_asked(
                    prepare(self._table_id, self._source, self._order.holds, self._settings, ledger)
                )
            except StopAsked:
                ended, reason = self._stopped_early or (Ended.SIGNAL, "")
                if ended is Ended.DURATION:
                    reason = f"{reason}; nothing was sent in this run"
                return self._account.report(await ledger.count(), ended, reason), None
            except CapPassed as cap:
                return self._account.report(await ledger.count(), cap.ended, str(cap)), None
            return await self._send(ledger, prepared)

    async def _note_beginning(self, ledger: Ledger) -> None:
        for kind, detail in self._order.decisions:
            await ledger.note(kind, **detail)
        await ledger.note("settings", **self._settings.model_dump(mode="json", exclude={"api_key_command"}))
        if self._source.replayable:
            await self._remember(ledger, SOURCE_PATH, stored_paths(self._source.paths))

    async def _send(self, ledger: Ledger, prepared: Prepared) -> tuple[Report, Exception | None]:
        if self._order.holds:
            await ledger.note("holds", records=len(prepared.holds), digest=prepared.holds.digest)
        merge = self._merge(ledger, prepared)
        engine = self._engine = self._wire(ledger, prepared)
        if self._stopped_early is not None:
            engine.halt(*self._stopped_early)
        await engine.run(merge.batches(prepared.source.blocks()), self._settings.flow.cancel_grace_seconds)
        self._judge(merge, engine, surveyed=prepared.surveyed)
        if merge.read_to_end:
            await self._remember(ledger, SOURCE_ROWS, str(max(self._tally.rows_before, self._tally.rows)))
        report, problem = await self._account_for(ledger, engine, read_to_end=merge.read_to_end)
        if report.ended is Ended.COMPLETE and not report.remaining:
            self._drop_spool()
        return report, problem

    @contextmanager
    def _for_at_most(self, seconds: float | None) -> Iterator[None]:
        if seconds is None:
            yield
            return
        left = max(0.0, seconds - self._account.elapsed_seconds)
        reason = f"max_duration_seconds, {seconds:g}, is over"
        timer = asyncio.get_running_loop().call_later(left, self._end, Ended.DURATION, reason)
        try:
            yield
        finally:
            timer.cancel()

    def _judge(self, merge: Merge, engine: Engine, *, surveyed: bool) -> None:
        """Say why the batches ended where they did."""
        stop = self._settings.stop
        if merge.over_cap and stop.expect is not None and merge.found > stop.expect:
            more = "and nothing more was sent"
            engine.halt(Ended.UNEXPECTED, f"the source holds more than the {stop.expect:,} records expected, {more}")
        elif merge.over_cap:
            engine.halt(Ended.MAX_RECORDS, f"max_records, {stop.max_records:,}, is reached, and nothing more was sent")
        elif merge.limited:
            engine.halt(Ended.LIMIT, f"the limit of {stop.limit} records in this run was reached{merge.limit_note}")
        elif merge.read_to_end and not surveyed and stop.expect not in {None, merge.found}:
            what = f"the source held {merge.found:,} records, and {stop.expect:,} were expected"
            engine.halt(Ended.UNEXPECTED, what)
        elif not (merge.read_to_end or self._stop.asked or engine.problem):
            engine.halt(Ended.FAULT, "the source was not read to its end, and nobody said why")

    @property
    def _spool(self) -> Path | None:
        return None if self._ledger_path is None or self._source.replayable else spool_of(self._ledger_path)

    def _drop_spool(self) -> None:
        if self._spool is not None:
            self._spool.unlink(missing_ok=True)

    def _merge(self, ledger: Ledger, prepared: Prepared) -> Merge:
        rows, stop = ledger.facts.get(SOURCE_ROWS), self._settings.stop
        return Merge(
            Batcher(self._table_id, self._settings.batch, prepared.screen),
            ledger.ranges(),
            limit=stop.limit,
            source_rows=int(rows) if rows is not None and ledger.totals.rows else None,
            most_records=stop.max_records,
            expected=None if prepared.surveyed else stop.expect,
        )

    def _wire(self, ledger: Ledger, prepared: Prepared) -> Engine:
        settings = self._settings
        state = State(self._stop, self._tally, Suspicion(settings.splitting, self._tally), prepared.holds)
        deleter = Deleter(self._table_id, self._attempts, Retry(settings.retry), state)
        workers = 1 if self._order.one_at_a_time else 2 * settings.flow.permits
        return Engine(deleter, ledger, state, workers=workers, max_failures=settings.stop.max_failures)

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
            totals = self._account.estimated()
        ended, reason = engine.ended, engine.reason
        if ended in _VERDICTS_ON_THE_REST and read_to_end and not (totals.unresolved or totals.pending):
            ended, reason = Ended.COMPLETE, ""
        return self._account.report(totals, ended, reason, resume_at), problem

    async def _remember(self, ledger: Ledger, key: str, value: str) -> None:
        with suppress(LedgerStorageError):  # the engine has seen it too, and says so
            await ledger.remember(key, value)


def stored_paths(paths: tuple[str, ...]) -> str:
    """Return *paths* for :data:`SOURCE_PATH`: absolute; as JSON where there are several."""
    absolute = [os.path.abspath(path) for path in paths]  # noqa: PTH100 - asks no disk
    return absolute[0] if len(absolute) == 1 else json.dumps(absolute)


def _with_report(problem: Exception, report: Report) -> Exception:
    if isinstance(problem, BulkDeleteError):
        problem.report = report
    return problem
