"""Records that Python code gives, and what goes wrong with it: read before, changed meanwhile, left in a bad moment."""

from __future__ import annotations

import asyncio
import threading

import pytest

from bulkdelete import BulkDeleter, Ended, HoldsRefused, Settings, SourceError, SourceRefused
from bulkdelete.emulator import Emulator, Faults
from bulkdelete.errors import FatalAnswer

TABLE_ID = "673af861ed69656ac0895b07"
SETTINGS = Settings.from_mapping({"batch": {"size": 10}, "ledger": {"synchronous": "normal"}})
IDS = [str(541_278_230_707_963_208 + 7919 * number) for number in range(300)]


def generated(ids=IDS):
    yield from ids


async def asynchronous(ids=IDS):
    for record in ids:
        yield record


BOTH = pytest.mark.parametrize("kind", [generated, asynchronous])


@pytest.fixture
async def emulator():
    async with Emulator(record_requests=True) as emulator:
        emulator.load(TABLE_ID, IDS)
        yield emulator


@pytest.fixture
async def deleter(emulator):
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=SETTINGS) as deleter:
        yield deleter


@BOTH
async def test_the_generator_of_a_call_that_failed_is_refused_the_next_time(emulator, deleter, kind):
    emulator.faults = Faults(unauthorized_after=1)
    records = kind()
    with pytest.raises(FatalAnswer):
        await deleter.delete(TABLE_ID, records)
    emulator.faults = Faults()
    requests = emulator.requests
    for given in (records, lambda: records):
        with pytest.raises(SourceRefused, match=r"closed before.*Nothing was sent\. Pass a new one"):
            await deleter.delete(TABLE_ID, given)
    assert emulator.requests == requests


@BOTH
async def test_with_a_ledger_the_same_generator_goes_on_with_the_copy_of_what_it_gave(
    emulator, deleter, tmp_path, kind
):
    records = kind()
    await deleter.delete(TABLE_ID, records, ledger=tmp_path / "purge.db", limit=10)
    report = await deleter.delete(TABLE_ID, records, ledger=tmp_path / "purge.db")
    assert (report.acknowledged, emulator.count(TABLE_ID)) == (300, 0)
    with pytest.raises(SourceRefused, match="closed before"):
        await deleter.delete(TABLE_ID, records, ledger=tmp_path / "another.db")
    assert (await deleter.delete(TABLE_ID, records, ledger=tmp_path / "purge.db")).acknowledged == 300


@BOTH
async def test_a_generator_that_broke_off_before_it_was_copied_is_refused_with_its_ledger_too(
    emulator, deleter, tmp_path, kind
):
    def broken():
        yield IDS[0]
        raise OSError("the cursor is gone")

    records = kind(broken())
    with pytest.raises(SourceError, match="the cursor is gone"):
        await deleter.delete(TABLE_ID, records, ledger=tmp_path / "purge.db")
    with pytest.raises(SourceRefused, match="closed before"):
        await deleter.delete(TABLE_ID, records, ledger=tmp_path / "purge.db")
    assert emulator.requests == 0
    assert (await deleter.delete(TABLE_ID, kind(), ledger=tmp_path / "purge.db")).acknowledged == 300


@BOTH
async def test_a_generator_that_was_read_before_holds_nothing_back_and_is_refused(emulator, deleter, kind):
    held = kind(IDS[:3])
    assert (await deleter.delete(TABLE_ID, IDS[:20], holds=held)).held == 3
    requests = emulator.requests
    with pytest.raises(HoldsRefused, match="closed before"):
        await deleter.delete(TABLE_ID, IDS[:20], holds=held)
    assert emulator.requests == requests


@BOTH
async def test_a_generator_of_which_the_caller_took_the_first_gives_the_others(deleter, kind):
    records = kind()
    assert IDS[0] == (next(records) if kind is generated else await anext(records))
    assert (await deleter.delete(TABLE_ID, records)).acknowledged == 299


@BOTH
async def test_a_generator_that_has_nothing_is_complete(deleter, kind):
    report = await deleter.delete(TABLE_ID, kind([]))
    assert (report.ended, report.rows) == (Ended.COMPLETE, 0)


async def test_an_async_generator_that_somebody_else_awaits_is_refused_and_left_to_him(deleter):
    go_on = asyncio.Event()

    async def waiting():
        await go_on.wait()
        yield IDS[0]

    records = waiting()
    first = asyncio.ensure_future(anext(records))
    await asyncio.sleep(0)
    with pytest.raises(SourceRefused, match=r"is being read by somebody else\. Nothing was sent"):
        await deleter.delete(TABLE_ID, records)
    go_on.set()
    assert await first == IDS[0]


@pytest.mark.parametrize("change", [lambda ids: ids.pop(0), lambda ids: ids.insert(0, "5"), list.clear, list.reverse])
async def test_a_list_that_changes_while_it_is_sent_is_sent_as_it_was(change):
    ids = [str(541_278_230_707_963_208 + number) for number in range(9_000)]
    settings = Settings.from_mapping({"batch": {"size": 100}, "flow": {"concurrency": 2}})
    async with Emulator() as emulator:
        emulator.load(TABLE_ID, ids)
        async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=settings) as deleter:
            async with deleter.stream(TABLE_ID, ids) as outcomes:
                await anext(outcomes)
                change(ids)
                async for _ in outcomes:
                    pass
            assert (outcomes.report.rows, outcomes.report.acknowledged) == (9_000, 9_000)
            assert emulator.count(TABLE_ID) == 0


async def test_where_no_thread_can_be_started_the_call_says_so(emulator, deleter):
    threading.stack_size(2**46)  # more than there are addresses
    try:
        with pytest.raises(SourceError, match="no thread can be started") as raised:
            await deleter.delete(TABLE_ID, generated())
    finally:
        threading.stack_size(0)
    assert (raised.value.report.ended, raised.value.report.rows) == (Ended.SOURCE_BROKEN, 0)
    assert emulator.requests == 0
