"""What happens while jobs run: one stream of small typed events, to which everything outside subscribes.

``deleter.subscribe`` and ``job.subscribe`` take a function that is called with each; that of a job up to its end.

An event of a job carries its short id, ``job``, so that calls which share a deleter can be told apart; pauses, outages
and the limit are common to all of them. No event holds the key, and none names a record but for the
:class:`~bulkdelete.records.Outcome` and the :class:`~bulkdelete.reports.Report` that two of them carry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from bulkdelete.records import Ended, Outcome, VerdictKind
    from bulkdelete.reports import Report

__all__ = [
    "AttemptEnded",
    "Event",
    "JobBegan",
    "JobEnded",
    "LimitChanged",
    "OutageBegan",
    "OutageEnded",
    "OutcomeReached",
    "PauseBegan",
    "RetryPlanned",
]


@dataclass(frozen=True, slots=True)
class JobBegan:
    """A job begins to run on a table, with the *source* of this name: the first event of the job.

    Example:
        >>> from bulkdelete.events import JobBegan
        >>> seen = []
        >>> unsubscribe = deleter.subscribe(seen.append)
        >>> _ = await deleter.delete(TABLE_ID, ids)
        >>> [event.source for event in seen if isinstance(event, JobBegan)]
        ['an iterable']

    """

    job: str
    table_id: str
    source: str


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """An HTTP call ended, also one that was no attempt of its batch: a pause, or a key that is read again.

    ``records`` it asked to delete (0: it asked how many there are); ``calls_before`` with the same body; it took
    ``seconds``. ``kind``, ``code`` and ``http_status`` are those of its verdict; without an ``http_status`` no answer
    came, and without a ``kind`` the call was cancelled. ``ambiguous``: it may have been applied all the same.

    Example:
        >>> from bulkdelete.events import AttemptEnded
        >>> seen = []
        >>> unsubscribe = deleter.subscribe(seen.append)
        >>> _ = await deleter.delete(TABLE_ID, ids)
        >>> [(event.records, event.code, event.lost) for event in seen if isinstance(event, AttemptEnded)]
        [(3, 0, '')]

    """

    job: str
    table_id: str
    request_id: str
    path: str
    records: int
    calls_before: int
    seconds: float
    kind: VerdictKind | None
    code: int | None = None
    http_status: int | None = None
    ambiguous: bool = False
    timed_out: bool = False

    @property
    def lost(self) -> str:
        """Why no answer came: ``cancelled``, ``timed_out``, ``answer_lost`` or ``not_sent``; empty where one did."""
        if self.http_status is not None:
            return ""
        if self.kind is None:
            return "cancelled"
        return "timed_out" if self.timed_out else "answer_lost" if self.ambiguous else "not_sent"


@dataclass(frozen=True, slots=True)
class RetryPlanned:
    """A batch, or a part of one, of so many ``records`` is sent again in ``seconds``, after so many ``attempts``.

    ``kind``, ``code``, ``http_status`` and ``request_id`` are those of the last attempt.

    Example:
        >>> from bulkdelete.events import RetryPlanned
        >>> from bulkdelete.emulator import Faults
        >>> api.faults = Faults(script=["50000"])
        >>> seen = []
        >>> unsubscribe = deleter.subscribe(seen.append)
        >>> _ = await deleter.delete(TABLE_ID, ids)
        >>> [(event.records, event.attempts, event.code) for event in seen if isinstance(event, RetryPlanned)]
        [(3, 1, 50000)]

    """

    job: str
    table_id: str
    request_id: str
    records: int
    attempts: int
    seconds: float
    kind: VerdictKind
    code: int | None
    http_status: int | None


@dataclass(frozen=True, slots=True)
class PauseBegan:
    """Nobody sends for ``seconds`` from now on, because the API, or a quota, wants it so.

    ``before_seconds`` of them were known before: 0 where a pause begins, more where one becomes longer.

    Example:
        >>> from bulkdelete.events import PauseBegan
        >>> from bulkdelete.emulator import Faults
        >>> api.faults = Faults(script=["429"], retry_after_seconds=1)
        >>> seen = []
        >>> unsubscribe = deleter.subscribe(seen.append)
        >>> _ = await deleter.delete(TABLE_ID, ids)
        >>> [(event.by, event.before_seconds) for event in seen if isinstance(event, PauseBegan)]
        [('api', 0.0)]

    """

    by: Literal["api", "quota"]
    seconds: float
    before_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class OutageBegan:
    """Nothing but failures, or refusals, comes back: single batches are tried. ``failure`` says what failed last.

    Example:
        >>> from bulkdelete.events import OutageBegan
        >>> def tell(event):
        ...     match event:
        ...         case OutageBegan(failure):
        ...             print("the API is away:", failure)
        >>> unsubscribe = deleter.subscribe(tell)
        >>> tell(OutageBegan("code 50000, HTTP 200"))
        the API is away: code 50000, HTTP 200

    """

    failure: str


@dataclass(frozen=True, slots=True)
class OutageEnded:
    """The server is there again.

    Example:
        >>> from bulkdelete.events import OutageEnded
        >>> def tell(event):
        ...     match event:
        ...         case OutageEnded():
        ...             print("the API is back")
        >>> unsubscribe = deleter.subscribe(tell)
        >>> tell(OutageEnded())
        the API is back

    """


@dataclass(frozen=True, slots=True)
class LimitChanged:
    """From now on ``limit`` attempts may be on the wire; it was ``before``.

    Example:
        >>> from bulkdelete.events import LimitChanged
        >>> def tell(event):
        ...     match event:
        ...         case LimitChanged(limit, before):
        ...             print(before, "->", limit)
        >>> unsubscribe = deleter.subscribe(tell)
        >>> tell(LimitChanged(limit=4, before=2))
        2 -> 4

    """

    limit: int
    before: int


@dataclass(frozen=True, slots=True)
class OutcomeReached:
    """A batch, a part of one, or a row that is never sent, has its outcome; the ledger, where there is one, has it too.

    What is unresolved may be sent once more at the end of the run: then another outcome follows. What a cancellation
    cuts off has none, and is unresolved.

    Example:
        >>> from bulkdelete.events import OutcomeReached
        >>> seen = []
        >>> unsubscribe = deleter.subscribe(seen.append)
        >>> _ = await deleter.delete(TABLE_ID, ids)
        >>> [(event.outcome.fate.value, event.outcome.records) for event in seen if isinstance(event, OutcomeReached)]
        [('acknowledged', 3)]

    """

    job: str
    table_id: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class JobEnded:
    """A job ended after ``seconds``: the last event of the job.

    ``report`` is ``None`` where it raised before there was one; ``error`` names the type of what it raised, if it did.

    Example:
        >>> from bulkdelete.events import JobEnded
        >>> seen = []
        >>> unsubscribe = deleter.subscribe(seen.append)
        >>> _ = await deleter.delete(TABLE_ID, ids)
        >>> [(event.ended.value, event.report.rows, event.error) for event in seen if isinstance(event, JobEnded)]
        [('complete', 3, '')]

    """

    job: str
    table_id: str
    ended: Ended
    seconds: float
    report: Report | None
    error: str = ""


Event: TypeAlias = (
    JobBegan
    | AttemptEnded
    | RetryPlanned
    | PauseBegan
    | OutageBegan
    | OutageEnded
    | LimitChanged
    | OutcomeReached
    | JobEnded
)
