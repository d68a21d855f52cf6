"""A canary that nobody approved of is not forgotten by a later call, and a check that nobody would ask is refused."""

from __future__ import annotations

import asyncio

import pytest

from bulkdelete import BulkDeleter, Ended, LedgerFolder, SettingsError
from bulkdelete.emulator import Emulator
from tests.integration.test_resuming import SETTINGS, TABLE_ID, ids

RECORDS = ids(30)


@pytest.fixture
async def emulator():
    async with Emulator(record_requests=True) as emulator:
        emulator.load(TABLE_ID, RECORDS)
        yield emulator


@pytest.fixture
def folder(tmp_path):
    return LedgerFolder(tmp_path)


def deleter(emulator, canary: int | None = None) -> BulkDeleter:
    settings = SETTINGS.model_copy(update={"canary": SETTINGS.canary.model_copy(update={"records": canary})})
    return BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=settings)


async def yes(report) -> bool:
    return True


async def no(report) -> bool:
    return False


async def nobody(report) -> bool:
    raise LookupError("nobody is there")


async def begin(emulator, ledger, check):
    async with deleter(emulator, 10) as careful:
        if check is nobody:
            with pytest.raises(LookupError):
                await careful.delete(TABLE_ID, RECORDS, ledger=ledger, check=check)
        else:
            report = await careful.delete(TABLE_ID, RECORDS, ledger=ledger, check=check)
            assert (report.ended, report.acknowledged) == (Ended.CANARY, 10)
    assert emulator.count(TABLE_ID) == 20


@pytest.mark.parametrize("check", [no, nobody])
async def test_a_canary_without_approval_is_not_forgotten_and_a_canary_of_0_drops_it(emulator, folder, check):
    ledger = folder.path_for("a")
    await begin(emulator, ledger, check)
    async with deleter(emulator) as plain:
        for more in ({}, {"limit": 0}, {"limit": 5}):
            with pytest.raises(SettingsError, match=r"(?s)canary.*Nothing was sent.*--canary.*canary\.records.*0"):
                await plain.delete(TABLE_ID, RECORDS, ledger=ledger, **more)
            with pytest.raises(SettingsError, match="canary"):
                await plain.resume(ledger, check=yes, **more)
    assert emulator.count(TABLE_ID) == 20
    async with deleter(emulator, 10) as careful:
        assert (await careful.resume(ledger, check=no)).ended is Ended.CANARY
    async with deleter(emulator, 0) as dropping:
        assert (await dropping.resume(ledger, limit=5)).acknowledged == 15
    async with deleter(emulator) as plain:
        assert (await plain.resume(ledger, limit=None)).acknowledged == 30


async def test_one_that_was_approved_needs_no_other(emulator, folder):
    ledger = folder.path_for("a")
    async with deleter(emulator, 10) as careful:
        assert (await careful.delete(TABLE_ID, RECORDS, ledger=ledger, check=yes, limit=20)).ended is Ended.LIMIT
    async with deleter(emulator) as plain:
        assert (await plain.resume(ledger, limit=None)).acknowledged == 30


async def raises(call):
    with pytest.raises(LookupError):
        await call(nobody)


async def is_stopped(call):
    asked = asyncio.Event()

    async def thinks(report) -> bool:
        asked.set()
        await asyncio.Event().wait()
        return True

    task = asyncio.create_task(call(thinks))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def is_capped(call):
    assert (await call(yes, max_records=5)).ended is Ended.MAX_RECORDS


@pytest.mark.parametrize("ends", [raises, is_stopped, is_capped])
async def test_a_larger_one_that_nobody_approved_of_is_not_forgotten_because_a_smaller_one_was_approved(
    emulator, folder, ends
):
    ledger = folder.path_for("a")
    async with deleter(emulator, 2) as careful:
        assert (await careful.delete(TABLE_ID, RECORDS, ledger=ledger, check=yes, limit=5)).ended is Ended.LIMIT
    async with deleter(emulator, 10) as more_careful:
        await ends(lambda check, **caps: more_careful.delete(TABLE_ID, RECORDS, ledger=ledger, check=check, **caps))
    left = emulator.count(TABLE_ID)
    async with deleter(emulator) as plain:
        for call in (plain.delete(TABLE_ID, RECORDS, ledger=ledger), plain.resume(ledger, max_records=None)):
            with pytest.raises(SettingsError, match="nobody has approved of"):
                await call
    async with deleter(emulator, 2) as careful:
        assert (await careful.delete(TABLE_ID, RECORDS, ledger=ledger, check=no)).ended is Ended.CANARY
    assert emulator.count(TABLE_ID) == left
    async with deleter(emulator, 10) as more_careful:
        assert (await more_careful.resume(ledger, check=yes, limit=10)).ended is Ended.LIMIT
    async with deleter(emulator) as plain:
        assert (await plain.resume(ledger, limit=None)).acknowledged == 30


async def test_a_canary_of_a_first_call_that_ended_before_it_or_was_only_kept_is_not_forgotten(emulator, folder):
    async with deleter(emulator, 10) as careful:
        capped = await careful.delete(TABLE_ID, RECORDS, ledger=folder.path_for("a"), check=yes, max_records=5)
        kept = await careful.delete(TABLE_ID, RECORDS, ledger=folder.path_for("b"), check=yes, limit=0)
        assert (capped.ended, kept.ended) == (Ended.MAX_RECORDS, Ended.LIMIT)
    async with deleter(emulator) as plain:
        results = await folder.resume_all(plain, max_records=None)
    assert [type(result) for result in results.values()] == [SettingsError, SettingsError]
    assert emulator.requests == 0


async def test_a_job_that_a_canary_finished_is_complete_also_for_a_call_without_one(emulator, folder):
    ledger = folder.path_for("a")
    async with deleter(emulator, 40) as careful:
        assert (await careful.delete(TABLE_ID, RECORDS, ledger=ledger, check=no)).ended is Ended.COMPLETE
    async with deleter(emulator) as plain:
        assert (await plain.delete(TABLE_ID, RECORDS, ledger=ledger)).ended is Ended.COMPLETE
        assert (await plain.resume(ledger)).acknowledged == 30


@pytest.mark.parametrize("durable", [True, False])
async def test_a_check_that_no_canary_would_ask_is_refused_and_one_of_0_may_have_it(emulator, folder, durable):
    ledger = folder.path_for("a") if durable else None
    async with deleter(emulator) as plain:
        with pytest.raises(SettingsError, match=r"(?s)check.*canary\.records.*Nothing was sent"):
            await plain.delete(TABLE_ID, RECORDS, ledger=ledger, check=yes)
        with pytest.raises(SettingsError, match="check"):
            plain.stream(TABLE_ID, RECORDS, ledger=ledger, check=yes)
    assert emulator.requests == 0
    async with deleter(emulator, 0) as dropping:
        assert (await dropping.delete(TABLE_ID, RECORDS, ledger=ledger, check=no)).acknowledged == 30


async def test_a_check_for_a_folder_in_which_some_jobs_have_a_canary_stops_no_other(emulator, folder):
    await begin(emulator, folder.path_for("careful"), no)
    async with deleter(emulator) as plain:
        await plain.delete(TABLE_ID, RECORDS[20:], ledger=folder.path_for("plain"), limit=0)
        careful, other = (await folder.resume_all(plain, check=no)).values()
    assert isinstance(careful, SettingsError)
    assert (other.ended, other.acknowledged) == (Ended.COMPLETE, 10)
    async with deleter(emulator, 10) as asking:
        assert (await folder.resume_all(asking, check=yes)).popitem()[1].acknowledged == 30
