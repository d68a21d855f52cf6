"""How a job ends when it cannot go on: quotas, storage, stops, and what the next run makes of it."""

from __future__ import annotations

import asyncio
import itertools
import pickle
import time
from collections import Counter

import pytest

from bulkdelete import (
    BulkDeleter,
    CredentialsError,
    Ended,
    FatalAnswer,
    LedgerLocked,
    Outcome,
    RecordsFailed,
    Settings,
    SettingsError,
    SourceError,
)
from bulkdelete.emulator import Emulator, Faults
from bulkdelete.errors import AnswerLost, CancelledElsewhere, PauseTooLong
from bulkdelete.ledger import read_ledger

pytestmark = pytest.mark.both_loops

TABLE_ID = "673af861ed69656ac0895b07"
IMPATIENT = {"retry": {"first_backoff_seconds": 0.001}}


def ids(count: int) -> list[str]:
    return [str(541_278_230_707_963_208 + 37 * number) for number in range(count)]


def deleter(emulator: Emulator, **sections) -> BulkDeleter:
    settings = Settings.from_mapping({"base_url": emulator.base_url, **IMPATIENT, **sections})
    return BulkDeleter(settings=settings, api_key=emulator.api_key)


async def test_a_far_pause_ends_the_run_and_the_next_one_before_it_sends_nothing(tmp_path):
    async with Emulator(faults=Faults(script=["ok", "429"], retry_after_seconds=3_600)) as emulator:
        emulator.load(TABLE_ID, ids(4_000))
        async with deleter(emulator, flow={"concurrency": 1}) as purger:
            report = await purger.delete(TABLE_ID, ids(4_000), ledger=tmp_path / "purge.db")
        assert report.ended is Ended.QUOTA
        assert report.resume_at_unix_seconds == pytest.approx(time.time() + 3_600, abs=60)
        assert (report.acknowledged, report.pending, report.unresolved) == (1_000, report.rows - 2_000, 1_000)
        assert report.balanced
        asked = emulator.requests
        async with deleter(emulator) as purger:
            again = await purger.delete(TABLE_ID, ids(4_000), ledger=tmp_path / "purge.db")
        assert again.ended is Ended.QUOTA
        assert again.resume_at_unix_seconds == report.resume_at_unix_seconds
        assert emulator.requests == asked


async def test_short_pauses_are_kept_and_fail_nobody():
    faults = Faults(script=["40008", "429", "ok", "40008"], retry_after_seconds=0.05)
    async with Emulator(faults=faults) as emulator:
        emulator.load(TABLE_ID, ids(3_000))
        async with deleter(emulator) as purger:
            report = await purger.delete(TABLE_ID, ids(3_000))
        assert (report.acknowledged, report.retries) == (3_000, 0)
        assert report.requests == 6


async def test_a_job_stopped_before_it_began_sends_nothing_and_can_go_on(tmp_path):
    async with Emulator() as emulator:
        emulator.load(TABLE_ID, ids(2_000))
        async with deleter(emulator) as purger:
            job = purger.job(TABLE_ID, ids(2_000), ledger=tmp_path / "purge.db")
            job.stop("not today")
            report = await job.run()
            assert (report.ended, report.reason) == (Ended.SIGNAL, "not today")
            assert emulator.requests == 0
            again = await purger.delete(TABLE_ID, ids(2_000), ledger=tmp_path / "purge.db")
        assert again.acknowledged == 2_000


async def test_a_snapshot_can_be_taken_at_any_time():
    async with Emulator() as emulator:
        emulator.load(TABLE_ID, ids(1_500))
        async with deleter(emulator) as purger:
            job = purger.job(TABLE_ID, ids(1_500))
            assert job.snapshot().settled == 0
            await job.run()
            after = job.snapshot()
        assert (after.rows, after.settled, after.acknowledged, after.failed, after.in_flight) == (
            1_500,
            1_500,
            1_500,
            0,
            0,
        )


async def test_an_iterable_that_breaks_while_it_is_spooled_sends_nothing(tmp_path):
    def breaking():
        yield from ids(10)
        raise OSError(5, "Input/output error")

    async with Emulator() as emulator:
        emulator.load(TABLE_ID, ids(10))
        async with deleter(emulator) as purger:
            with pytest.raises(SourceError, match="row 10"):
                await purger.delete(TABLE_ID, breaking(), ledger=tmp_path / "purge.db")
            assert emulator.requests == 0
            report = await purger.delete(TABLE_ID, iter(ids(10)), ledger=tmp_path / "purge.db")
        assert report.acknowledged == 10


async def test_two_calls_on_one_ledger_are_one_too_many(tmp_path):
    async with Emulator(faults=Faults(latency_seconds=1.5)) as emulator:
        emulator.load(TABLE_ID, ids(10))
        async with deleter(emulator) as purger:
            job = purger.job(TABLE_ID, ids(10), ledger=tmp_path / "purge.db")

            async def second():
                with pytest.raises(LedgerLocked):
                    await purger.delete(TABLE_ID, ids(10), ledger=tmp_path / "purge.db")

            running = asyncio.create_task(job.run())
            while not emulator.requests:
                await asyncio.sleep(0.005)
            await second()
            assert (await running).acknowledged == 10


async def test_a_key_that_cannot_be_read_ends_the_job_with_everything_pending():
    def no_key() -> str:
        raise CredentialsError("the vault is sealed")

    async with Emulator() as emulator:
        async with BulkDeleter(base_url=emulator.base_url, api_key=no_key) as purger:
            with pytest.raises(CredentialsError, match="sealed") as raised:
                await purger.delete(TABLE_ID, ids(3_000))
        assert raised.value.report.pending == raised.value.report.rows > 0
        assert emulator.requests == 0


async def test_every_report_holds_the_digest_of_what_its_run_left_in_the_ledger(tmp_path):
    ledger = tmp_path / "purge.db"

    def in_the_ledger() -> tuple[int, str]:
        with read_ledger(ledger) as reader:
            return len(reader.runs()), reader.content_digest()

    async with Emulator(faults=Faults(script=["ok", "403106"])) as emulator:
        emulator.load(TABLE_ID, ids(3_000))
        async with deleter(emulator) as purger:
            with pytest.raises(FatalAnswer) as raised:
                await purger.delete(TABLE_ID, ids(3_000), ledger=ledger)
            first, in_doubt = raised.value.report, await asyncio.to_thread(in_the_ledger)
            assert (first.ledger_run, first.ledger_digest) == in_doubt
            second = await purger.delete(TABLE_ID, ids(3_000), ledger=ledger)
            assert (second.ledger_run, second.ledger_digest) == await asyncio.to_thread(in_the_ledger)
            assert second.ledger_digest != first.ledger_digest
            unrecorded = await purger.delete(TABLE_ID, ids(10))
    assert (unrecorded.ledger_run, unrecorded.ledger_digest) == (None, "")


async def test_a_limit_smaller_than_a_stored_batch_sends_nothing_and_says_so(tmp_path):
    async with Emulator(faults=Faults(script=["403106"])) as emulator:
        emulator.load(TABLE_ID, ids(3_000))
        async with deleter(emulator) as purger:
            with pytest.raises(FatalAnswer):
                await purger.delete(TABLE_ID, ids(3_000), ledger=tmp_path / "purge.db")
            some = await purger.delete(TABLE_ID, ids(3_000), ledger=tmp_path / "purge.db", limit=10)
            assert (some.ended, some.acknowledged, some.requests) == (Ended.LIMIT_TOO_SMALL, 0, 0)
            assert "holds 1000 records" in some.reason
            none = await purger.delete(TABLE_ID, ids(3_000), ledger=tmp_path / "purge.db", limit=0)
            assert (none.ended, none.requests) == (Ended.LIMIT, 0)
            rest = await purger.delete(TABLE_ID, ids(3_000), ledger=tmp_path / "purge.db")
        assert rest.acknowledged == 3_000


async def test_what_a_job_raises_goes_through_a_pool_of_processes(tmp_path):
    async with Emulator(faults=Faults(script=["403106"])) as emulator, deleter(emulator) as purger:
        with pytest.raises(FatalAnswer) as raised:
            await purger.delete(TABLE_ID, ids(3), ledger=tmp_path / "a.db")
    here, there = raised.value, pickle.loads(pickle.dumps(raised.value))
    assert (type(there), str(there)) == (FatalAnswer, str(here))
    assert (there.verdict, there.report) == (here.verdict, here.report)


@pytest.mark.parametrize(
    "error",
    [
        PauseTooLong("a pause", 12.5),
        AnswerLost("late", timed_out=True),
        CancelledElsewhere("the check"),
        SettingsError("no"),
        RecordsFailed("some"),
    ],
)
def test_every_error_can_be_pickled(error):
    there = pickle.loads(pickle.dumps(error))
    assert (type(there), there.args, vars(there)) == (type(error), error.args, vars(error))


async def test_a_key_that_expires_again_while_its_request_waits_out_a_long_pause_ends_no_job(tmp_path, monkeypatch):
    monkeypatch.setattr("bulkdelete.attempts._MAY_EXPIRE_WITHIN_SECONDS", 0.05)
    keys = (f"key-{number}" for number in itertools.count(1))
    faults = Faults(script=["ok", "40127", "429", "40127", "ok"], retry_after_seconds=0.05)
    async with Emulator(faults=faults) as emulator:
        emulator.load(TABLE_ID, ids(3_000))

        def key() -> str:
            emulator.add_key(given := next(keys))
            return given

        settings = Settings.from_mapping({"flow": {"concurrency": 1}})
        async with BulkDeleter(base_url=emulator.base_url, api_key=key, settings=settings) as purger:
            report = await purger.delete(TABLE_ID, ids(3_000), ledger=tmp_path / "purge.db")
        assert (report.ended, report.acknowledged) == (Ended.COMPLETE, 3_000)
        assert emulator.count(TABLE_ID) == 0
    assert next(keys) == "key-4"


async def test_an_api_that_refuses_every_key_ends_the_job_also_where_it_asks_for_a_pause_before_each_refusal(tmp_path):
    keys = (f"key-{number}" for number in itertools.count(1))
    faults = Faults(script=["40127", "429"] * 500, retry_after_seconds=0.05)
    async with Emulator(faults=faults) as emulator:
        settings = Settings.from_mapping({"flow": {"concurrency": 1}})
        async with BulkDeleter(base_url=emulator.base_url, api_key=lambda: next(keys), settings=settings) as purger:
            with pytest.raises(FatalAnswer, match="check the key"):
                await purger.delete(TABLE_ID, ids(3_000), ledger=tmp_path / "purge.db")
        assert emulator.requests == 3
    assert next(keys) == "key-3"


async def test_a_key_that_is_cancelled_by_somebody_else_ends_the_call_with_words():
    async def key() -> str:
        waiting = asyncio.get_running_loop().create_future()
        waiting.cancel()
        return await waiting

    async with Emulator() as emulator, BulkDeleter(base_url=emulator.base_url, api_key=key) as purger:
        for count in 1, 2_000:
            with pytest.raises(CancelledElsewhere, match=r"the function that gives the key was cancelled.*call again"):
                await purger.delete(TABLE_ID, ids(count))
    assert emulator.requests == 0


@pytest.mark.parametrize("ledger", [None, "purge.db"])
async def test_of_a_key_that_is_cancelled_by_somebody_else_when_it_is_read_again_every_record_has_an_outcome(
    tmp_path, ledger
):
    keys = iter(["key-1"])

    async def key() -> str:
        for known in keys:
            return known
        waiting = asyncio.get_running_loop().create_future()
        waiting.cancel()
        return await waiting

    settings = Settings.from_mapping({"flow": {"concurrency": 2}})
    outcomes: list[Outcome] = []

    async def read(stream) -> None:
        async with stream:
            async for outcome in stream:
                outcomes.append(outcome)  # noqa: PERF401 - what came before the error counts

    async with Emulator(faults=Faults(script=["ok", "40127"])) as emulator:
        emulator.load(TABLE_ID, ids(4_000))
        async with BulkDeleter(base_url=emulator.base_url, api_key=key, settings=settings) as purger:
            stream = purger.stream(TABLE_ID, ids(4_000), ledger=ledger and tmp_path / ledger)
            with pytest.raises(CancelledElsewhere, match="the function that gives the key") as raised:
                await read(stream)
    report = raised.value.report
    told = Counter()
    for outcome in outcomes:
        told[outcome.fate.value] += outcome.records
    assert sum(told.values()) == 4_000, told
    assert told == +Counter({fate: getattr(report, fate) for fate in ("acknowledged", "unresolved", "pending")})
