"""What Prometheus scrapes over HTTP is what the jobs' reports say, with few label values whatever a server answers."""

from __future__ import annotations

import asyncio
import sys
from urllib.request import urlopen

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.parser import text_string_to_metric_families

from bulkdelete import BulkDeleter, FatalAnswer
from bulkdelete.emulator import Faults, Switches
from bulkdelete.events import AttemptEnded
from bulkdelete.metrics import Metrics
from bulkdelete.protocol import CODES
from bulkdelete.records import VerdictKind
from tests.integration.watching import KEY, TABLE_ID, deleter_of, ids, served
from tests.properties import often


@pytest.fixture
async def emulator():
    async with served() as emulator:
        yield emulator


class Prometheus:
    """Scrapes the metrics of a registry over HTTP."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._server, self._thread = start_http_server(0, "127.0.0.1", self.registry)
        self.text = ""

    async def scrape(self) -> None:
        self.text = await asyncio.to_thread(self._read)

    def _read(self) -> str:
        with urlopen(f"http://127.0.0.1:{self._server.server_port}/metrics", timeout=10) as answer:
            return answer.read().decode()

    def __getitem__(self, name: str) -> float:
        """The sum over all series of *name*, or the series that *name* spells out."""
        found = [
            sample.value
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
            if name in {sample.name, _spelt(sample)}
        ]
        assert found, f"{name} is not in\n{self.text}"
        return sum(found)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _spelt(sample) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
    return f"{sample.name}{{{labels}}}"


@pytest.fixture
def prometheus():
    prometheus = Prometheus()
    yield prometheus
    prometheus.close()


async def test_what_is_scraped_is_what_the_report_says(emulator, prometheus):
    emulator.poison(TABLE_ID, ids(10)[7:8])
    emulator.faults = Faults(script=["ok", "50000", "drop_after", "502", "429", "not_json"], retry_after_seconds=0.2)
    async with deleter_of(emulator, batch={"size": 100}) as deleter:
        Metrics(prometheus.registry).watch(deleter)
        await prometheus.scrape()
        assert prometheus['bulkdelete_records_total{fate="acknowledged"}'] == 0
        report = await deleter.delete(TABLE_ID, ids(1_000))
        await prometheus.scrape()
        assert prometheus["bulkdelete_limit"] == deleter.limit
    assert report.rejected == 1
    assert prometheus['bulkdelete_records_total{fate="acknowledged"}'] == report.acknowledged == 999
    assert prometheus['bulkdelete_records_total{fate="rejected"}'] == 1
    assert prometheus["bulkdelete_attempts_total"] == report.requests
    assert prometheus["bulkdelete_attempt_duration_seconds_count"] == report.requests
    assert 0 < prometheus["bulkdelete_attempt_duration_seconds_sum"] < 2 * report.elapsed_seconds
    assert prometheus["bulkdelete_retries_total"] == report.retries == 4
    assert prometheus['bulkdelete_attempts_total{code="50000",verdict="retry"}'] == 1
    assert prometheus['bulkdelete_attempts_total{code="answer_lost",verdict="retry"}'] == 1
    assert prometheus['bulkdelete_attempts_total{code="http_502",verdict="retry"}'] == 1
    assert prometheus['bulkdelete_attempts_total{code="http_200",verdict="retry"}'] == 1
    assert prometheus['bulkdelete_attempts_total{code="http_429",verdict="pause"}'] == 1
    assert prometheus['bulkdelete_pauses_total{by="api"}'] == 1
    assert prometheus['bulkdelete_pause_seconds_total{by="api"}'] >= 0.2
    assert prometheus['bulkdelete_jobs_total{ended="complete"}'] == 1
    assert prometheus["bulkdelete_jobs_running"] == prometheus["bulkdelete_in_flight"] == 0
    for secret in (KEY, TABLE_ID, *ids(10)):
        assert secret not in prometheus.text


async def test_one_set_of_collectors_watches_several_deleters_and_shows_what_runs_now(emulator, prometheus):
    emulator.faults = Faults(latency_seconds=0.3)
    collectors = Metrics(prometheus.registry)
    async with deleter_of(emulator) as one, deleter_of(emulator, flow={"concurrency": 5}) as other:
        collectors.watch(one)
        unwatch = collectors.watch(other)
        running = asyncio.gather(one.delete(TABLE_ID, ids(10)), other.delete(TABLE_ID, ids(20)[10:]))
        while one.in_flight + other.in_flight < 2:
            await asyncio.sleep(0.002)
        await prometheus.scrape()
        assert prometheus["bulkdelete_in_flight"] == prometheus["bulkdelete_jobs_running"] == 2
        assert prometheus["bulkdelete_limit"] == one.limit + 5
        unwatch()
        await running
        await prometheus.scrape()
    assert prometheus["bulkdelete_limit"] == one.limit
    assert prometheus["bulkdelete_records_total"] == 10
    assert prometheus["bulkdelete_jobs_running"] == 0


async def test_a_job_that_the_api_refuses_and_an_outage_are_counted(emulator, prometheus):
    collectors = Metrics(prometheus.registry)
    async with deleter_of(emulator) as deleter:
        collectors.watch(deleter)
        with pytest.raises(FatalAnswer):
            await deleter.delete("000000000000000000000000", ids(1))
        emulator.switches = Switches(error_status="http")
        emulator.faults = Faults(internal_error_rate=1.0)
        job = deleter.job(TABLE_ID, ids(10), max_duration_seconds=20)
        task = asyncio.create_task(job.run())
        while job.snapshot().limited_by != "outage":
            await asyncio.sleep(0.01)
        await prometheus.scrape()
        assert prometheus["bulkdelete_in_outage"] == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await prometheus.scrape()
    assert prometheus['bulkdelete_jobs_total{ended="fatal_answer"}'] == 1
    assert prometheus['bulkdelete_jobs_total{ended="cancelled"}'] == 1
    assert prometheus['bulkdelete_attempts_total{code="403106",verdict="fatal"}'] == 1


KINDS = st.sampled_from([*VerdictKind, None])
KNOWN = {"0", "other", "http_other", "cancelled", "timed_out", "answer_lost", "not_sent", *map(str, CODES)}


@given(
    st.lists(st.tuples(KINDS, st.none() | st.integers(), st.none() | st.integers(0, 999), st.booleans()), max_size=30)
)
@settings(max_examples=often(25))
def test_whatever_a_server_answers_there_are_few_label_values(answers):
    registry = CollectorRegistry()
    deleter = BulkDeleter(base_url="http://127.0.0.1:9", api_key=KEY)
    Metrics(registry).watch(deleter)
    for kind, code, status, lost in answers:
        deleter._shared.hub.tell(AttemptEnded("j", TABLE_ID, "r", "/", 1, 0, 0.1, kind, code, status, lost, lost))
    samples = [
        sample
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
        if sample.name == "bulkdelete_attempts_total"
    ]
    assert sum(sample.value for sample in samples) == len(answers)
    for sample in samples:
        code = sample.labels["code"]
        assert code in KNOWN or code.removeprefix("http_") in {str(status) for status in range(100, 600)}
        assert sample.labels["verdict"] in {*(kind.value for kind in VerdictKind), "cancelled", ""}


@pytest.mark.parametrize(
    ("module", "library", "extra"),
    [("metrics", "prometheus_client", "bulkdelete[metrics]"), ("otel", "opentelemetry", "bulkdelete[otel]")],
)
def test_without_its_extra_a_module_says_what_to_install(module, library, extra, monkeypatch):
    monkeypatch.delitem(sys.modules, f"bulkdelete.{module}")
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ModuleNotFoundError) as missing:
        __import__(f"bulkdelete.{module}")
    assert extra in str(missing.value)
    assert missing.value.name == library
