"""What a type checker knows of the package: all that a user meets, used as it is meant, and as it is not.

Never run: mypy and pyright read it, both in strict mode. A line that is silenced must be an error, else that is one.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, assert_never, assert_type

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

import bulkdelete
from bulkdelete import (
    BulkDeleteError,
    BulkDeleter,
    CredentialsError,
    Ended,
    FatalAnswer,
    Fate,
    Filter,
    HoldsRefused,
    Job,
    KeptLedger,
    LedgerError,
    LedgerFolder,
    LedgerLocked,
    LedgerMismatch,
    LedgerState,
    LedgerStorageError,
    Outcome,
    Outcomes,
    RecordsFailed,
    Report,
    RowFate,
    Settings,
    SettingsError,
    Snapshot,
    SourceChanged,
    SourceError,
    SourceRefused,
    open_source,
)
from bulkdelete.emulator import Config, Emulator, Fault, Faults, LoggedRequest, Switches, read_config, serve
from bulkdelete.events import (
    AttemptEnded,
    Event,
    JobBegan,
    JobEnded,
    LimitChanged,
    OutageBegan,
    OutageEnded,
    OutcomeReached,
    PauseBegan,
    RetryPlanned,
)
from bulkdelete.metrics import Metrics
from bulkdelete.otel import Telemetry
from bulkdelete.records import Batch, Defect, Rows, Verdict, VerdictKind
from bulkdelete.reports import CanaryCounts
from bulkdelete.settings import (
    ApiKey,
    BatchSettings,
    CanarySettings,
    FlowSettings,
    HoldsSettings,
    HttpSettings,
    IdentifierSettings,
    LedgerSettings,
    ReadingSettings,
    RetrySettings,
    SourceSettings,
    SplittingSettings,
    StopOptions,
    StopSettings,
)
from bulkdelete.sources import Source
from bulkdelete.testing import RunningEmulator, bulkdelete_emulator, run_emulator

version: str = bulkdelete.__version__


# --- a deleter


async def read_key() -> str:
    return "key"


async def make(settings: Settings, secret: SecretStr) -> None:
    async with BulkDeleter(base_url="https://altatech.ai", api_key="key", settings=settings) as deleter:
        assert_type(deleter, BulkDeleter)
        assert_type(deleter.base_url, str)
        assert_type(deleter.in_flight, int)
        assert_type(deleter.limit, int)
        assert_type(await deleter.aclose(), None)
    BulkDeleter()
    BulkDeleter(api_key=secret)
    BulkDeleter(api_key=lambda: "key")
    BulkDeleter(api_key=read_key)
    BulkDeleter("https://altatech.ai")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    BulkDeleter(base_ulr="https://altatech.ai")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    BulkDeleter(api_key=b"key")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    BulkDeleter(api_key=lambda: 5)  # type: ignore[arg-type, return-value]  # pyright: ignore[reportArgumentType]
    BulkDeleter(settings={"base_url": ""})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with BulkDeleter():  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    deleter.limit = 5  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


# --- its calls


def ids() -> Iterator[str]:
    yield "541278230707963208"


async def rows() -> AsyncIterator[str | Filter]:
    yield "541278230707963208"
    yield Filter("email", "ann@example.com")


async def look(report: Report) -> bool:
    return report.canary is not None and not report.canary.rejected


def look_at_once(report: Report) -> bool:
    return not report.rejected


async def delete(deleter: BulkDeleter, source: Source, where: os.PathLike[str]) -> None:
    assert_type(await deleter.delete("table", ["541278230707963208"]), Report)
    assert_type(await deleter.delete("table", {"541278230707963208"}, ledger="erase.db"), Report)
    assert_type(await deleter.delete("table", ids(), ledger=where, holds=source, check=look), Report)
    assert_type(await deleter.delete("table", rows(), ledger=Path("erase.db"), holds=["541278230707963208"]), Report)
    assert_type(await deleter.delete("table", [Filter("number", 5)], limit=5, max_failures=None), Report)
    assert_type(await deleter.delete("table", ids, ledger="erase.db", holds=rows), Report)  # called, as they are
    assert_type(await deleter.delete("table", source, max_records=5, expect=5, max_duration_seconds=0.5), Report)
    await deleter.delete("table")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await deleter.delete("table", [541278230707963208])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    await deleter.delete("table", 5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await deleter.delete("table", lambda: 5)  # type: ignore[arg-type, return-value]  # pyright: ignore[reportArgumentType]
    await deleter.delete("table", read_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await deleter.delete(5, source)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await deleter.delete("table", source, "erase.db")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await deleter.delete("table", source, limt=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await deleter.delete("table", source, limit="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await deleter.delete("table", source, check=look_at_once)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    deleter.delete("table", source)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]


async def stream(deleter: BulkDeleter, source: Source) -> None:
    async with deleter.stream("table", source, ledger="erase.db", holds=ids(), check=look, limit=5) as outcomes:
        assert_type(outcomes, Outcomes)
        async for outcome in outcomes:
            assert_type(outcome, Outcome)
            assert_type(outcomes.snapshot(), Snapshot)
    assert_type(outcomes.report, Report | None)
    await deleter.stream("table", source)  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    for _ in deleter.stream("table", source):  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]
        pass
    outcomes.report.rows  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]  # noqa: B018 - it may be None


async def resume(deleter: BulkDeleter, where: os.PathLike[str]) -> None:
    assert_type(await deleter.resume("erase.db"), Report)
    assert_type(await deleter.resume(where, holds=["541278230707963208"], check=look, max_records=5), Report)
    await deleter.resume("erase.db", ["541278230707963208"])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await deleter.resume("erase.db", limit="all")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def run(deleter: BulkDeleter, source: Source) -> None:
    job = deleter.job("table", source, ledger="erase.db", holds=source, check=look, expect=5)
    assert_type(job, Job)
    assert_type(await deleter.resumed_job("erase.db", holds=source, check=look, limit=None), Job)
    assert_type(job.id, str)
    assert_type(job.report, Report | None)
    assert_type(job.snapshot(), Snapshot)
    assert_type(job.quota_seconds(1_000_000), float)
    assert_type(job.subscribe(print), Callable[[], None])
    assert_type(job.stop("enough"), None)
    assert_type(job.stop("enough", Ended.SIGNAL), None)
    assert_type(await job.run(), Report)
    job.stop()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    job.stop("enough", "signal")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def caps(deleter: BulkDeleter) -> Awaitable[Report]:
    chosen: StopOptions = {"limit": 5, "max_failures": 5, "max_records": 5, "expect": 5, "max_duration_seconds": 5.0}
    wrong: StopOptions = {"limt": 5}  # type: ignore[typeddict-unknown-key]  # pyright: ignore[reportAssignmentType]
    del wrong
    return deleter.delete("table", ids(), **chosen)


# --- what comes of them


def account(report: Report) -> None:
    assert_type(report.table_id, str)
    assert_type(report.rows, int)
    assert_type(report.acknowledged, int)
    assert_type(report.rejected, int)
    assert_type(report.invalid, int)
    assert_type(report.held, int)
    assert_type(report.duplicate, int)
    assert_type(report.unresolved, int)
    assert_type(report.pending, int)
    assert_type(report.batches, int)
    assert_type(report.requests, int)
    assert_type(report.retries, int)
    assert_type(report.elapsed_seconds, float)
    assert_type(report.ended, Ended)
    assert_type(report.reason, str)
    assert_type(report.settled_before, int)
    assert_type(report.ledger, str | None)
    assert_type(report.ledger_run, int | None)
    assert_type(report.ledger_digest, str)
    assert_type(report.resume_at_unix_seconds, float | None)
    assert_type(report.total_count_before, int | None)
    assert_type(report.total_count_after, int | None)
    assert_type(report.canary, CanaryCounts | None)
    assert_type(report.failures, tuple[RowFate, ...])
    assert_type(report.balanced, bool)
    assert_type(report.remaining, int)
    assert_type(report.as_dict(), dict[str, Any])
    assert_type(report.raise_for_failures(), None)
    report.rows = 5  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    report.deleted  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # noqa: B018 - there is none


def canary(counts: CanaryCounts) -> None:
    assert_type((counts.sent, counts.acknowledged, counts.rejected, counts.unresolved), tuple[int, int, int, int])


def outcome_of(outcome: Outcome, failed: RowFate) -> None:
    assert_type(outcome.fate, Fate)
    assert_type((outcome.first_row, outcome.end_row, outcome.records, outcome.attempts), tuple[int, int, int, int])
    assert_type((outcome.whole, outcome.ambiguous, outcome.failed, outcome.again), tuple[bool, bool, bool, bool])
    assert_type((outcome.code, outcome.http_status), tuple[int | None, int | None])
    assert_type((outcome.message, outcome.request_id), tuple[str, str])
    assert_type(outcome.which, Sequence[str | Filter])
    assert_type(outcome.row_fate, RowFate | None)
    assert_type(outcome.batch, Batch)
    assert_type(outcome.batch.open_records, int)
    assert_type(outcome.batch.records, Sequence[str | Filter])
    assert_type((failed.row, failed.line, failed.code), tuple[int, int | None, int | None])
    assert_type((failed.fate, failed.reason, failed.record), tuple[Fate, str, str | Filter])
    assert_type((failed.file, failed.request_id), tuple[str, str])
    outcome.fate = Fate.HELD  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def progress(now: Snapshot) -> None:
    assert_type((now.rows, now.settled, now.settled_before, now.acknowledged), tuple[int, int, int, int])
    assert_type((now.failed, now.requests, now.retries, now.in_flight, now.limit), tuple[int, int, int, int, int])
    assert_type((now.pause_seconds, now.elapsed_seconds), tuple[float, float])
    assert_type((now.limited_by, now.last_failure), tuple[str, str])


def fates(fate: Fate) -> str:
    match fate:
        case Fate.ACKNOWLEDGED | Fate.HELD | Fate.DUPLICATE:
            return "nothing to do"
        case Fate.REJECTED | Fate.INVALID:
            return "running again is useless"
        case Fate.UNRESOLVED | Fate.PENDING:
            return "run again"
    assert_never(fate)


def filters(one: Filter) -> None:
    assert_type(one.column, str)
    assert_type(one.value, str | int | float | bool)
    Filter("email")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Filter("email", None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    one.value = "x"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


# --- errors


async def errors(deleter: BulkDeleter, source: Source) -> None:
    try:
        await deleter.delete("table", source)
    except FatalAnswer as fatal:
        assert_type(fatal.verdict, Verdict)
        assert_type(fatal.verdict.kind, VerdictKind)
        assert_type((fatal.verdict.code, fatal.verdict.http_status), tuple[int | None, int | None])
        assert_type((fatal.verdict.message, fatal.verdict.ambiguous), tuple[str, bool])
    except (LedgerLocked, LedgerMismatch, LedgerStorageError) as error:
        ledger: LedgerError = error
        assert_type(ledger.report, Report | None)
    except (SourceChanged, SourceRefused) as error:
        refused: SourceError = error
        assert_type(refused.report, Report | None)
    except (HoldsRefused, SettingsError, CredentialsError, RecordsFailed) as error:
        one: BulkDeleteError = error
        assert_type(one.report, Report | None)
        one.report.rows  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]  # noqa: B018 - it may be None
    FatalAnswer("no verdict")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


# --- sources


async def read(settings: ReadingSettings) -> None:
    source = open_source("ids.csv", settings)
    assert_type(source, Source)
    assert_type(open_source(Path("ids.csv")), Source)
    assert_type(open_source(["ids-1.csv", Path("ids-2.csv")]), Source)
    assert_type((source.name, source.paths, source.files), tuple[str, tuple[str, ...], tuple[str, ...]])
    assert_type((source.parts, source.identity), tuple[Sequence[Source], Mapping[str, str]])
    assert_type((source.replayable, source.size_bytes), tuple[bool, int | None])
    assert_type((source.position_bytes, source.rows_read), tuple[int, int])
    assert_type(await source.fingerprint(), str)
    async for block in source.blocks():
        assert_type(block, Rows)
        assert_type(block.items, Sequence[str | Filter | Defect])
        assert_type((block.first_row, block.file, block.lines), tuple[int, str, Sequence[int]])
        for item in block.items:
            if isinstance(item, Defect):
                assert_type((item.reason, item.text, item.fingerprint), tuple[str, str, bytes])
    open_source()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    open_source(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    open_source("ids.csv", column="id")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


# --- a service's ledgers


async def keep(deleter: BulkDeleter, where: os.PathLike[str], source: Source) -> None:
    folder = LedgerFolder(where)
    assert_type(LedgerFolder("ledgers").path, Path)
    assert_type(folder.path_for("customer/42"), Path)
    assert_type(await folder.ledger("customer/42"), KeptLedger | None)
    for kept in await folder.ledgers():
        assert_type(kept, KeptLedger)
        assert_type((kept.path, kept.name, kept.state), tuple[Path, str, LedgerState])
        assert_type((kept.why, kept.table_id, kept.base_url, kept.last_reason), tuple[str, str, str, str])
        assert_type((kept.changed_unix_seconds, kept.last_ended), tuple[float, str | None])
        assert_type((kept.rows, kept.acknowledged, kept.rejected, kept.invalid), tuple[int, int, int, int])
        assert_type((kept.held, kept.duplicate, kept.unresolved, kept.pending), tuple[int, int, int, int])
        assert_type(kept.remaining, int)
    await folder.resume_all(deleter, holds=ids)
    results = await folder.resume_all(deleter, at_once=4, holds=source, check=look, limit=None)
    assert_type(results, dict[Path, Report | Exception])
    assert_type(await folder.prune(older_than_seconds=86_400, with_failures=True), list[Path])
    await folder.prune()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await folder.prune(86_400)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await folder.resume_all(deleter, holds=ids())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    folder.path_for(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    if LedgerState("complete") is LedgerState.COMPLETE:
        LedgerFolder()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


# --- settings


def settings() -> Settings:
    assert_type(Settings.from_mapping({"flow": {"concurrency": 8}}, "purge.toml"), Settings)
    chosen = Settings(
        base_url="https://altatech.ai",
        table_id="table",
        api_key_file="key",
        api_key_command=("pass", "key"),
        codes={40009: "retry"},
        identifiers={"table": IdentifierSettings(pattern="[0-9]+", lengths=(18,), prefixes=("54",))},
        source=SourceSettings(path=("ids.csv",), column="id", sanity_check=False),
        holds=HoldsSettings(path=("holds.txt",), max_age_seconds=86_400),
        batch=BatchSettings(size=100),
        http=HttpSettings(connect_timeout_seconds=5),
        retry=RetrySettings(max_attempts=3),
        flow=FlowSettings(concurrency=8, requests_per_hour=1000),
        splitting=SplittingSettings(stop_when_wholly_wrong=False),
        stop=StopSettings(max_records=150_000),
        canary=CanarySettings(records=1000),
        ledger=LedgerSettings(synchronous="normal"),
    )
    assert_type(chosen.flow.quotas, dict[str, int])
    assert_type(chosen.flow.ceiling, int)
    assert_type(chosen.stop.max_records, int | None)
    assert_type(chosen.ledger.synchronous, Literal["full", "normal"])
    assert_type(chosen.without_places_of_the_key(), dict[str, Any])
    assert_type(ApiKey().api_key, SecretStr | None)
    ReadingSettings(format="xml")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    FlowSettings(concurency=8)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    LedgerSettings(synchronous="off")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    StopSettings(limit="many")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Settings(codes={40009: "again"})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    chosen.table_id = "another"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    return chosen


# --- events, metrics, traces


def tell(event: Event) -> None:
    match event:
        case JobBegan(job, table_id, source):
            assert_type((job, table_id, source), tuple[str, str, str])
        case AttemptEnded():
            assert_type((event.job, event.table_id, event.request_id, event.path), tuple[str, str, str, str])
            assert_type((event.records, event.calls_before, event.seconds), tuple[int, int, float])
            assert_type((event.kind, event.code), tuple[VerdictKind | None, int | None])
            assert_type((event.http_status, event.lost), tuple[int | None, str])
            assert_type((event.ambiguous, event.timed_out), tuple[bool, bool])
        case RetryPlanned():
            assert_type((event.records, event.attempts, event.seconds), tuple[int, int, float])
            assert_type((event.kind, event.code), tuple[VerdictKind, int | None])
            assert_type((event.http_status, event.request_id), tuple[int | None, str])
        case PauseBegan(by, seconds, before_seconds):
            assert_type((by, seconds, before_seconds), tuple[Literal["api", "quota"], float, float])
        case OutageBegan(failure):
            assert_type(failure, str)
        case LimitChanged(limit, before):
            assert_type((limit, before), tuple[int, int])
        case OutcomeReached(job, table_id, outcome):
            assert_type((job, table_id, outcome), tuple[str, str, Outcome])
        case JobEnded():
            assert_type((event.ended, event.seconds, event.error), tuple[Ended, float, str])
            assert_type(event.report, Report | None)
        case OutageEnded():
            pass
        case _:
            assert_never(event)


async def tell_later(event: JobEnded) -> None:
    del event


def watch(deleter: BulkDeleter, registry: CollectorRegistry, traces: TracerProvider, meters: MeterProvider) -> None:
    assert_type(deleter.subscribe(tell), Callable[[], None])
    assert_type(Metrics().watch(deleter), Callable[[], None])
    assert_type(Metrics(registry).watch(deleter), Callable[[], None])
    assert_type(Telemetry().watch(deleter), Callable[[], None])
    assert_type(Telemetry(traces, meters).watch(deleter), Callable[[], None])
    deleter.subscribe(tell_later)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    deleter.subscribe("print")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Metrics("registry")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Telemetry(meters)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# --- the emulator


async def emulate(where: Path, clock: Callable[[], float]) -> None:
    config = read_config(where)
    assert_type(config, Config)
    assert_type((config.switches, config.faults), tuple[Switches, Faults])
    faults = Faults(script=[Fault.INTERNAL_ERROR, "drop_after"], seed=7, internal_error_rate=0.02)
    keys = {"another-key": ["table"], "a-third": None}
    async with Emulator(where, faults, 0, keys, record_requests=True, api_key="key", clock=clock) as emulator:
        assert_type(emulator, Emulator)
        assert_type((emulator.base_url, emulator.requests), tuple[str, int])
        assert_type(emulator.answers, Counter[int | str])
        assert_type(emulator.log, list[LoggedRequest])
        assert_type(emulator.create_table("table", ["email"]), None)
        assert_type(emulator.load("table", ids(), [{"email": "ann@example.com"}]), None)
        assert_type(emulator.poison("table", ids()), None)
        assert_type(emulator.count("table"), int)
        assert_type(emulator.remaining("table"), Iterator[str])
        assert_type(emulator.add_key("key", ["table"]), None)
        assert_type(emulator.revoke_key("key"), None)
        emulator.switches = Switches(error_status="http", capacity=8)
        emulator.faults = Faults(latency_seconds=0.2)
    assert_type(await serve(emulator), None)
    Switches("ignored")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Switches(unknown_ids="refused")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Faults(script="50000", sead=7)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    emulator.switches = faults  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]


def logged(request: LoggedRequest) -> None:
    assert_type((request.path, request.request_id, request.table_id), tuple[str, str, str])
    assert_type((request.body, request.applied), tuple[bytes, Sequence[str]])
    assert_type((request.answer, request.entries), tuple[int | str, list[Any]])


def test(api: RunningEmulator) -> None:
    assert_type((api.base_url, api.api_key, api.requests), tuple[str, str, int])
    assert_type((api.switches, api.faults), tuple[Switches, Faults])
    assert_type(api.answers, Counter[int | str])
    assert_type(api.log, list[LoggedRequest])
    assert_type(api.create_table("table", ["email"]), None)
    assert_type(api.load("table", ids(), [{"email": "ann@example.com"}]), None)
    assert_type(api.poison("table", ids()), None)
    assert_type(api.count("table"), int)
    assert_type(api.remaining("table"), list[str])
    assert_type(api.add_key("key"), None)
    assert_type(api.revoke_key("key"), None)
    api.switches = Switches(atomicity="partial")
    api.faults = Faults(fail_first=3)
    with run_emulator() as running, run_emulator(Emulator(record_requests=True)) as another:
        assert_type((running, another), tuple[RunningEmulator, RunningEmulator])
    bulkdelete_emulator()  # a fixture is not called, which pytest says when it runs
    api.base_url = "http://127.0.0.1"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    run_emulator(Switches())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
