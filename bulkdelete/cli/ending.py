"""How a run ended: the report, or what the ledger says where the job could not give one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkdelete.cli import exits
from bulkdelete.cli.complaining import lack_behind
from bulkdelete.errors import BulkDeleteError, LedgerError
from bulkdelete.ledger import read_ledger
from bulkdelete.records import Ended
from bulkdelete.reports import Report

if TYPE_CHECKING:
    import asyncio
    import signal
    from pathlib import Path

    from bulkdelete.accounting import Snapshot


@dataclass(frozen=True, slots=True)
class Ending:
    """What a run came to: a report, an error, or both; ``signal`` is the signal that stopped it."""

    report: Report | None = None
    error: BaseException | None = None
    signal: signal.Signals | None = None

    def exit_code(self, *, allow_empty: bool) -> int:
        """Return the process's exit code."""
        stopped = self.report is not None and self.signal is not None
        if self.error is not None and not stopped:
            return exits.of_error(self.error)
        assert self.report is not None  # noqa: S101 - a run without an error has a report
        return exits.of_report(self.report, self.signal, allow_empty=allow_empty)


def ending_of(
    task: asyncio.Task[Report], snapshot: Snapshot, table_id: str, ledger: Path, received: signal.Signals | None
) -> Ending:
    """Return how the finished *task* of a job ended."""
    if task.cancelled():
        report = _from_ledger(snapshot, table_id, ledger, Ended.CANCELLED, "stopped by a second signal")
        return Ending(report or Report(table_id=table_id, ended=Ended.CANCELLED), signal=received)
    error = task.exception()
    if error is None:
        return Ending(task.result(), signal=received)
    if isinstance(error, BulkDeleteError):
        return Ending(error.report, error, received)
    reason = lack_behind(error) or "the traceback above is the fault's"
    return Ending(_from_ledger(snapshot, table_id, ledger, Ended.FAULT, reason), error, received)


def _from_ledger(snapshot: Snapshot, table_id: str, ledger: Path, ended: Ended, reason: str) -> Report | None:
    try:
        with read_ledger(ledger) as reader:
            totals, digest = reader.totals()._asdict(), reader.content_digest()
            run = next((run.id for run in reader.runs()), None)
    except (LedgerError, OSError):
        return None
    return Report(
        table_id=table_id,
        **totals,
        requests=snapshot.requests,
        retries=snapshot.retries,
        elapsed_seconds=snapshot.elapsed_seconds,
        ended=ended,
        reason=reason,
        settled_before=snapshot.settled_before,
        ledger=str(ledger),
        ledger_run=run,
        ledger_digest=digest,
    )
