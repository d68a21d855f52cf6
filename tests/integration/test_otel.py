"""Spans and metrics by the semantic conventions, as OpenTelemetry's own in-memory exporters see them."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from bulkdelete import BulkDeleter, FatalAnswer
from bulkdelete.emulator import Faults
from bulkdelete.otel import Telemetry
from bulkdelete.protocol import PATH
from tests.integration.watching import KEY, TABLE_ID, deleter_of, ids, served


@pytest.fixture
async def emulator():
    async with served() as emulator:
        yield emulator


class Collected:
    """A tracer and a meter, and what came of them."""

    def __init__(self) -> None:
        self._spans, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers, self.meters = (
            TracerProvider(shutdown_on_exit=False),
            MeterProvider([self._reader], shutdown_on_exit=False),
        )
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.telemetry = Telemetry(self.tracers, self.meters)

    def spans(self, name: str) -> list:
        return [span for span in self._spans.get_finished_spans() if span.name == name]

    @property
    def job(self):
        [span] = self.spans("bulkdelete.job")
        return span

    @property
    def calls(self) -> list:
        return self.spans(f"POST {PATH}")

    def points(self) -> dict:
        """The data points of each metric, and its unit."""
        data = self._reader.get_metrics_data()
        return {
            (metric.name, metric.unit): list(metric.data.data_points)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def everything(self) -> str:
        return "".join(span.to_json() for span in self._spans.get_finished_spans()) + repr(self.points())


@pytest.fixture
def collected():
    collected = Collected()
    yield collected
    collected.tracers.shutdown()
    collected.meters.shutdown()


async def test_a_job_is_a_span_of_its_caller_and_each_call_a_client_span_of_its_job(emulator, collected):
    emulator.faults = Faults(script=["50000", "drop_after", "502", "429"], retry_after_seconds=0.1)
    async with deleter_of(emulator) as deleter:
        collected.telemetry.watch(deleter)
        with collected.tracers.get_tracer("service").start_as_current_span("erase a customer") as request:
            report = await deleter.delete(TABLE_ID, ids(10))
    job, calls = collected.job, collected.calls
    assert job.parent.span_id == request.get_span_context().span_id
    assert job.kind is SpanKind.INTERNAL
    assert job.status.status_code is StatusCode.UNSET
    assert job.attributes["bulkdelete.ended"] == "complete"
    assert (job.attributes["bulkdelete.acknowledged"], job.attributes["bulkdelete.rows"]) == (10, 10)
    assert [event.name for event in job.events] == ["bulkdelete.pause"]
    assert len(calls) == report.requests == 5
    port = int(emulator.base_url.rpartition(":")[2])
    for call in calls:
        assert call.parent.span_id == job.get_span_context().span_id
        assert call.kind is SpanKind.CLIENT
        assert job.start_time <= call.start_time + 2_000_000
        assert call.start_time < call.end_time <= job.end_time
        about = call.attributes
        assert about["http.request.method"] == "POST"
        assert about["url.full"] == emulator.base_url + PATH
        assert (about["server.address"], about["server.port"]) == ("127.0.0.1", port)
    assert [_came(call) for call in calls] == [
        (200, "50000", None, StatusCode.ERROR),
        (None, "answer_lost", 1, StatusCode.ERROR),
        (502, "502", 2, StatusCode.ERROR),
        (429, "429", 3, StatusCode.ERROR),
        (200, None, 4, StatusCode.UNSET),
    ]
    for secret in (KEY, *ids(10)):
        assert secret not in collected.everything()


def _came(call) -> tuple:
    names = ("http.response.status_code", "error.type", "http.request.resend_count")
    return (*(call.attributes.get(name) for name in names), call.status.status_code)


async def test_the_metrics_are_those_of_an_http_client_and_of_the_jobs(emulator, collected):
    emulator.faults = Faults(script=["ok", "50000", "429"], retry_after_seconds=0.1)
    async with deleter_of(emulator, flow={"concurrency": 3}) as deleter:
        collected.telemetry.watch(deleter)
        report = await deleter.delete(TABLE_ID, ids(2_500))
    points = collected.points()
    durations = points["http.client.request.duration", "s"]
    assert sum(point.count for point in durations) == report.requests
    assert {point.explicit_bounds[0] for point in durations} == {0.005}
    server = {"server.address": "127.0.0.1", "server.port": int(emulator.base_url.rpartition(":")[2])}
    assert {
        (point.attributes["http.response.status_code"], point.attributes.get("error.type")) for point in durations
    } == {
        (200, None),
        (200, "50000"),
        (429, "429"),
    }
    assert all(server.items() <= dict(point.attributes).items() for some in points.values() for point in some)
    [records] = points["bulkdelete.records", "{record}"]
    assert (records.value, records.attributes["bulkdelete.fate"]) == (2_500, "acknowledged")
    [retries] = points["bulkdelete.retries", "{attempt}"]
    assert retries.value == report.retries == 1
    [pause] = points["bulkdelete.pause.time", "s"]
    assert (pause.attributes["bulkdelete.pause.by"], pause.value >= 0.1) == ("api", True)
    [limit] = points["bulkdelete.limit", "{request}"]
    assert limit.value == 3
    [running] = points["bulkdelete.jobs.running", "{job}"]
    assert running.value == 0
    [jobs] = points["bulkdelete.jobs", "{job}"]
    assert (jobs.value, jobs.attributes["bulkdelete.ended"]) == (1, "complete")


async def test_a_server_of_odd_statuses_makes_no_series_for_each(collected):
    statuses = iter(range(600, 999))

    async def odd(_):
        return web.Response(status=next(statuses))

    app = web.Application()
    app.router.add_post(PATH, odd)
    async with (
        TestServer(app) as server,
        BulkDeleter(base_url=str(server.make_url("")).rstrip("/"), api_key=KEY) as deleter,
    ):
        collected.telemetry.watch(deleter)
        await deleter.delete(TABLE_ID, ids(3))
    durations = collected.points()["http.client.request.duration", "s"]
    assert [dict(point.attributes).get("error.type") for point in durations] == ["_OTHER"]
    assert sum(point.count for point in durations) == next(statuses) - 600 > 2


async def test_a_job_that_raises_is_a_span_with_an_error_and_one_that_is_cancelled_is_not(emulator, collected):
    async with deleter_of(emulator, flow={"cancel_grace_seconds": 0}) as deleter:
        collected.telemetry.watch(deleter)
        with pytest.raises(FatalAnswer):
            await deleter.delete("000000000000000000000000", ids(1))
        assert collected.job.status.status_code is StatusCode.ERROR
        assert collected.job.attributes["error.type"] == "FatalAnswer"
        emulator.faults = Faults(latency_seconds=5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await deleter.delete(TABLE_ID, ids(1))
    _, cancelled = collected.spans("bulkdelete.job")
    assert cancelled.status.status_code is StatusCode.UNSET
    assert cancelled.attributes["bulkdelete.ended"] == "cancelled"
    assert collected.calls[-1].attributes["error.type"] == "cancelled"


async def test_who_stops_watching_leaves_no_span_open_and_no_job_running(emulator, collected):
    emulator.faults = Faults(latency_seconds=0.2)
    async with deleter_of(emulator) as deleter:
        unwatch = collected.telemetry.watch(deleter)
        task = asyncio.create_task(deleter.delete(TABLE_ID, ids(1)))
        while not deleter.in_flight:
            await asyncio.sleep(0.002)
        [running] = collected.points()["bulkdelete.jobs.running", "{job}"]
        assert running.value == 1
        unwatch()
        assert collected.job.end_time
        collected.telemetry.watch(deleter)
        await task
    [running] = collected.points()["bulkdelete.jobs.running", "{job}"]
    assert running.value == 0
    assert [call.parent for call in collected.calls] == [None]
