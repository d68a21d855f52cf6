"""What happens while jobs run, as OpenTelemetry spans and metrics: ``pip install 'bulkdelete[otel]'``.

HTTP calls follow the semantic conventions for HTTP clients; what those have no name for begins with ``bulkdelete.``.
"""

from __future__ import annotations

import http
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

try:
    from opentelemetry import metrics, trace
    from opentelemetry.trace import SpanKind, Status, StatusCode
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "bulkdelete.otel needs opentelemetry-api: pip install 'bulkdelete[otel]'", name=missing.name
    ) from None

from bulkdelete.events import (
    AttemptEnded,
    JobBegan,
    JobEnded,
    LimitChanged,
    OutageBegan,
    OutageEnded,
    OutcomeReached,
    PauseBegan,
    RetryPlanned,
)
from bulkdelete.protocol import CODES
from bulkdelete.records import FATES, Ended, VerdictKind
from bulkdelete.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

    from bulkdelete.api import BulkDeleter
    from bulkdelete.events import Event

__all__ = ["Telemetry"]

_METHOD: Final = "POST"
_OTHER: Final = "_OTHER"
"""What the conventions call a value that is none of the known ones."""
_PORTS: Final = {"https": 443, "http": 80}
_FIRST_ERROR: Final = 400
_STATUSES: Final = frozenset(int(status) for status in http.HTTPStatus)
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_NO_ERRORS: Final = frozenset({Ended.COMPLETE, Ended.LIMIT, Ended.DURATION, Ended.QUOTA, Ended.SIGNAL, Ended.CANCELLED})


class Telemetry:
    """Makes spans and metrics of what happens at the deleters that it watches.

    A job is a span, a child of whatever is current where ``delete()`` is awaited; each HTTP call is a child of its job.
    No span or metric holds the key or names a record, and the attributes of metrics have few values, whatever a server
    answers.

    Args:
        tracer_provider: default: the process's own, as ``opentelemetry.trace.set_tracer_provider`` set it.
        meter_provider: default: the process's own.

    Example:
        >>> from opentelemetry.sdk.trace import TracerProvider
        >>> from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        >>> from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        >>> from bulkdelete.otel import Telemetry
        >>> spans, provider = InMemorySpanExporter(), TracerProvider()
        >>> provider.add_span_processor(SimpleSpanProcessor(spans))
        >>> unwatch = Telemetry(provider).watch(deleter)
        >>> _ = await deleter.delete(TABLE_ID, ids)
        >>> [span.name for span in spans.get_finished_spans()]
        ['POST /v2/database/delete/record', 'bulkdelete.job']

    """

    def __init__(
        self, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        self._tracer = trace.get_tracer("bulkdelete", VERSION, tracer_provider)
        self._instruments = _Instruments(meter_provider)

    def watch(self, deleter: BulkDeleter) -> Callable[[], None]:
        """Tell of what happens at *deleter* from now on; return a function that ends it."""
        server = _Server(deleter.base_url)
        spans, instruments = _Spans(self._tracer, server), self._instruments
        instruments.limit.set(deleter.limit, server.address)

        def take(event: Event) -> None:
            before = len(spans.jobs)
            spans.take(event)
            instruments.running(len(spans.jobs) - before, server)
            instruments.take(event, server)

        unsubscribe = deleter.subscribe(take)

        def unwatch() -> None:
            unsubscribe()
            instruments.running(-len(spans.jobs), server)
            spans.end_all()

        return unwatch


class _Server:
    """Where the calls go, as attributes."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self.base_url = base_url
        self.prefix = parts.path
        self.address: Mapping[str, Any] = {
            "server.address": parts.hostname or "",
            "server.port": parts.port or _PORTS[parts.scheme],
        }
        self.call: Mapping[str, Any] = {**self.address, "http.request.method": _METHOD, "url.scheme": parts.scheme}


class _Spans:
    """The spans of one deleter: one for each job that runs, and one for each of its calls when that has ended."""

    def __init__(self, tracer: trace.Tracer, server: _Server) -> None:
        self._tracer = tracer
        self._server = server
        self.jobs: dict[str, Span] = {}

    def take(self, event: Event) -> None:
        if isinstance(event, AttemptEnded):
            self._call(event)
        elif isinstance(event, JobBegan):
            about = {"bulkdelete.job": event.job, "bulkdelete.table_id": event.table_id}
            self.jobs[event.job] = self._tracer.start_span("bulkdelete.job", attributes=about)
        elif isinstance(event, JobEnded):
            self._end(event)
        elif isinstance(event, PauseBegan):
            self._note("bulkdelete.pause", {"bulkdelete.pause.by": event.by, "bulkdelete.pause.seconds": event.seconds})
        elif isinstance(event, OutageBegan | OutageEnded):
            self._note(f"bulkdelete.outage.{'began' if isinstance(event, OutageBegan) else 'ended'}", {})

    def end_all(self) -> None:
        """End the spans of jobs that still run."""
        while self.jobs:
            self.jobs.popitem()[1].end()

    def _note(self, name: str, attributes: Mapping[str, Any]) -> None:
        for span in self.jobs.values():
            span.add_event(name, attributes)

    def _call(self, event: AttemptEnded) -> None:
        server, job = self._server, self.jobs.get(event.job)
        ended = time.time_ns()
        attributes = {
            **server.call,
            "url.full": server.base_url + event.path,
            "url.template": server.prefix + event.path,
            "bulkdelete.table_id": event.table_id,
            "bulkdelete.request_id": event.request_id,
            "bulkdelete.records": event.records,
            **_told(event),
        }
        if event.calls_before:
            attributes["http.request.resend_count"] = event.calls_before
        if event.kind is not None:
            attributes["bulkdelete.verdict"] = event.kind.value
        if event.code is not None:
            attributes["bulkdelete.code"] = event.code
        span = self._tracer.start_span(
            f"{_METHOD} {server.prefix}{event.path}",
            None if job is None else trace.set_span_in_context(job),
            SpanKind.CLIENT,
            attributes,
            start_time=ended - round(event.seconds * 1e9),
        )
        if "error.type" in attributes:
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended)

    def _end(self, event: JobEnded) -> None:
        span = self.jobs.pop(event.job, None)
        if span is None:
            return
        span.set_attribute("bulkdelete.ended", event.ended.value)
        if event.report is not None:
            counts = ("rows", *FATES, "requests", "retries")
            span.set_attributes({f"bulkdelete.{count}": getattr(event.report, count) for count in counts})
        if event.ended not in _NO_ERRORS:
            span.set_attribute("error.type", event.error or event.ended.value)
            span.set_status(Status(StatusCode.ERROR))
        span.end()


class _Instruments:
    """The metrics, common to all deleters that are watched."""

    def __init__(self, provider: MeterProvider | None) -> None:
        meter = metrics.get_meter("bulkdelete", VERSION, provider)
        self._seconds = meter.create_histogram(
            "http.client.request.duration",
            "s",
            "Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._records = meter.create_counter(
            "bulkdelete.records", "{record}", "Rows whose outcome was reached; unresolved ones may be again."
        )
        self._retries = meter.create_counter("bulkdelete.retries", "{attempt}", "Attempts planned again.")
        self._pauses = meter.create_counter("bulkdelete.pause.time", "s", "How long pauses were to last.")
        self._running = meter.create_up_down_counter("bulkdelete.jobs.running", "{job}", "Jobs that run now.")
        self._jobs = meter.create_counter("bulkdelete.jobs", "{job}", "Jobs that ended.")
        self.limit = meter.create_gauge("bulkdelete.limit", "{request}", "How many requests may be on the wire.")

    def running(self, more: int, server: _Server) -> None:
        if more:
            self._running.add(more, server.address)

    def take(self, event: Event, server: _Server) -> None:
        if isinstance(event, AttemptEnded):
            self._seconds.record(event.seconds, {**server.call, **_told(event)})
        elif isinstance(event, OutcomeReached):
            fate = event.outcome.fate.value
            self._records.add(event.outcome.records, {**server.address, "bulkdelete.fate": fate})
        elif isinstance(event, RetryPlanned):
            self._retries.add(1, server.address)
        elif isinstance(event, PauseBegan):
            added = event.seconds - event.before_seconds
            self._pauses.add(added, {**server.address, "bulkdelete.pause.by": event.by})
        elif isinstance(event, LimitChanged):
            self.limit.set(event.limit, server.address)
        elif isinstance(event, JobEnded):
            self._jobs.add(1, {**server.address, "bulkdelete.ended": event.ended.value})


def _told(event: AttemptEnded) -> dict[str, Any]:
    """Return the status and, where it was no success, the ``error.type``: few values, whatever a server answers."""
    told: dict[str, Any] = {}
    status = event.http_status
    if status in _STATUSES:
        told["http.response.status_code"] = status
    if event.kind is not VerdictKind.ACKNOWLEDGED:
        told["error.type"] = event.lost or _error_type(status, event.code)
    return told


def _error_type(status: int | None, code: int | None) -> str:
    if status is not None and status >= _FIRST_ERROR:
        return str(status) if status in _STATUSES else _OTHER
    return str(code) if code in CODES else _OTHER
