"""One deleter, many calls at once: permits by turns, a cap for each call, and what ends one harms no other."""

from __future__ import annotations

import asyncio

import pytest

from bulkdelete import BulkDeleteError, BulkDeleter, Ended, FatalAnswer, Settings
from bulkdelete.emulator import Emulator, Faults

TABLE_ID = "673af861ed69656ac0895b07"
OTHER_TABLE_ID = "673af861ed69656ac0895b08"


def ids(count: int, first: int = 0) -> list[str]:
    return [str(10**17 + first + number) for number in range(count)]


@pytest.fixture
async def emulator():
    async with Emulator(faults=Faults(latency_seconds=0.01)) as emulator:
        emulator.load(TABLE_ID, ids(20_000))
        yield emulator


def deleter(emulator, **flow) -> BulkDeleter:
    flow = {"concurrency": 4, **flow}
    chosen = Settings.from_mapping({"base_url": emulator.base_url, "batch": {"size": 10}, "flow": flow})
    return BulkDeleter(api_key=emulator.api_key, settings=chosen)


async def test_a_small_call_ends_long_before_a_large_one_that_began_before_it(emulator):
    emulator.faults = Faults(latency_seconds=0.05)
    async with deleter(emulator, concurrency=1) as shared:
        large = asyncio.create_task(shared.delete(TABLE_ID, ids(500)))
        while emulator.requests < 4:
            await asyncio.sleep(0.01)
        before = emulator.requests
        small = await shared.delete(TABLE_ID, ids(20, first=5000))
        assert small.acknowledged == 20
        assert not large.done()
        assert emulator.requests - before <= 4  # the first may have come late by one; the second waited for one
        assert (await large).acknowledged == 500


async def test_a_call_never_has_more_in_flight_than_its_cap(emulator):
    async with deleter(emulator, max_concurrency_per_call=1) as shared:
        most, running = 0, asyncio.gather(*(shared.delete(TABLE_ID, ids(200, first=1000 * n)) for n in range(2)))
        while not running.done():
            most = max(most, emulator.requests - emulator.answers.total())
            await asyncio.sleep(0.001)
        assert [report.acknowledged for report in running.result()] == [200, 200]
    assert most == 2


async def test_a_fatal_answer_for_one_table_ends_the_calls_of_that_table_only(emulator):
    async with deleter(emulator) as shared:
        sound = asyncio.create_task(shared.delete(TABLE_ID, ids(400)))
        lost = [shared.delete(OTHER_TABLE_ID, ids(50, first=10_000 * n)) for n in (1, 2)]
        told = await asyncio.gather(*lost, return_exceptions=True)
        assert [type(one) for one in told] == [FatalAnswer, FatalAnswer]
        report = await sound
    assert (report.ended, report.acknowledged) == (Ended.COMPLETE, 400)


async def test_a_call_that_is_cancelled_raises_with_the_account_so_far_also_through_a_timeout(emulator):
    async with deleter(emulator) as shared:
        with pytest.raises(TimeoutError) as raised:
            async with asyncio.timeout(0.2):
                await shared.delete(TABLE_ID, ids(20_000))
        report = raised.value.__cause__.report
    assert (report.ended, report.balanced) == (Ended.CANCELLED, True)
    assert 0 < report.acknowledged == 10 * emulator.answers[0]
    assert report.unresolved == 0  # what was in flight was given the time to end


async def test_a_call_that_is_cancelled_leaves_its_permit_to_whoever_waits_for_one(emulator):
    emulator.faults = Faults(latency_seconds=0.5)
    async with deleter(emulator, concurrency=1, cancel_grace_seconds=0) as shared:
        first = asyncio.create_task(shared.delete(TABLE_ID, ids(10)))
        while not emulator.requests:
            await asyncio.sleep(0.001)
        emulator.faults = Faults()
        second = asyncio.create_task(shared.delete(TABLE_ID, ids(10, first=1000)))
        for _ in range(100):  # it comes to wait for the only permit
            await asyncio.sleep(0)
        first.cancel()
        async with asyncio.timeout(20):
            assert (await second).acknowledged == 10
        assert first.cancelled()


async def test_a_call_that_is_cancelled_again_while_it_ends_keeps_no_other_from_its_quota(emulator, tmp_path):
    async with deleter(emulator, requests_per_hour=1000) as shared:
        job = shared.job(TABLE_ID, ids(5000), ledger=tmp_path / "purge.db")
        durable = asyncio.create_task(job.run())
        while job.snapshot().acknowledged < 20:
            await asyncio.sleep(0.001)
        other = asyncio.create_task(shared.delete(TABLE_ID, ids(1000, first=5000)))
        while not durable.done():
            durable.cancel()
            await asyncio.sleep(0)
        assert durable.cancelled()
        async with asyncio.timeout(20):
            assert (await other).acknowledged == 1000


def test_a_deleter_is_refused_in_another_event_loop_than_that_of_its_first_call():
    async def use(shared) -> None:
        await shared.delete(TABLE_ID, [])

    shared = BulkDeleter(base_url="http://127.0.0.1:1", api_key="key")
    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(use(shared))
        with pytest.raises(BulkDeleteError, match="belongs to another event loop, and nothing was sent: make one in"):
            second.run(use(shared))
        first.run(use(shared))
        first.run(shared.aclose())


async def test_closing_lets_what_is_in_flight_end_and_the_rest_is_pending(emulator, tmp_path):
    ledger = tmp_path / "purge.db"
    shared = deleter(emulator)
    running = asyncio.create_task(shared.delete(TABLE_ID, ids(2000), ledger=ledger))
    while emulator.requests < 8:
        await asyncio.sleep(0.001)
    await shared.aclose()
    report = running.result()
    assert (report.ended, report.reason) == (Ended.SIGNAL, "the deleter is closed")
    assert report.acknowledged == emulator.requests * 10 < 2000
    assert report.unresolved == 0
    async with deleter(emulator) as another:
        assert (await another.delete(TABLE_ID, ids(2000), ledger=ledger)).acknowledged == 2000


async def test_closing_takes_no_longer_than_its_bound_and_what_was_in_flight_is_unresolved(emulator):
    emulator.faults = Faults(latency_seconds=3)
    shared = deleter(emulator, cancel_grace_seconds=0.1)
    running = asyncio.create_task(shared.delete(TABLE_ID, ids(2000)))
    while not emulator.requests:
        await asyncio.sleep(0.001)
    async with asyncio.timeout(2):
        await shared.aclose()
    report = running.result()
    assert (report.ended, report.unresolved, report.acknowledged) == (Ended.SIGNAL, 10, 0)
    assert report.balanced


async def test_after_it_is_closed_no_call_begins(emulator):
    async with deleter(emulator) as shared:
        pass
    with pytest.raises(BulkDeleteError, match="the deleter is closed, and nothing was sent"):
        await shared.delete(TABLE_ID, ids(10))
    assert emulator.requests == 0


async def test_in_a_task_group_an_error_arrives_as_it_is_with_its_report_and_what_others_had_in_flight_ends(emulator):
    async with deleter(emulator) as shared:
        tasks = []

        async def both():
            async with asyncio.TaskGroup() as group:
                tasks.append(group.create_task(shared.delete(TABLE_ID, ids(20_000))))
                tasks.append(group.create_task(shared.delete(OTHER_TABLE_ID, ids(50))))

        with pytest.raises(ExceptionGroup) as raised:
            await both()
        [error] = raised.value.exceptions
        assert isinstance(error, FatalAnswer)
        assert (error.report.ended, error.report.rows, error.report.balanced) == (Ended.FATAL_ANSWER, 50, True)
        assert tasks[0].cancelled()
        assert shared.in_flight == 0
    assert emulator.answers.total() == emulator.requests
    assert len(list(emulator.remaining(TABLE_ID))) == 20_000 - 10 * emulator.answers[0]
