"""The words of the project as values: frozen, and with their invariants.

A *source* gives *rows*, numbered from 0 over the whole job. A row is a record (a ``str``, the ``record_id``, or a
:class:`Filter`) or a :class:`Defect`. Records travel in a :class:`Batch`; one answer of the API is a :class:`Verdict`;
what became of a batch, or of a part of it, is an :class:`Outcome`; a job ends in a :class:`~bulkdelete.reports.Report`.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence


class Fate(StrEnum):
    """What became of a row. The fates of a job always add up to the rows read.

    Example:
        >>> Fate("held") is Fate.HELD, f"{Fate.ACKNOWLEDGED}"
        (True, 'acknowledged')

    """

    ACKNOWLEDGED = "acknowledged"  #: the API answered 0 to a request that held it (it gives no counts: never "deleted")
    REJECTED = "rejected"  #: the API refuses this very record, as its own single request showed
    INVALID = "invalid"  #: never sent: it cannot be a record
    HELD = "held"  #: never sent: on a hold list
    DUPLICATE = "duplicate"  #: not sent again: already in this batch
    UNRESOLVED = "unresolved"  #: perhaps sent, no final answer
    PENDING = "pending"  #: read, certainly not sent


class Ended(StrEnum):
    """Why a job ended.

    Example:
        >>> (await deleter.delete(TABLE_ID, ids, limit=1)).ended
        <Ended.LIMIT: 'limit'>

    """

    COMPLETE = "complete"  #: every row of the source was read and tried
    OUTAGE = "outage"  #: nothing but failures came back, for max_outage_seconds or to a whole canary
    LIMIT = "limit"  #: --limit records were sent in this run
    LIMIT_TOO_SMALL = "limit_too_small"  #: the batch that comes next, cut by an earlier run, is more than --limit
    QUOTA = "quota"  #: the API asks for a pause longer than max_pause_seconds
    SIGNAL = "signal"  #: asked to stop (SIGINT, SIGTERM, or Job.stop())
    CANCELLED = "cancelled"  #: the awaiting task was cancelled
    FATAL_ANSWER = "fatal_answer"  #: the API refused the table, the key or the plan
    DURATION = "duration"  #: max_duration_seconds is over
    MAX_RECORDS = "max_records"  #: the source holds more rows to send than max_records allows
    UNEXPECTED = "unexpected"  #: the source does not hold exactly as many rows with a record as expected
    CANARY = "canary"  #: nobody said that what the canary showed is right
    MAX_FAILURES = "max_failures"  #: more rejected and unresolved rows than allowed
    WHOLLY_WRONG = "wholly_wrong"  #: the API refuses whole batches: wrong column, wrong table, wrong kind of id
    REFUSED = "refused"  #: a hold list, a setting or the source was refused before anything was sent in this run
    SOURCE_BROKEN = "source_broken"  #: the source broke while it was read
    SOURCE_CHANGED = "source_changed"  #: the source is not the one whose rows the ledger holds
    STORAGE = "storage"  #: the ledger could not be written
    FAULT = "fault"  #: bulkdelete itself failed: a defect, or a lack of memory or threads


@dataclass(frozen=True, slots=True)
class Filter:
    """An equality on one unique column; it names at most one record.

    Example:
        >>> api.load(TABLE_ID, ["541278230707963211"], [{"email": "ann@example.com"}])
        >>> (await deleter.delete(TABLE_ID, [Filter("email", "ann@example.com")])).acknowledged
        1
        >>> api.count(TABLE_ID)
        3

    """

    column: str
    value: str | int | float | bool


@dataclass(frozen=True, slots=True)
class Defect:
    """A row that cannot be a record, as its source found it.

    ``text`` is an excerpt of at most 300 characters; ``fingerprint`` are 16 bytes that stand for the whole raw row.

    Example:
        >>> from pathlib import Path
        >>> _ = Path("ids.jsonl").write_text("{")
        >>> async for rows in open_source("ids.jsonl").blocks():
        ...     print(type(rows.items[0]).__name__, rows.items[0].reason)
        Defect ...

    """

    reason: str
    text: str
    fingerprint: bytes


Record: TypeAlias = str | Filter
Item: TypeAlias = str | Filter | Defect


@dataclass(frozen=True, slots=True)
class Rows:
    """A block of consecutive rows: ``items[i]`` is row ``first_row + i``, from line ``lines[i]`` of ``file``.

    ``lines`` count from 1 and are empty where the source has no lines; ``file`` is empty where it has no name.

    Example:
        >>> from pathlib import Path
        >>> _ = Path("ids.txt").write_text(ids[0])
        >>> async for rows in open_source("ids.txt").blocks():
        ...     print(rows.first_row, list(rows.items), list(rows.lines), rows.file)
        0 ['541278230707963208'] [1] ids.txt

    """

    first_row: int
    items: Sequence[Item]
    file: str = ""
    lines: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class RowFate:
    """One row that is not acknowledged, with the reason; ``record`` is what stood there (a Defect's excerpt).

    Example:
        >>> [failed] = (await deleter.delete(TABLE_ID, [*ids, "two words"])).failures
        >>> failed.row, failed.fate, failed.record
        (3, <Fate.INVALID: 'invalid'>, 'two words')

    """

    row: int
    fate: Fate
    reason: str
    record: Record
    file: str = ""
    line: int | None = None
    code: int | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows ``[first_row, end_row)`` with the records left of them after screening.

    ``records[i]`` is row ``rows[i]``. ``digest`` covers every raw row of the range, whatever its fate; ``set_aside``
    are the rows never sent. ``spans`` are the index ranges of ``records`` still to be settled, all of them unless an
    earlier run settled parts. ``ambiguous`` says that an earlier attempt may have been applied; ``sent``, that an
    earlier run may have sent it; ``stored``, that the ledger holds the range already. ``joined`` are the records joined
    by line breaks, where they are plain ids and at hand so; a body is made of them. ``thorough``: it was set aside
    before, and is now taken apart to its end where it is refused; ``unsent`` are those of its ``spans`` that certainly
    were in no request.

    Example:
        >>> async with deleter.stream(TABLE_ID, ids) as outcomes:
        ...     batch = (await anext(outcomes)).batch
        >>> batch.first_row, batch.end_row, batch.open_records, len(batch.digest)
        (0, 3, 3, 16)

    """

    first_row: int
    end_row: int
    records: Sequence[Record]
    rows: Sequence[int]
    digest: bytes
    set_aside: tuple[RowFate, ...] = ()
    spans: tuple[range, ...] = ()
    ambiguous: bool = False
    stored: bool = False
    joined: bytes = field(default=b"", repr=False)
    sent: bool = False
    thorough: bool = False
    unsent: tuple[range, ...] = ()

    @property
    def open_records(self) -> int:
        """How many records are still to be settled."""
        return sum(map(len, self.spans))


@dataclass(frozen=True, slots=True)
class StoredRange:
    """A batch as the ledger holds it; ``settled`` are the row ranges of its parts that have their final answer.

    ``sent``: it may have been sent, and has no final answer.
    """

    first_row: int
    end_row: int
    records: int
    digest: bytes
    finished: bool
    ambiguous: bool = False
    settled: tuple[range, ...] = ()
    set_aside_rows: frozenset[int] = frozenset()
    sent: bool = False


class VerdictKind(StrEnum):
    """What one answer means for the batch that was sent.

    Example:
        >>> from bulkdelete.events import AttemptEnded
        >>> seen = []
        >>> unsubscribe = deleter.subscribe(seen.append)
        >>> _ = await deleter.delete(TABLE_ID, ids)
        >>> [event.kind for event in seen if isinstance(event, AttemptEnded)]
        [<VerdictKind.ACKNOWLEDGED: 'acknowledged'>]

    """

    ACKNOWLEDGED = "acknowledged"
    INVALID = "invalid"  #: the batch holds something the API refuses: split it
    RETRY = "retry"  #: try again with backoff
    UNKNOWN = "unknown"  #: try twice more, then leave it unresolved
    PAUSE = "pause"  #: everybody waits; no attempt of the batch
    TOO_LARGE = "too_large"  #: send smaller parts
    UNAUTHORIZED = "unauthorized"  #: read the key again once, else stop
    FATAL = "fatal"  #: stop the job


@dataclass(frozen=True, slots=True)
class Verdict:
    """The meaning of one attempt. ``ambiguous``: the delete may have been applied although it was not acknowledged.

    ``timed_out``: no answer came in time.

    Example:
        >>> try:
        ...     await deleter.delete("no-such-table", ids)
        ... except FatalAnswer as error:
        ...     print(error.verdict.kind, error.verdict.code, error.verdict.http_status, error.verdict.ambiguous)
        fatal 403106 200 False

    """

    kind: VerdictKind
    code: int | None = None
    message: str = ""
    http_status: int | None = None
    ambiguous: bool = False
    retry_after_seconds: float | None = None
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch, or of a contiguous part of one: the records in rows ``[first_row, end_row)``.

    ``fate`` is acknowledged, rejected, unresolved or pending. ``whole``: it covers every record of the batch.
    ``attempts`` are the HTTP calls made for it; ``code``, ``message``, ``http_status`` and ``request_id`` are those of
    the last answer. ``ambiguous``: some attempt without a final answer may have been applied. ``failed``: it counts
    towards ``max_failures``; what is left because the job ends, or because its batch is suspect, does not. ``again``:
    it is worth sending once more, at the end of the run. A stream also gives one for each row that is never sent,
    which is invalid, held or duplicate, with its ``row_fate``.

    Example:
        >>> async with deleter.stream(TABLE_ID, [*ids, "two words"]) as outcomes:
        ...     async for outcome in outcomes:
        ...         print(outcome.fate, outcome.first_row, outcome.end_row, outcome.which[0])
        invalid 3 4 two words
        acknowledged 0 3 541278230707963208

    """

    batch: Batch
    first_row: int
    end_row: int
    records: int
    fate: Fate
    whole: bool
    attempts: int = 0
    code: int | None = None
    message: str = ""
    http_status: int | None = None
    request_id: str = ""
    ambiguous: bool = False
    failed: bool = False
    again: bool = False
    row_fate: RowFate | None = None

    @property
    def which(self) -> Sequence[Record]:
        """The records themselves, in the order of their rows; of a row that cannot be one, what stands there."""
        if self.row_fate is not None:
            return (self.row_fate.record,)
        start = bisect_left(self.batch.rows, self.first_row)
        return self.batch.records[start : start + self.records]


FATES = tuple(fate.value for fate in Fate)
