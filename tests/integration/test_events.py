"""What a deleter tells of all its calls, against the real emulator on a real socket."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from bulkdelete import BulkDeleter, LedgerLocked, SettingsError, SourceError
from bulkdelete.emulator import Emulator, Faults
from bulkdelete.events import AttemptEnded, JobBegan, JobEnded, OutcomeReached
from bulkdelete.ledger.lock import LedgerLock
from bulkdelete.records import Ended
from bulkdelete.settings import Settings

TABLE_ID = "673af861ed69656ac0895b07"


def ids(count: int) -> list[str]:
    return [str(541_278_230_707_963_208 + 37 * number) for number in range(count)]


@pytest.fixture
async def emulator():
    async with Emulator() as emulator:
        emulator.load(TABLE_ID, ids(4_000))
        yield emulator


async def test_who_subscribes_to_a_deleter_hears_of_all_its_calls_until_it_leaves(emulator):
    heard: list = []
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        leave = deleter.subscribe(heard.append)
        await asyncio.gather(deleter.delete(TABLE_ID, ids(1_000)), deleter.delete(TABLE_ID, ids(4_000)[1_000:3_000]))
        leave()
        await deleter.delete(TABLE_ID, ids(4_000)[3_000:])
    jobs = [event.job for event in heard if isinstance(event, JobBegan)]
    assert len(set(jobs)) == 2
    sent = Counter()
    for event in heard:
        if isinstance(event, OutcomeReached):
            sent[event.job] += event.outcome.records
    assert sorted(sent.values()) == [1_000, 2_000]
    assert [event.ended for event in heard if isinstance(event, JobEnded)] == [Ended.COMPLETE] * 2


async def test_an_answer_that_is_lost_on_the_wire_is_told_as_lost(emulator):
    emulator.faults = Faults(script=["drop_after", "drop_before", "502"])
    heard: list = []
    settings = Settings.from_mapping({"base_url": emulator.base_url, "retry": {"first_backoff_seconds": 0}})
    async with BulkDeleter(settings=settings, api_key=emulator.api_key) as deleter:
        deleter.subscribe(heard.append)
        await deleter.delete(TABLE_ID, ids(10))
    calls = [event for event in heard if isinstance(event, AttemptEnded)]
    assert [(call.lost, call.http_status, call.calls_before) for call in calls] == [
        ("answer_lost", None, 0),
        ("answer_lost", None, 1),
        ("", 502, 2),
        ("", 200, 3),
    ]


async def test_a_subscriber_that_fails_harms_no_job_and_one_that_stops_the_job_is_obeyed(emulator):
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        job = deleter.job(TABLE_ID, ids(4_000))

        def at_the_first_outcome(event):
            if isinstance(event, OutcomeReached):
                job.stop("enough")
            raise asyncio.CancelledError

        job.subscribe(at_the_first_outcome)
        report = await job.run()
    assert report.ended is Ended.SIGNAL
    assert 0 < report.acknowledged < 4_000
    assert emulator.count(TABLE_ID) == 4_000 - report.acknowledged


async def test_a_job_that_is_refused_before_anything_is_sent_has_its_end_too(emulator, tmp_path):
    def broken():
        yield ids(1)[0]
        raise OSError("the disk is gone")

    heard: list = []
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        deleter.subscribe(heard.append)
        held = LedgerLock(tmp_path / "purge.db")
        with pytest.raises(LedgerLocked):
            await deleter.delete(TABLE_ID, ids(10), ledger=tmp_path / "purge.db")
        held.release()
        await deleter.delete(TABLE_ID, ids(10), ledger=tmp_path / "purge.db")
        with pytest.raises(SourceError):
            await deleter.delete(TABLE_ID, broken(), ledger=tmp_path / "other.db")
        with pytest.raises(SettingsError):
            await deleter.delete(TABLE_ID, ids(1), holds=[])
    ended = [(event.ended, event.error) for event in heard if isinstance(event, JobEnded)]
    assert ended == [
        (Ended.REFUSED, "LedgerLocked"),
        (Ended.COMPLETE, ""),
        (Ended.SOURCE_BROKEN, "SourceError"),
        (Ended.REFUSED, "HoldsRefused"),
    ]
    assert len({event.job for event in heard}) == 4
