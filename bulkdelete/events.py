"""What happens while jobs run: one stream of small typed events, to which everything outside subscribes.

An event of a job carries its short id, ``job``, so that calls which share a deleter can be told apart; pauses, outages
and the limit are common to all of them. No event holds the key, and none names a record but for the
:class:`~bulkdelete.records.Outcome` and the :class:`~bulkdelete.reports.Report` that two of them carry.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.records import Ended, Outcome, VerdictKind
    from bulkdelete.reports import Report

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobBegan:
    """A job begins to run on a table, with the *source* of this name: the first event of the job."""

    job: str
    table_id: str
    source: str


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """An HTTP call ended, also one that was no attempt of its batch: a pause, or a key that is read again.

    ``records`` it asked to delete (0: it asked how many there are); ``calls_before`` with the same body; it took
    ``seconds``. ``kind``, ``code`` and ``http_status`` are those of its verdict; without an ``http_status`` no answer
    came, and without a ``kind`` the call was cancelled. ``ambiguous``: it may have been applied all the same.
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
    """

    by: Literal["api", "quota"]
    seconds: float
    before_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class OutageBegan:
    """Nothing but failures, or refusals, comes back: single batches are tried. ``failure`` says what failed last."""

    failure: str


@dataclass(frozen=True, slots=True)
class OutageEnded:
    """The server is there again."""


@dataclass(frozen=True, slots=True)
class LimitChanged:
    """From now on ``limit`` attempts may be on the wire; it was ``before``."""

    limit: int
    before: int


@dataclass(frozen=True, slots=True)
class OutcomeReached:
    """A batch, or a part of one, has its outcome, and the ledger, where there is one, has it too.

    What is unresolved may be sent once more at the end of the run: then another outcome follows. What a cancellation
    cuts off has none, and is unresolved.
    """

    job: str
    table_id: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class JobEnded:
    """A job ended after ``seconds``: the last event of the job.

    ``report`` is ``None`` where it raised before there was one; ``error`` names the type of what it raised, if it did.
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


class _Subscriber:
    """A callback that is told of events, of one *job* and of what is common, or of all."""

    __slots__ = ("_callback", "_has_failed", "_job", "is_told")

    def __init__(self, callback: Callable[[Event], object], job: str) -> None:
        self._callback = callback
        self._job = job
        self._has_failed = False
        self.is_told = True

    def tell(self, event: Event) -> None:
        if not self.is_told or (self._job and getattr(event, "job", self._job) != self._job):
            return
        try:
            self._callback(event)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever it is, it harms no job
            if self._has_failed:
                return
            self._has_failed = True
            what = _name(self._callback), type(error).__name__, type(event).__name__
            _log.error("the subscriber %s raised %s at %s; no job is harmed, and it is said once only", *what)
            _log.debug("the subscriber's error", exc_info=True)


class Hub:
    """Tells subscribers of events, at once and one after the other; true where there are any.

    Example:
        >>> hub = Hub()
        >>> unsubscribe = hub.subscribe(print)
        >>> hub.tell(LimitChanged(8, before=4))
        LimitChanged(limit=8, before=4)
        >>> unsubscribe()
        >>> bool(hub)
        False

    """

    __slots__ = ("_subscribers",)

    def __init__(self) -> None:
        self._subscribers: tuple[_Subscriber, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._subscribers)

    def subscribe(self, callback: Callable[[Event], object], *, job: str = "") -> Callable[[], None]:
        """Call *callback* with every event from now on, or with those of one *job* and what is common.

        It is called in the event loop, which waits for it: it should do little. What it raises is logged once and
        harms no job. It may subscribe and unsubscribe others, and itself.

        Returns:
            A function that ends it; calling that again changes nothing.

        Raises:
            TypeError: *callback* cannot be called, or is a coroutine function, which nobody would await.

        """
        if not callable(callback) or _is_async(callback):
            raise TypeError(
                f"a subscriber is a plain function of one event, and {_name(callback)} is none; to await something, "
                "let it put the event into an asyncio.Queue, and read that in a task of yours"
            )
        subscriber = _Subscriber(callback, job)
        self._subscribers += (subscriber,)

        def unsubscribe() -> None:
            subscriber.is_told = False
            self._subscribers = tuple(other for other in self._subscribers if other is not subscriber)

        return unsubscribe

    def tell(self, event: Event) -> None:
        """Tell everybody who is subscribed now of *event*."""
        for subscriber in self._subscribers:
            subscriber.tell(event)


def _is_async(callback: object) -> bool:
    return inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(getattr(callback, "__call__", None))  # noqa: B004 - the method itself is looked at


def _name(callback: object) -> str:
    """Name *callback* without its repr, which may show what it is bound to."""
    return str(getattr(callback, "__qualname__", type(callback).__qualname__))
