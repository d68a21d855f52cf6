"""A disk that fails when all is sent: what the ledger holds is sound, and the job says that it could not end it."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from dataclasses import replace
from functools import partial
from threading import Thread, current_thread
from types import SimpleNamespace

import pytest

from bulkdelete.errors import LedgerStorageError
from bulkdelete.events import OutcomeReached
from bulkdelete.records import Ended
from bulkdelete.sources import from_iterable, open_source
from tests.api_model import OK, ApiModel
from tests.unit.test_engine import fates, job
from tests.unit.test_job_canary import Counted
from tests.unit.test_job_canary import job as counting_job
from tests.unit.test_job_waiting import Answers

IDS = [f"{number + 10**17}" for number in range(20)]


@pytest.fixture
def disk(monkeypatch):
    """Give the disk that ledgers lie on, which fails while ``is_broken``, and at a value, ``breaks_at``."""

    class Connection(sqlite3.Connection):
        def execute(self, sql, *values):
            if disk.is_broken or any(disk.breaks_at in some for some in values):
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(sql, *values)

    disk = SimpleNamespace(is_broken=False, breaks_at=object())
    monkeypatch.setattr("sqlite3.connect", partial(sqlite3.connect, factory=Connection))
    return disk


async def test_a_disk_that_fails_after_the_last_result_is_told_and_the_next_run_ends_the_job(tmp_path, disk):
    def look(event):
        disk.is_broken |= isinstance(event, OutcomeReached) and running.snapshot().acknowledged == len(IDS)

    (tmp_path / "ids.txt").write_text("\n".join([*IDS, IDS[-1]]))
    given = Answers(OK), open_source(tmp_path / "ids.txt"), tmp_path / "purge.db"
    running = job(*given, batch={"size": 21})
    running.subscribe(look)
    with pytest.raises(LedgerStorageError, match=r"disk I/O error\. Nothing more was sent") as raised:
        await running.run()
    report = raised.value.report
    assert (report.ended, report.acknowledged, report.rows) == (Ended.STORAGE, 20, 21)
    disk.is_broken = False
    report = await job(*given, batch={"size": 21}).run()
    assert (report.ended, report.acknowledged, report.duplicate, report.requests) == (Ended.COMPLETE, 20, 1, 0)


async def test_a_disk_that_fails_while_records_are_accepted_is_told_and_they_are_not(tmp_path, disk):
    disk.breaks_at = "accepted"
    with pytest.raises(LedgerStorageError, match="disk I/O error") as raised:
        await job(Answers(OK), iter(IDS), tmp_path / "purge.db", stop={"limit": 0}).run()
    assert raised.value.report.ended is Ended.STORAGE
    disk.breaks_at = object()
    report = await job(Answers(OK), iter(IDS[1:]), tmp_path / "purge.db").run()
    assert (report.ended, report.acknowledged) == (Ended.COMPLETE, 19)


@pytest.mark.parametrize("stops", [False, True])
async def test_what_is_set_aside_keeps_its_fate_also_where_the_ledger_cannot_be_counted(tmp_path, disk, stops):
    held = [f"{number + 2 * 10**17}" for number in range(3)]
    half = [IDS[0], "a b", IDS[0], held[0], held[1], *IDS[1:10]]
    other = [IDS[10], "c d", "e f", IDS[10], held[2], *IDS[11:]]
    (tmp_path / "ids.txt").write_text("\n".join([*half, *other]))

    def look(event):
        if isinstance(event, OutcomeReached) and running.snapshot().acknowledged == len(IDS):
            disk.is_broken = True
            if stops:
                running.stop("SIGTERM received")

    def new(**sections):
        running = job(Answers(OK), open_source(tmp_path / "ids.txt"), tmp_path / "purge.db", **sections)
        running._order = replace(running._order, holds=(from_iterable(held),))
        return running

    first = await new(batch={"size": 10}, stop={"limit": 10}).run()
    counts = {"acknowledged": 10, "invalid": 1, "held": 2, "duplicate": 1}
    assert (first.ended, fates(first)) == (Ended.LIMIT, counts)
    running = new(batch={"size": 10})
    running.subscribe(look)
    if stops:
        report = await running.run()
        assert (report.ended, report.reason[:18]) == (Ended.SIGNAL, "SIGTERM received; ")
    else:
        with pytest.raises(LedgerStorageError) as raised:
            await running.run()
        report = raised.value.report
        assert report.ended is Ended.STORAGE
    assert report.reason.count("purge.db: the ledger cannot be written: disk I/O error. Nothing more was sent") == 1
    assert fates(report) == {"acknowledged": 20, "invalid": 3, "held": 3, "duplicate": 2}
    disk.is_broken = False
    assert fates(await new(batch={"size": 10}).run()) == fates(report)


async def test_a_disk_that_fails_while_somebody_looks_at_the_canary_is_told_with_a_report(tmp_path, disk):
    async def approve(_):
        disk.is_broken = True
        return True

    (tmp_path / "ids.txt").write_text("\n".join([IDS[0], "a b", *IDS[1:]]))
    running = job(Answers(OK), open_source(tmp_path / "ids.txt"), tmp_path / "purge.db", canary={"records": 5})
    running._order = replace(running._order, check=approve)
    with pytest.raises(LedgerStorageError, match=r"disk I/O error\. Nothing more was sent") as raised:
        await running.run()
    report = raised.value.report
    assert (report.ended, fates(report)) == (Ended.STORAGE, {"acknowledged": 5, "invalid": 1})


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("quotas", [{}, {"requests_per_hour": 1000}])
async def test_a_disk_that_fails_before_the_table_is_counted_ends_the_job_and_keeps_nobody_waiting(
    tmp_path, disk, when, quotas
):
    (tmp_path / "ids.txt").write_text("\n".join(IDS))
    running = counting_job(Counted(), IDS, tmp_path / "purge.db", count=True, flow=quotas)

    def look(event):
        if when == "before" or (isinstance(event, OutcomeReached) and running.snapshot().acknowledged == len(IDS)):
            disk.is_broken = True

    running.subscribe(look)
    async with asyncio.timeout(10):
        with pytest.raises(LedgerStorageError, match="disk I/O error"):
            await running.run()
    assert running.report is None or running.report.ended is Ended.STORAGE


async def test_a_job_that_is_done_is_complete_also_where_its_copy_cannot_be_removed(tmp_path, caplog):
    copy = tmp_path / "purge.db.spool"

    def look(event):
        if isinstance(event, OutcomeReached) and copy.is_file():
            copy.unlink()
            (copy / "in the way").mkdir(parents=True)

    given = Answers(OK), iter(IDS), tmp_path / "purge.db"
    running = job(*given)
    running.subscribe(look)
    with caplog.at_level(logging.WARNING, logger="bulkdelete"):
        report = await running.run()
    assert (report.ended, report.acknowledged, report.reason) == (Ended.COMPLETE, 20, "")
    [told] = caplog.messages
    assert f"{copy}, the copy of the records of this job, could not be removed, and stays: " in told
    assert copy.is_dir()


class CancelledAtTheEnd(sqlite3.Connection):
    """The ledger's connection; while it closes, what :attr:`cancel` names is cancelled."""

    cancel = staticmethod(lambda: None)

    def close(self):
        type(self).cancel()
        super().close()


async def test_a_job_that_is_cancelled_while_its_ledger_closes_has_its_report_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("sqlite3.connect", partial(sqlite3.connect, factory=CancelledAtTheEnd))
    (tmp_path / "ids.txt").write_text("\n".join(IDS))
    running = job(Answers(OK), open_source(tmp_path / "ids.txt"), tmp_path / "purge.db")
    task = asyncio.create_task(running.run())
    cancel = partial(asyncio.get_running_loop().call_soon_threadsafe, task.cancel)

    def look(event):
        if isinstance(event, OutcomeReached):
            monkeypatch.setattr(CancelledAtTheEnd, "cancel", staticmethod(cancel))

    running.subscribe(look)
    with pytest.raises(asyncio.CancelledError) as raised:
        await task
    report = raised.value.report
    assert report is running.report
    assert (report.ended, report.acknowledged, report.ledger_run) == (Ended.COMPLETE, 20, 1)


async def test_a_job_that_is_cancelled_until_it_ends_has_a_report_in_which_no_row_is_missing(tmp_path):
    (tmp_path / "ids.txt").write_text("\n".join(IDS))
    running = job(Answers(OK), open_source(tmp_path / "ids.txt"), tmp_path / "purge.db", batch={"size": 2})
    task = asyncio.create_task(running.run())
    while running.snapshot().acknowledged < 4:
        await asyncio.sleep(0)
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError) as raised:
        await task
    report = raised.value.report
    assert (report.ended, report.balanced, report.rows >= 4) == (Ended.CANCELLED, True, True)
    assert report.acknowledged >= 4


@pytest.fixture
def machine(monkeypatch):
    """Give the machine that ledgers are written on: the threads that do, and what they call, fail as it says."""
    start, sleep = Thread.start, time.sleep

    def start_unless_full(thread):
        if machine.is_full and thread.name.startswith("bulkdelete ledger"):
            raise RuntimeError("can't start new thread")
        start(thread)

    def sleep_unless_broken(seconds):
        if machine.problem is not None and current_thread().name.startswith("bulkdelete ledger"):
            raise machine.problem
        sleep(seconds)

    machine = SimpleNamespace(is_full=False, problem=None)
    monkeypatch.setattr(Thread, "start", start_unless_full)
    monkeypatch.setattr(time, "sleep", sleep_unless_broken)
    return machine


@pytest.mark.parametrize("problem", [OSError(22, "Invalid argument"), MemoryError(), RuntimeError("no more")])
async def test_whatever_befalls_the_thread_that_writes_ends_the_job_and_the_next_run_goes_on(
    tmp_path, machine, problem
):
    def look(event):
        if isinstance(event, OutcomeReached) and running.snapshot().acknowledged >= 4:
            machine.problem = problem

    ids = [str(10**17 + number) for number in range(400)]  # so many that some writes come upon one another
    (tmp_path / "ids.txt").write_text("\n".join(ids))
    given = Answers(OK), open_source(tmp_path / "ids.txt"), tmp_path / "purge.db"
    running = job(*given, batch={"size": 2}, flow={"concurrency": 1})
    running.subscribe(look)
    async with asyncio.timeout(20):
        with pytest.raises(LedgerStorageError, match=type(problem).__name__) as raised:
            await running.run()
    report = raised.value.report
    assert (report.ended, report.balanced) == (Ended.STORAGE, True)
    assert 4 <= report.acknowledged < len(ids)
    machine.problem = None
    report = await job(*given, batch={"size": 2}).run()
    assert (report.ended, report.acknowledged) == (Ended.COMPLETE, len(ids))


async def test_a_thread_that_cannot_be_started_sends_nothing_and_the_next_run_goes_on(tmp_path, machine):
    (tmp_path / "ids.txt").write_text("\n".join(IDS))
    api = ApiModel()
    given = api, open_source(tmp_path / "ids.txt"), tmp_path / "purge.db"
    machine.is_full = True
    async with asyncio.timeout(20):
        with pytest.raises(LedgerStorageError, match=r"can't start new thread\. Nothing more was sent"):
            await job(*given).run()
    assert not api.requests
    machine.is_full = False
    report = await job(*given).run()
    assert (report.ended, report.acknowledged) == (Ended.COMPLETE, len(IDS))
