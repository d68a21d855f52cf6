"""Async generators with a yield within a timeout or a task group of their own, which cancels whoever reads them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from bulkdelete import BulkDeleter, Ended, Settings, SourceError
from bulkdelete.emulator import Emulator, Faults

TABLE_ID = "673af861ed69656ac0895b07"
SETTINGS = Settings.from_mapping(
    {"batch": {"size": 100}, "flow": {"concurrency": 2}, "ledger": {"synchronous": "normal"}}
)
IDS = [str(541_278_230_707_963_208 + 7919 * number) for number in range(9_000)]


def within(scope):
    async def records():
        async with scope():
            for record in IDS:
                yield record

    return records


async def failing():
    raise OSError("the cursor is gone")


@asynccontextmanager
async def group_of_one_that_fails():
    async with asyncio.TaskGroup() as group:
        group.create_task(failing())
        yield


@asynccontextmanager
async def group_of_one_that_waits():
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(asyncio.Event().wait())
        yield
        waiting.cancel()


def timeout_of_nothing():
    return asyncio.timeout(0)


BAD = pytest.mark.parametrize(
    ("scope", "said"), [(timeout_of_nothing, "TimeoutError"), (group_of_one_that_fails, "the cursor is gone")]
)


@pytest.fixture
async def emulator():
    async with Emulator() as emulator:
        emulator.load(TABLE_ID, IDS)
        yield emulator


@pytest.fixture
async def deleter(emulator):
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=SETTINGS) as deleter:
        yield deleter


@pytest.fixture
def call_of(deleter, tmp_path):
    def begun(records, with_ledger):
        ledger = tmp_path / "purge.db" if with_ledger else None
        return asyncio.create_task(deleter.delete(TABLE_ID, records, ledger=ledger))

    return begun


@BAD
@pytest.mark.parametrize("is_function", [True, False])
@pytest.mark.parametrize("with_ledger", [True, False])
async def test_one_that_cancels_its_reader_is_a_broken_source(call_of, scope, said, is_function, with_ledger):
    records = within(scope)
    call = call_of(records if is_function else records(), with_ledger)
    with pytest.raises(SourceError, match=said) as raised:
        await call
    report = raised.value.report
    assert report is None or (report.ended, report.balanced) == (Ended.SOURCE_BROKEN, True)


@pytest.mark.parametrize("is_function", [True, False])
async def test_one_that_does_not_cancel_its_reader_is_read_to_its_end(emulator, deleter, is_function):
    records = within(group_of_one_that_waits)
    report = await deleter.delete(TABLE_ID, records if is_function else records())
    assert (report.ended, report.acknowledged) == (Ended.COMPLETE, 9_000)


@pytest.mark.parametrize("scope", [group_of_one_that_waits, lambda: asyncio.timeout(None)])
async def test_one_that_is_left_before_its_end_is_no_broken_source(deleter, scope):
    report = await deleter.delete(TABLE_ID, within(scope)(), limit=1_000)
    assert (report.ended, report.acknowledged) == (Ended.LIMIT, 1_000)


@BAD
async def test_a_call_that_is_cancelled_meanwhile_is_cancelled(emulator, deleter, scope, said):
    emulator.faults = Faults(latency_seconds=0.05)
    call = asyncio.create_task(deleter.delete(TABLE_ID, within(scope)()))
    deleter.subscribe(lambda _: call.cancel())
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_what_one_raises_as_it_is_closed_is_a_broken_source_too(deleter):
    async def records():
        try:
            for record in IDS:
                yield record
        finally:
            raise OSError("the connection is gone")

    with pytest.raises(SourceError, match="OSError: the connection is gone") as raised:
        await deleter.delete(TABLE_ID, records(), limit=1_000)
    assert raised.value.report.balanced
