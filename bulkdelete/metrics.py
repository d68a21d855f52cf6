"""What happens while jobs run, as metrics for Prometheus: ``pip install 'bulkdelete[metrics]'``."""

from __future__ import annotations

import http
from typing import TYPE_CHECKING, Final

try:
    from prometheus_client import REGISTRY, Counter, Gauge, Histogram
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "bulkdelete.metrics needs prometheus-client: pip install 'bulkdelete[metrics]'", name=missing.name
    ) from None

from bulkdelete.events import (
    AttemptEnded,
    JobBegan,
    JobEnded,
    OutageBegan,
    OutageEnded,
    OutcomeReached,
    PauseBegan,
    RetryPlanned,
)
from bulkdelete.protocol import CODES
from bulkdelete.records import Ended, Fate

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

    from bulkdelete.api import BulkDeleter
    from bulkdelete.events import Event

__all__ = ["Metrics"]

BUCKETS_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_STATUSES: Final = frozenset(int(status) for status in http.HTTPStatus)
_OUTCOMES: Final = (Fate.ACKNOWLEDGED, Fate.REJECTED, Fate.UNRESOLVED, Fate.PENDING)


class Metrics:
    """Collectors in a *registry*, by default that of the process, for all deleters that it watches.

    Labels have few values, whatever a server answers: codes that the API documents do not know are ``other``, and no
    label names a table, a job or a record.

    Raises:
        ValueError: the registry holds such collectors already; one ``Metrics`` watches several deleters.

    Example:
        >>> from prometheus_client import CollectorRegistry
        >>> from bulkdelete.metrics import Metrics
        >>> registry = CollectorRegistry()
        >>> unwatch = Metrics(registry).watch(deleter)
        >>> _ = await deleter.delete(TABLE_ID, ids)
        >>> registry.get_sample_value("bulkdelete_records_total", {"fate": "acknowledged"})
        3.0

    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._watched: tuple[_Watched, ...] = ()

        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"bulkdelete_{name}", about, labels, registry=registry)

        def gauge(name: str, about: str, read: Callable[[_Watched], int]) -> None:
            own = Gauge(f"bulkdelete_{name}", about, registry=registry)
            own.set_function(lambda: sum(map(read, self._watched)))

        self._attempts = counter("attempts", "HTTP calls that ended, pauses among them.", "verdict", "code")
        self._seconds = Histogram(
            "bulkdelete_attempt_duration_seconds",
            "How long HTTP calls took.",
            ("verdict",),
            buckets=BUCKETS_SECONDS,
            registry=registry,
        )
        self._retries = counter("retries", "Attempts that were planned again after a failure.")
        self._backoff = counter("retry_wait_seconds", "What batches were to wait before they are tried again.")
        self._records = counter("records", "Rows whose outcome was reached; unresolved ones may be again.", "fate")
        self._pauses = counter("pauses", "Pauses of everybody that began.", "by")
        self._paused = counter("pause_seconds", "How long those pauses were to last.", "by")
        self._jobs = counter("jobs", "Jobs that ended.", "ended")
        gauge("jobs_running", "Jobs that run now.", lambda watched: len(watched.jobs))
        gauge("in_flight", "HTTP calls on the wire now.", lambda watched: watched.deleter.in_flight)
        gauge("limit", "How many HTTP calls may be on the wire.", lambda watched: watched.deleter.limit)
        gauge("in_outage", "Deleters to whom nothing but failures comes back.", lambda watched: watched.in_outage)
        for fate in _OUTCOMES:
            self._records.labels(fate.value)
        for by in ("api", "quota"):
            self._pauses.labels(by)
            self._paused.labels(by)
        for ended in Ended:
            self._jobs.labels(ended.value)

    def watch(self, deleter: BulkDeleter) -> Callable[[], None]:
        """Count what happens at *deleter* from now on; return a function that ends it."""
        watched = _Watched(deleter)
        self._watched += (watched,)

        def take(event: Event) -> None:
            watched.take(event)
            self._take(event)

        unsubscribe = deleter.subscribe(take)

        def unwatch() -> None:
            unsubscribe()
            self._watched = tuple(other for other in self._watched if other is not watched)

        return unwatch

    def _take(self, event: Event) -> None:
        if isinstance(event, AttemptEnded):
            verdict = event.lost if event.kind is None else event.kind.value
            self._attempts.labels(verdict, _code(event)).inc()
            self._seconds.labels(verdict).observe(event.seconds)
        elif isinstance(event, OutcomeReached):
            self._records.labels(event.outcome.fate.value).inc(event.outcome.records)
        elif isinstance(event, RetryPlanned):
            self._retries.inc()
            self._backoff.inc(event.seconds)
        elif isinstance(event, PauseBegan):
            self._pauses.labels(event.by).inc(not event.before_seconds)
            self._paused.labels(event.by).inc(event.seconds - event.before_seconds)
        elif isinstance(event, JobEnded):
            self._jobs.labels(event.ended.value).inc()


class _Watched:
    """A deleter, and what of it is read when somebody scrapes."""

    def __init__(self, deleter: BulkDeleter) -> None:
        self.deleter = deleter
        self.jobs: frozenset[str] = frozenset()
        self.in_outage = False

    def take(self, event: Event) -> None:
        if isinstance(event, JobBegan):
            self.jobs |= {event.job}
        elif isinstance(event, JobEnded):
            self.jobs -= {event.job}
        elif isinstance(event, OutageBegan | OutageEnded):
            self.in_outage = isinstance(event, OutageBegan)


def _code(event: AttemptEnded) -> str:
    """Return the API's code where it is a known one; else the HTTP status, or what there was in place of an answer."""
    if event.code is not None:
        return str(event.code) if event.code == 0 or event.code in CODES else "other"
    if event.http_status is None:
        return event.lost
    return f"http_{event.http_status}" if event.http_status in _STATUSES else "http_other"
