"""What gives the records sees the caller's context variables, such as the tenant whose records are meant."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from bulkdelete import BulkDeleter, Settings
from bulkdelete.emulator import Emulator

TABLE_ID = "673af861ed69656ac0895b07"
SETTINGS = Settings.from_mapping({"batch": {"size": 10}, "ledger": {"synchronous": "normal"}})
ROWS = {
    name: [str(first + 7919 * number) for number in range(30)]
    for name, first in (("nobody", 541_278_230_707_963_208), ("acme", 641_278_230_707_963_208))
}
tenant = ContextVar("tenant", default="nobody")


def generated():
    yield from ROWS[tenant.get()]


class Query:
    def __iter__(self):
        return iter(ROWS[tenant.get()])


async def asynchronous():
    for record in ROWS[tenant.get()]:
        yield record


KINDS = pytest.mark.parametrize(
    "records",
    [generated, Query, asynchronous, lambda: generated, lambda: Query, lambda: asynchronous],
    ids=["generator", "iterable", "async generator", "function", "function of an iterable", "async function"],
)


@pytest.fixture
async def emulator():
    async with Emulator() as emulator:
        emulator.load(TABLE_ID, ROWS["nobody"] + ROWS["acme"])
        yield emulator


@pytest.fixture
async def deleter(emulator):
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=SETTINGS) as deleter:
        yield deleter


async def as_acme(call):
    tenant.set("acme")
    return await call()


@KINDS
@pytest.mark.parametrize("with_ledger", [True, False])
async def test_the_records_of_the_callers_tenant_are_deleted(emulator, deleter, tmp_path, records, with_ledger):
    ledger = tmp_path / "purge.db" if with_ledger else None
    report = await asyncio.create_task(as_acme(lambda: deleter.delete(TABLE_ID, records(), ledger=ledger)))
    assert report.acknowledged == 30
    assert list(emulator.remaining(TABLE_ID)) == ROWS["nobody"]


@KINDS
async def test_a_stream_reads_them_too(emulator, deleter, records):
    async def streamed():
        async with deleter.stream(TABLE_ID, records()) as outcomes:
            return [outcome async for outcome in outcomes]

    await asyncio.create_task(as_acme(streamed))
    assert list(emulator.remaining(TABLE_ID)) == ROWS["nobody"]


@KINDS
async def test_what_the_callers_tenant_holds_back_is_not_sent(emulator, deleter, records):
    everything = ROWS["nobody"] + ROWS["acme"]
    report = await asyncio.create_task(as_acme(lambda: deleter.delete(TABLE_ID, everything, holds=records())))
    assert (report.held, report.acknowledged) == (30, 30)
    assert list(emulator.remaining(TABLE_ID)) == ROWS["acme"]


@KINDS
async def test_a_resumed_job_reads_the_holds_of_the_callers_tenant(emulator, deleter, tmp_path, records):
    everything = ROWS["nobody"] + ROWS["acme"]

    async def resumed():
        await deleter.delete(TABLE_ID, everything, holds=records(), ledger=tmp_path / "purge.db", limit=10)
        return await deleter.resume(tmp_path / "purge.db", holds=records(), limit=None)

    report = await asyncio.create_task(as_acme(resumed))
    assert (report.held, report.acknowledged) == (30, 30)
    assert list(emulator.remaining(TABLE_ID)) == ROWS["acme"]


async def test_calls_at_once_read_each_its_own(emulator, deleter):
    async def of(name):
        tenant.set(name)
        return await deleter.delete(TABLE_ID, slow())

    def slow():
        for number in range(30):
            yield ROWS[tenant.get()][number]

    reports = await asyncio.gather(of("nobody"), of("acme"))
    assert [report.acknowledged for report in reports] == [30, 30]
    assert list(emulator.remaining(TABLE_ID)) == []


async def test_what_a_generator_sets_it_finds_at_its_next_step_and_its_caller_does_not(emulator, deleter):
    def setting():
        token = tenant.set("acme")
        yield from generated()
        tenant.reset(token)

    report = await deleter.delete(TABLE_ID, setting())
    assert (report.acknowledged, tenant.get()) == (30, "nobody")
    assert list(emulator.remaining(TABLE_ID)) == ROWS["nobody"]


async def test_a_check_is_asked_as_its_caller(emulator, tmp_path):
    asked = []

    async def check(_):
        asked.append(tenant.get())
        return True

    settings = Settings.from_mapping({"batch": {"size": 10}, "canary": {"records": 10}})
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=settings) as deleter:
        ledger = tmp_path / "purge.db"
        call = as_acme(lambda: deleter.delete(TABLE_ID, generated(), ledger=ledger, check=check))
        report = await asyncio.create_task(call)
    assert (report.acknowledged, asked) == (30, ["acme"])
    assert list(emulator.remaining(TABLE_ID)) == ROWS["nobody"]
