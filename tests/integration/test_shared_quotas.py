"""One deleter, many ledgers: what each of them knows was spent counts, once, and nobody waits for ever."""

from __future__ import annotations

import asyncio

import pytest

from bulkdelete import BulkDeleter, Ended, Settings
from bulkdelete.emulator import Emulator, Faults

TABLE_ID = "673af861ed69656ac0895b07"
A_HOUR = 30


def ids(count: int, first: int = 0) -> list[str]:
    return [str(10**17 + first + number) for number in range(count)]


@pytest.fixture
async def emulator():
    async with Emulator(faults=Faults(latency_seconds=0.01)) as emulator:
        emulator.load(TABLE_ID, ids(10_000))
        yield emulator


def deleter(emulator, limit: int | None = None, **quota) -> BulkDeleter:
    sections = {"batch": {"size": 10}, "flow": {"max_pause_seconds": 0, **(quota or {"requests_per_hour": A_HOUR})}}
    stop = {} if limit is None else {"stop": {"limit": limit}}
    chosen = Settings.from_mapping({"base_url": emulator.base_url, **sections, **stop})
    return BulkDeleter(api_key=emulator.api_key, settings=chosen)


async def test_what_a_ledger_says_was_spent_counts_also_where_something_was_sent_before_it_was_opened(
    emulator, tmp_path
):
    async with deleter(emulator, limit=250) as first:
        await first.delete(TABLE_ID, ids(1000), ledger=tmp_path / "a.db")
    assert emulator.requests == 25
    async with deleter(emulator) as second:
        assert (await second.delete(TABLE_ID, ids(10, 5000))).ended is Ended.COMPLETE
        report = await second.delete(TABLE_ID, ids(1000), ledger=tmp_path / "a.db")
    assert report.ended is Ended.QUOTA
    assert emulator.requests == A_HOUR


async def test_of_two_ledgers_that_are_opened_at_once_each_is_heard(emulator, tmp_path):
    async with deleter(emulator, limit=250) as first:
        await first.delete(TABLE_ID, ids(1000), ledger=tmp_path / "a.db")
    assert emulator.requests == 25
    async with deleter(emulator) as second:
        a = second.delete(TABLE_ID, ids(1000), ledger=tmp_path / "a.db")
        b = second.delete(TABLE_ID, ids(1000, 2000), ledger=tmp_path / "b.db")
        reports = await asyncio.gather(a, b)
    assert [report.ended for report in reports] == [Ended.QUOTA, Ended.QUOTA]
    assert emulator.requests == A_HOUR


async def both(deleter: BulkDeleter, folder) -> None:
    jobs = (deleter.delete(TABLE_ID, ids(1000, n * 2000), ledger=folder / f"{n}.db") for n in (0, 1))
    await asyncio.gather(*jobs)


async def test_what_two_ledgers_know_of_one_process_counts_once(emulator, tmp_path):
    async with deleter(emulator, limit=100) as first:
        await both(first, tmp_path)
    assert emulator.requests == 20
    async with deleter(emulator) as second:
        await both(second, tmp_path)
    assert emulator.requests <= A_HOUR


@pytest.mark.parametrize("calls", [1, 2, 5])
async def test_after_calls_that_ended_cleanly_what_they_spent_is_known_exactly(emulator, tmp_path, calls):
    async def all_of_them(deleter: BulkDeleter) -> int:
        jobs = (deleter.delete(TABLE_ID, ids(1000, n * 2000), ledger=tmp_path / f"{n}.db") for n in range(calls))
        return sum(report.requests for report in await asyncio.gather(*jobs))

    async with deleter(emulator, limit=30, requests_per_day=60) as first:
        assert await all_of_them(first) == 3 * calls
    async with deleter(emulator, requests_per_day=60) as second:
        assert await all_of_them(second) == 60 - 3 * calls


async def test_a_job_that_ends_keeps_no_other_from_going_on(emulator, tmp_path):
    async with deleter(emulator, requests_per_second=40, max_pause_seconds=900) as shared:
        reports = await asyncio.gather(
            shared.delete(TABLE_ID, ids(100), ledger=tmp_path / "short.db"),
            shared.delete(TABLE_ID, ids(1000, 2000), ledger=tmp_path / "long.db"),
        )
    assert [report.ended for report in reports] == [Ended.COMPLETE, Ended.COMPLETE]


async def test_without_a_quota_a_job_that_ended_is_known_to_have_ended_while_another_goes_on(emulator, tmp_path):
    async with deleter(emulator, max_pause_seconds=0) as shared, deleter(emulator, requests_per_day=10_000) as second:
        other = asyncio.create_task(shared.delete(TABLE_ID, ids(5000, 2000), ledger=tmp_path / "other.db"))
        job = shared.job(TABLE_ID, ids(1000), ledger=tmp_path / "a.db")
        asyncio.get_running_loop().call_later(0.2, job.stop, "enough for now")
        first = await job.run()
        assert first.ended is Ended.SIGNAL
        again = await second.delete(TABLE_ID, ids(1000), ledger=tmp_path / "a.db")
        assert not other.done()
        assert again.ended is Ended.COMPLETE
        await other


async def test_a_pause_is_kept_by_each_ledger_that_is_open_when_it_is_heard_of(emulator, tmp_path):
    emulator.faults = Faults(script=["ok"] * 6 + ["429"], retry_after_seconds=600, latency_seconds=0.01)
    async with deleter(emulator, max_pause_seconds=900) as first:
        running = asyncio.create_task(both(first, tmp_path))
        while "429" not in emulator.answers:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    before = emulator.requests
    for number in (0, 1):
        async with deleter(emulator) as other:
            report = await other.resume(tmp_path / f"{number}.db")
        assert (report.ended, report.requests) == (Ended.QUOTA, 0)
    assert emulator.requests == before
