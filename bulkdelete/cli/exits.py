"""Exit codes: what a report, an error or a signal makes of the process."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

from bulkdelete.errors import (
    BulkDeleteError,
    CredentialsError,
    LedgerLocked,
    LedgerMismatch,
    LedgerStorageError,
    OutageTooLong,
    PauseTooLong,
    SettingsError,
    SourceRefused,
)
from bulkdelete.records import Ended

if TYPE_CHECKING:
    from bulkdelete.reports import Report

DONE: Final = 0
FAILED_ROWS: Final = 1
REFUSED: Final = 2
PERSON_NEEDED: Final = 3
RUN_AGAIN: Final = 75
SIGNAL_BASE: Final = 128
SIGINT_EXIT: Final = 130

_BY_ENDING: Final = {
    Ended.SIGNAL: SIGINT_EXIT,
    Ended.CANCELLED: SIGINT_EXIT,
    Ended.SOURCE_CHANGED: REFUSED,
    Ended.REFUSED: REFUSED,
    Ended.LIMIT: RUN_AGAIN,
    Ended.QUOTA: RUN_AGAIN,
    Ended.DURATION: RUN_AGAIN,
    Ended.OUTAGE: RUN_AGAIN,
}
_BY_ERROR: Final[tuple[tuple[type[BulkDeleteError], int], ...]] = (
    (SettingsError, REFUSED),
    (SourceRefused, REFUSED),
    (LedgerMismatch, REFUSED),
    (LedgerLocked, RUN_AGAIN),
    (PauseTooLong, RUN_AGAIN),
    (OutageTooLong, RUN_AGAIN),
)


def of_report(report: Report, signal_number: int | None = None, *, allow_empty: bool = True) -> int:
    """Return the exit code for *report*; *signal_number* is the signal that stopped the job, where one did."""
    if signal_number is not None and report.ended in {Ended.SIGNAL, Ended.CANCELLED}:
        return SIGNAL_BASE + signal_number
    if not report.balanced:
        return PERSON_NEEDED
    if report.ended is not Ended.COMPLETE:
        return _BY_ENDING.get(report.ended, PERSON_NEEDED)
    if not report.rows and not allow_empty:
        return REFUSED
    if report.remaining:
        return RUN_AGAIN
    return FAILED_ROWS if report.rejected or report.invalid else DONE


def of_error(error: BaseException) -> int:
    """Return the exit code for *error*: what ended a command that has no report, or beside it."""
    if isinstance(error, KeyboardInterrupt):
        number: int = error.args[0] if error.args else signal.SIGINT
        return SIGNAL_BASE + number
    if isinstance(error, LedgerStorageError) and error.report is None:
        return REFUSED  # it could not even be opened
    if isinstance(error, CredentialsError):
        sent = error.report is not None and error.report.requests
        return PERSON_NEEDED if sent else REFUSED
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), PERSON_NEEDED)
