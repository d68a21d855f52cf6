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
|-- CancelledElsewhere          something that the job awaited was cancelled by somebody else, and not the job
`-- RecordsFailed               raised by Report.raise_for_failures() only
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

# Only for types: an error carries a report, and a report raises an error.
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bulkdelete.records import Verdict
    from bulkdelete.reports import Report

RAISE_THE_LIMIT: Final = "raise the limit (ulimit -n)"
"""What helps where :func:`is_out_of_files`."""


class BulkDeleteError(Exception):
    """The root of the tree; ``report`` is the report so far where a job had begun, else ``None``.

    Example:
        >>> try:
        ...     await deleter.delete("no-such-table", ids)
        ... except BulkDeleteError as error:
        ...     print(type(error).__name__, error.report.rows, error.report.acknowledged)
        FatalAnswer 3 0

    """

    report: Report | None = None

    def __reduce__(self) -> tuple[Callable[..., BulkDeleteError], tuple[object, ...]]:
        """Let it be pickled whatever it is made of, as a process of a pool does with what its work raises."""
        return _again, (type(self), self.args, vars(self))


class SettingsError(BulkDeleteError):
    """A setting, an option or a confirmation is refused; nothing was sent.

    Example:
        >>> Settings.from_mapping({"flow": {"concurency": 4}})
        Traceback (most recent call last):
            ...
        bulkdelete.errors.SettingsError: flow.concurency is not a setting; did you mean concurrency?

    """


class HoldsRefused(SettingsError):
    """A hold list cannot be read, or is not what it must be; nothing was sent.

    Example:
        >>> await deleter.delete(TABLE_ID, ids, holds=[])
        Traceback (most recent call last):
            ...
        bulkdelete.errors.HoldsRefused: ...

    """


class PlanRefused(SettingsError):
    """What would be deleted is not what was approved; nothing was sent."""


class HoldViolated(BulkDeleteError):
    """A request was about to hold a record that is on hold: a fault of bulkdelete; it was not sent."""


class CredentialsError(BulkDeleteError):
    """There is no usable API key, or, after the API refused the one in use, none any more: the message says which.

    Example:
        >>> BulkDeleter(base_url=api.base_url, api_key="")
        Traceback (most recent call last):
            ...
        bulkdelete.errors.CredentialsError: the API key is empty. Nothing was sent

    """


class SourceError(BulkDeleteError):
    """The source cannot be read, or broke while it was read.

    Example:
        >>> def rows_of_a_cursor():
        ...     yield ids[0]
        ...     raise OSError("the database is gone")
        >>> await deleter.delete(TABLE_ID, rows_of_a_cursor())
        Traceback (most recent call last):
            ...
        bulkdelete.errors.SourceError: ...

    """


class SourceRefused(SourceError):
    """The source can be read and is not what the job needs; nothing was sent.

    Example:
        >>> open_source("gone.csv")
        Traceback (most recent call last):
            ...
        bulkdelete.errors.SourceRefused: gone.csv: there is no such file. Nothing was sent. Check the path of the source

    """


class SourceChanged(SourceRefused):
    """The source is not the one whose rows the ledger holds.

    Example:
        >>> _ = await deleter.delete(TABLE_ID, ids, ledger="erase.db", limit=1)
        >>> await deleter.delete(TABLE_ID, ids[1:], ledger="erase.db")
        Traceback (most recent call last):
            ...
        bulkdelete.errors.SourceChanged: ...

    """


class LedgerError(BulkDeleteError):
    """The ledger cannot be used.

    Example:
        >>> try:
        ...     await deleter.resume("gone.db")
        ... except LedgerError as error:
        ...     print(type(error).__name__)
        LedgerMismatch

    """


class LedgerLocked(LedgerError):
    """Another process is writing this ledger.

    Example:
        >>> many = [*ids, *[" "] * 40]  # the job waits until somebody reads what became of them
        >>> async with deleter.stream(TABLE_ID, many, ledger="erase.db") as outcomes:
        ...     _ = await anext(outcomes)
        ...     await deleter.resume("erase.db")
        Traceback (most recent call last):
            ...
        bulkdelete.errors.LedgerLocked: ...

    """


class LedgerMismatch(LedgerError):
    """The ledger belongs to another job, or to another version of bulkdelete.

    Example:
        >>> _ = await deleter.delete(TABLE_ID, ids, ledger="erase.db")
        >>> await deleter.delete("another-table", ids, ledger="erase.db")
        Traceback (most recent call last):
            ...
        bulkdelete.errors.LedgerMismatch: ...

    """


class LedgerStorageError(LedgerError):
    """The disk refused a write to the ledger; nothing more was sent.

    Example:
        >>> await LedgerFolder("gone").ledgers()
        Traceback (most recent call last):
            ...
        bulkdelete.errors.LedgerStorageError: gone: this folder of ledgers cannot be read: No such file or directory

    """


class FatalAnswer(BulkDeleteError):
    """The API refused the table, the key or the plan: the job cannot go on without a person.

    ``verdict`` is the :class:`bulkdelete.records.Verdict` of the answer.

    Example:
        >>> try:
        ...     await deleter.delete("no-such-table", ids)
        ... except FatalAnswer as error:
        ...     print(error.verdict.code, error.verdict.kind)
        403106 fatal

    """

    def __init__(self, message: str, verdict: Verdict) -> None:
        super().__init__(message)
        self.verdict: Verdict = verdict


class PauseTooLong(BulkDeleteError):
    """The API asks for a longer pause than ``max_pause_seconds``.

    ``until_unix_seconds`` is the Unix time before which nothing should be sent.
    """

    def __init__(self, message: str, until_unix_seconds: float) -> None:
        super().__init__(message)
        self.until_unix_seconds = until_unix_seconds


class OutageTooLong(BulkDeleteError):
    """Nothing but failures came back for ``max_outage_seconds``."""


class CancelledElsewhere(BulkDeleteError):
    """Something that the job awaited, such as its check or the key's function, was cancelled, and not the job.

    The job ended as at any error of a caller's function: make the same call again once that is mended.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was cancelled by somebody else, and not the job, which ended. Make the call again")


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
    """Some rows of a finished job are not acknowledged; ``report`` says how many of which fate.

    Example:
        >>> report = await deleter.delete(TABLE_ID, [*ids, "two words"])
        >>> report.raise_for_failures()
        Traceback (most recent call last):
            ...
        bulkdelete.errors.RecordsFailed: of 4 rows 3 are acknowledged, 0 rejected, 1 invalid, ...

    """


def is_out_of_files(error: BaseException) -> bool:
    """Return whether *error* is that of a process, or a machine, that may open nothing more."""
    return isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}


def _again(kind: type[BulkDeleteError], args: tuple[object, ...], state: Mapping[str, object]) -> BulkDeleteError:
    error = kind.__new__(kind, *args)
    vars(error).update(state)
    return error
