"""What one job tells of itself: its events, each with the job's id and table."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import TYPE_CHECKING, Final

from bulkdelete.errors import (
    CredentialsError,
    FatalAnswer,
    LedgerError,
    LedgerStorageError,
    SettingsError,
    SourceChanged,
    SourceError,
    SourceRefused,
)
from bulkdelete.events import JobBegan, JobEnded, OutcomeReached
from bulkdelete.records import Ended
from bulkdelete.reports import Report

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkdelete.hub import Hub
    from bulkdelete.records import Outcome

_log = logging.getLogger(__name__)
_ENDINGS: Final[tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Ended], ...]] = (
    (SourceChanged, Ended.SOURCE_CHANGED),
    (LedgerStorageError, Ended.STORAGE),
    ((SettingsError, SourceRefused, LedgerError), Ended.REFUSED),
    (SourceError, Ended.SOURCE_BROKEN),
    ((FatalAnswer, CredentialsError), Ended.FATAL_ANSWER),
    (asyncio.CancelledError, Ended.CANCELLED),
)


class JobEvents:
    """Tells *hub* of one job on the table *table_id*; true where anybody listens."""

    __slots__ = ("_began", "hub", "job", "table_id")

    def __init__(self, hub: Hub, table_id: str) -> None:
        self.hub = hub
        self.job = secrets.token_hex(4)
        self.table_id = table_id
        self._began = time.monotonic()

    def __bool__(self) -> bool:
        return bool(self.hub)

    async def around(self, source: str, run: Callable[[], Awaitable[Report]]) -> Report:
        """Tell that the job, on the *source* of this name, begins; *run* it, and tell how it ended.

        Whoever has subscribed to this job alone is forgotten then.
        """
        self._began = time.monotonic()
        _log.info("a job on table %s begins: %s", self.table_id, source)
        if self:
            self.hub.tell(JobBegan(self.job, self.table_id, source))
        try:
            report = await run()
        except BaseException as error:
            self._ended(error)
            raise
        self._ended(report)
        return report

    def reached(self, outcome: Outcome) -> None:
        """Tell of an outcome."""
        self.hub.tell(OutcomeReached(self.job, self.table_id, outcome))

    def _ended(self, how: Report | BaseException) -> None:
        error = None if isinstance(how, Report) else how
        report: Report | None = getattr(error, "report", None) if isinstance(how, BaseException) else how
        if report is not None:
            counts = report.acknowledged, report.rows, report.ended.value, report.reason
            _log.info("%d of %d rows are acknowledged; the job ended: %s %r", *counts)
        if self:
            seconds, kind = time.monotonic() - self._began, "" if error is None else type(error).__name__
            ended = ended_by(error) if report is None else report.ended
            try:
                self.hub.tell(JobEnded(self.job, self.table_id, ended, seconds, report, kind))
            finally:
                self.hub.forget(self.job)


def ended_by(error: BaseException | None) -> Ended:
    """Return why a job ended that raised *error* before it had a report."""
    return next((ended for kind, ended in _ENDINGS if isinstance(error, kind)), Ended.FAULT)
