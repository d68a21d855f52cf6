"""Everything that bulkdelete raises on purpose, in one tree.

BulkDeleteError                 has .report, the report so far, where a job had begun
|-- SettingsError               a setting, option or confirmation is refused; nothing was sent
|   |-- PlanRefused             what would be deleted is not what the plan says; nothing was sent
|   `-- HoldsRefused            a hold list cannot be used; nothing was sent
|-- HoldViolated                a request was about to hold a record on hold, a fault of bulkdelete; it was not sent
|-- CredentialsError            there is no usable API key, or none any more
|-- SourceError                 the source cannot be read, or broke while it was read
|   `-- SourceRefused           the source can be read and is not what the job needs; nothing was sent
|       `-- SourceChanged       the source is not the one whose rows the ledger holds
|-- LedgerError                 the ledger cannot be used
|   |-- LedgerLocked            another process is writing this ledger
|   |-- LedgerMismatch          the ledger belongs to another job, or to another version
|   `-- LedgerStorageError      the disk refused a write; nothing more was sent
|-- FatalAnswer                 the API refused the table, the key or the plan; has .verdict
|-- PauseTooLong                the API asks for a longer pause than max_pause_seconds; has .until_unix_seconds
|-- OutageTooLong               nothing but failures came back for max_outage_seconds
|-- AttemptError                one HTTP call gave no answer (raised by the transport, handled by the deleter)
|   |-- NotSent                 certainly not applied: the request never left
|   |-- AnswerLost              perhaps applied: the request left and its answer did not come
|   `-- ConnectionRefusedForGood  no further attempt can help: a certificate that does not verify
`-- RecordsFailed               raised by Report.raise_for_failures() only
"""

from __future__ import annotations

import errno
from typing import Any, Final

RAISE_THE_LIMIT: Final = "raise the limit (ulimit -n)"
"""What helps where :func:`is_out_of_files`."""


class BulkDeleteError(Exception):
    """The root of the tree; ``report`` is the report so far where a job had begun, else ``None``."""

    report: Any = None


class SettingsError(BulkDeleteError):
    """A setting, an option or a confirmation is refused; nothing was sent."""


class HoldsRefused(SettingsError):
    """A hold list cannot be read, or is not what it must be; nothing was sent."""


class PlanRefused(SettingsError):
    """What would be deleted is not what was approved; nothing was sent."""


class HoldViolated(BulkDeleteError):
    """A request was about to hold a record that is on hold: a fault of bulkdelete; it was not sent."""


class CredentialsError(BulkDeleteError):
    """There is no usable API key, or, after the API refused the one in use, none any more: the message says which."""


class SourceError(BulkDeleteError):
    """The source cannot be read, or broke while it was read."""


class SourceRefused(SourceError):
    """The source can be read and is not what the job needs; nothing was sent."""


class SourceChanged(SourceRefused):
    """The source is not the one whose rows the ledger holds."""


class LedgerError(BulkDeleteError):
    """The ledger cannot be used."""


class LedgerLocked(LedgerError):
    """Another process is writing this ledger."""


class LedgerMismatch(LedgerError):
    """The ledger belongs to another job, or to another version of bulkdelete."""


class LedgerStorageError(LedgerError):
    """The disk refused a write to the ledger; nothing more was sent."""


class FatalAnswer(BulkDeleteError):
    """The API refused the table, the key or the plan: the job cannot go on without a person.

    ``verdict`` is the :class:`bulkdelete.records.Verdict` of the answer.
    """

    def __init__(self, message: str, verdict: object) -> None:
        super().__init__(message)
        self.verdict: Any = verdict


class PauseTooLong(BulkDeleteError):
    """The API asks for a longer pause than ``max_pause_seconds``.

    ``until_unix_seconds`` is the Unix time before which nothing should be sent.
    """

    def __init__(self, message: str, until_unix_seconds: float) -> None:
        super().__init__(message)
        self.until_unix_seconds = until_unix_seconds


class OutageTooLong(BulkDeleteError):
    """Nothing but failures came back for ``max_outage_seconds``."""


class AttemptError(BulkDeleteError):
    """One HTTP call gave no answer."""


class NotSent(AttemptError):
    """The request never left: certainly not applied."""


class AnswerLost(AttemptError):
    """The request left and its answer did not come: perhaps applied; ``timed_out``: it did not come in time."""

    def __init__(self, message: str, *, timed_out: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out


class ConnectionRefusedForGood(AttemptError):
    """No further attempt can help, for example a certificate that does not verify."""


class RecordsFailed(BulkDeleteError):
    """Some rows of a finished job are not acknowledged; ``report`` says how many of which fate."""


def is_out_of_files(error: BaseException) -> bool:
    """Return whether *error* is that of a process, or a machine, that may open nothing more."""
    return isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}
