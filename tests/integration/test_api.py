"""What services await, against the real emulator on a real socket."""

from __future__ import annotations

import asyncio

import pytest

from bulkdelete import BulkDeleter, Filter, RecordsFailed, SettingsError, SourceRefused, open_source
from bulkdelete.emulator import Emulator

pytestmark = pytest.mark.both_loops

TABLE_ID = "673af861ed69656ac0895b07"


@pytest.fixture
async def emulator():
    async with Emulator() as emulator:
        yield emulator


def ids(count: int) -> list[str]:
    return [str(541_278_230_707_963_208 + 37 * number) for number in range(count)]


async def test_a_list_is_deleted_and_accounted_for(emulator):
    emulator.load(TABLE_ID, ids(2_100))
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        report = await deleter.delete(TABLE_ID, ids(2_100))
    assert (report.rows, report.acknowledged, report.requests) == (2_100, 2_100, 3)
    assert emulator.count(TABLE_ID) == 0
    report.raise_for_failures()


async def test_generators_and_async_generators_are_sources(emulator):
    async def streamed():
        for record_id in ids(2_000)[1_000:]:
            yield record_id

    emulator.load(TABLE_ID, ids(2_000))
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        first = await deleter.delete(TABLE_ID, (record_id for record_id in ids(1_000)))
        second = await deleter.delete(TABLE_ID, streamed())
    assert first.acknowledged == second.acknowledged == 1_000
    assert emulator.count(TABLE_ID) == 0


async def test_filters_and_ids_go_in_one_batch(emulator):
    emulator.create_table(TABLE_ID, unique_columns=("email",))
    emulator.load(TABLE_ID, ids(3), values=[{"email": f"{number}@example.com"} for number in range(3)])
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        report = await deleter.delete(TABLE_ID, [ids(3)[0], Filter("email", "2@example.com")])
    assert (report.acknowledged, report.requests) == (2, 1)
    assert list(emulator.remaining(TABLE_ID)) == [ids(3)[1]]


async def test_calls_share_one_deleter(emulator):
    emulator.load(TABLE_ID, ids(6_000))
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        parts = [ids(6_000)[start : start + 2_000] for start in (0, 2_000, 4_000)]
        reports = await asyncio.gather(*(deleter.delete(TABLE_ID, part) for part in parts))
    assert [report.acknowledged for report in reports] == [2_000] * 3
    assert emulator.count(TABLE_ID) == 0


async def test_failures_are_in_the_report_and_raised_when_asked_for(emulator):
    emulator.load(TABLE_ID, ids(50))
    emulator.poison(TABLE_ID, ids(50)[7:8])
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        report = await deleter.delete(TABLE_ID, [*ids(50), "nan"])
    assert {(one.row, one.fate.value, one.record) for one in report.failures} == {
        (7, "rejected", ids(50)[7]),
        (50, "invalid", "nan"),
    }
    with pytest.raises(RecordsFailed) as raised:
        report.raise_for_failures()
    assert raised.value.report is report


async def test_records_on_hold_are_no_failures_and_take_no_place_of_one(emulator):
    emulator.load(TABLE_ID, ids(1_203))
    emulator.poison(TABLE_ID, [ids(1_203)[-1]])
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        report = await deleter.delete(TABLE_ID, ids(1_203), holds=ids(1_200))
    assert (report.held, report.acknowledged, report.rejected) == (1_200, 2, 1)
    assert [failure.record for failure in report.failures] == [ids(1_203)[-1]]


async def test_a_durable_call_goes_on_and_a_finished_one_sends_nothing(emulator, tmp_path):
    emulator.load(TABLE_ID, ids(3_000))
    ledger = tmp_path / "erase.db"
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        first = await deleter.delete(TABLE_ID, ids(3_000), ledger=ledger, limit=1_000)
        assert (first.acknowledged, first.ended.value) == (1_000, "limit")
        second = await deleter.delete(TABLE_ID, ids(3_000), ledger=ledger)
        assert (second.acknowledged, second.settled_before, second.requests) == (3_000, 1_000, 2)
        third = await deleter.delete(TABLE_ID, ids(3_000), ledger=ledger)
        assert (third.acknowledged, third.requests) == (3_000, 0)


async def test_a_file_is_a_source(emulator, tmp_path):
    emulator.load(TABLE_ID, ids(10))
    (tmp_path / "ids.txt").write_text("\n".join(ids(10)))
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        report = await deleter.delete(TABLE_ID, open_source(tmp_path / "ids.txt"))
    assert report.acknowledged == 10


async def test_a_bare_string_and_an_unknown_option_are_refused(emulator):
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        with pytest.raises(SourceRefused):
            await deleter.delete(TABLE_ID, "541278230707963208")
        with pytest.raises(SettingsError, match="limit"):
            await deleter.delete(TABLE_ID, ids(1), limt=1)
    assert emulator.requests == 0


async def test_nothing_to_delete_is_a_report_of_nothing(emulator):
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        report = await deleter.delete(TABLE_ID, [])
    assert (report.rows, report.requests, report.ended.value) == (0, 0, "complete")


async def test_a_key_that_is_refused_is_asked_for_once_more(emulator):
    emulator.load(TABLE_ID, ids(5_000))
    keys = iter(["old", emulator.api_key])
    async with BulkDeleter(base_url=emulator.base_url, api_key=lambda: next(keys)) as deleter:
        report = await deleter.delete(TABLE_ID, ids(5_000))
    assert report.acknowledged == 5_000


@pytest.mark.parametrize("url", ["http://example.com", "ftp://127.0.0.1", "https://user:secret@example.com"])
async def test_an_address_that_would_leak_the_key_is_refused_without_repeating_it(url):
    with pytest.raises(SettingsError) as raised:
        BulkDeleter(base_url=url, api_key="key")
    assert "secret" not in str(raised.value)
