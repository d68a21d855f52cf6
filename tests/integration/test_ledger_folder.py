"""A service's directory of ledgers: named, listed, resumed and pruned, with real files, processes and sockets."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkdelete import (
    BulkDeleter,
    Ended,
    LedgerFolder,
    LedgerLocked,
    LedgerMismatch,
    LedgerStorageError,
    Report,
    SettingsError,
    SourceError,
    SourceRefused,
    open_source,
)
from bulkdelete.emulator import Emulator, Switches
from bulkdelete.kept import name_of
from bulkdelete.ledger import open_ledger, read_ledger
from bulkdelete.ledger.lock import LedgerLock, lock_path
from bulkdelete.ledger.opening import connect_to_read
from bulkdelete.ledger.removing import remove
from tests.integration.test_resuming import SETTINGS, TABLE_ID, breaking, ids
from tests.properties import often

ROOT = Path(__file__).parents[2]

PRUNE = """
import asyncio, os, sys
from pathlib import Path
import shutil
from bulkdelete import LedgerFolder

def prune(folder, most):
    removed = 0
    def hook(event, arguments):
        nonlocal removed
        if event == "os.remove":
            removed += 1
            if removed > most:
                os._exit(9)
    sys.addaudithook(hook)
    asyncio.run(LedgerFolder(folder).prune(older_than_seconds=0))

template, place = map(Path, sys.argv[1:])
for most in range(100):
    folder = shutil.copytree(template, place / f"{most:02}")
    if not os.fork():
        prune(folder, most)
        os._exit(0)
    _, status = os.wait()
    if not status:
        break
"""


@pytest.fixture
async def emulator():
    async with Emulator(record_requests=True) as emulator:
        emulator.load(TABLE_ID, ids(60))
        yield emulator


@pytest.fixture
async def deleter(emulator):
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=SETTINGS) as deleter:
        yield deleter


@pytest.fixture
def folder(tmp_path):
    return LedgerFolder(tmp_path)


def files(folder: LedgerFolder) -> list[str]:
    return sorted(path.name for path in folder.path.iterdir())


async def states(folder: LedgerFolder) -> dict[str, str]:
    return {one.name: one.state.value for one in await folder.ledgers()}


def identity_of(path: Path) -> dict[str, str]:
    with read_ledger(path) as reader:
        facts = reader.facts
    return {key.removeprefix("identity."): value for key, value in facts.items() if key.startswith("identity.")}


async def fill(folder: LedgerFolder, deleter: BulkDeleter) -> None:
    """Make a ledger of every kind but those that are running or damaged."""
    await deleter.delete(TABLE_ID, ids(10), ledger=folder.path_for("complete"))
    await deleter.delete(TABLE_ID, iter([*ids(5), "nan"]), ledger=folder.path_for("invalid"))
    await deleter.delete(TABLE_ID, iter(ids(20)), ledger=folder.path_for("left"), limit=10)
    with pytest.raises(SourceError):
        await deleter.delete(TABLE_ID, breaking(ids(5)), ledger=folder.path_for("never"))
    gone = folder.path / "gone.txt"
    gone.write_text("\n".join(ids(20)))
    await deleter.delete(TABLE_ID, open_source(gone), ledger=folder.path_for("gone"), limit=10)
    gone.unlink()


@settings(max_examples=often(30))
@given(st.sets(st.text(min_size=1, max_size=20), min_size=1, max_size=4))
def test_every_name_has_a_safe_path_of_its_own_and_the_path_its_name(names):
    folder = LedgerFolder("/ledgers")
    paths = {name: folder.path_for(name) for name in names}
    assert len({path.name.casefold() for path in paths.values()}) == len(names)
    for name, path in paths.items():
        assert path.parent == Path("/ledgers")
        assert re.fullmatch(r"[a-z0-9_%-]+\.db", path.name)
        assert name_of(path) == name


def test_a_name_leads_nowhere_else_and_a_long_one_is_refused():
    folder = LedgerFolder("ledgers")
    assert folder.path_for("../../etc/passwd").name == "%2e%2e%2f%2e%2e%2fetc%2fpasswd.db"
    assert folder.path_for("customer-42") == Path("ledgers/customer-42.db")
    assert folder.path_for("A") != folder.path_for("a")
    assert folder.path_for("x" * 200).name == "x" * 200 + ".db"
    for name in ("x" * 201, "\u00fc" * 34, 7, ""):
        with pytest.raises(SettingsError):
            folder.path_for(name)  # type: ignore[arg-type]


async def test_each_ledger_says_what_is_left_of_its_job_and_nothing_is_written(folder, deleter):
    await fill(folder, deleter)
    before = files(folder)
    found = {one.name: one for one in await folder.ledgers()}
    assert {name: one.state.value for name, one in found.items()} == {
        "complete": "complete",
        "gone": "no source",
        "invalid": "complete",
        "left": "resumable",
        "never": "never begun",
    }
    assert list(found) == sorted(found)
    left = found["left"]
    assert (left.path, left.table_id) == (folder.path_for("left"), TABLE_ID)
    assert (left.rows, left.acknowledged, left.pending, left.remaining) == (10, 10, 0, 0)
    assert (left.last_ended, left.why) == ("limit", "")
    assert left.last_reason
    assert found["invalid"].invalid == 1
    assert "gone.txt" in found["gone"].why
    assert "Make the call again" in found["never"].why
    assert abs(time.time() - left.changed_unix_seconds) < 60
    assert files(folder) == before


async def test_one_ledger_is_looked_at_by_its_name_and_one_that_is_not_there_is_none(folder, deleter):
    await fill(folder, deleter)
    assert [await folder.ledger(one.name) for one in await folder.ledgers()] == await folder.ledgers()
    assert (await folder.ledger("left")).state.value == "resumable"
    before = files(folder)
    assert await folder.ledger("another") is None
    assert await folder.ledger("../left") is None
    assert files(folder) == before
    with pytest.raises(SettingsError, match="not empty"):
        await folder.ledger("")


async def test_what_is_no_ledger_is_ignored_and_a_bad_one_spoils_no_list(folder, deleter):
    await fill(folder, deleter)
    whole = folder.path_for("complete").read_bytes()
    for name, data in {"zeros": bytes(8192), "empty": b"", "cut": whole[:5000], "text": b"ids\n", "new": whole}.items():
        folder.path_for(name).write_bytes(data)
        folder.path_for(name).with_name(f"{name}.db.lock").touch()
    newer = bytearray(whole)
    newer[60:64] = (99).to_bytes(4)  # PRAGMA user_version
    folder.path_for("newer").write_bytes(newer)
    (folder.path / "ids.csv").write_text("record_id\n")
    (folder.path / "other.db").write_bytes(b"SQLite format 3\0" + bytes(500))
    (folder.path / "nothing.db.lock").touch()
    (folder.path / "half.db.new").write_bytes(whole)
    (folder.path / "sub.db").mkdir()
    (folder.path / "link.db").symlink_to(folder.path_for("complete"))
    found = {one.name: one for one in await folder.ledgers()}
    damaged = {name for name, one in found.items() if one.state.value == "damaged"}
    assert damaged == {"zeros", "empty", "cut", "text", "newer"}
    assert all(found[name].why for name in damaged)
    assert found["new"].state.value == "complete"
    assert set(found) == {*damaged, "new", "complete", "gone", "invalid", "left", "never"}


async def test_a_folder_that_is_not_there_is_an_error(deleter, tmp_path):
    folder = LedgerFolder(tmp_path / "nothing")
    for call in (folder.ledgers(), folder.resume_all(deleter), folder.prune(older_than_seconds=0)):
        with pytest.raises(LedgerStorageError, match="nothing: this folder"):
            await call


async def test_resuming_all_gives_a_report_or_an_error_for_each_that_is_not_complete(emulator, deleter, folder):
    await fill(folder, deleter)
    folder.path_for("bad").write_bytes(folder.path_for("left").read_bytes()[:5000])
    sent = emulator.requests
    results = await folder.resume_all(deleter, limit=None)
    assert {path.stem: type(result) for path, result in results.items()} == {
        "bad": LedgerStorageError,
        "gone": SourceRefused,
        "left": Report,
        "never": SourceRefused,
    }
    assert results[folder.path_for("left")].acknowledged == 20
    assert emulator.requests == sent + 1
    assert (await states(folder))["left"] == "complete"


async def test_a_job_whose_batches_the_api_refused_whole_waits_for_a_person_and_costs_no_request(
    emulator, deleter, folder
):
    emulator.switches, there_later = Switches(unknown_ids="40000"), ids(1000)[60:]
    wrong = await deleter.delete(TABLE_ID, iter(there_later), ledger=folder.path_for("wrong"))
    assert wrong.ended is Ended.WHOLLY_WRONG
    sent = emulator.requests
    [(path, refused)] = (await folder.resume_all(deleter)).items()
    assert (path, type(refused)) == (folder.path_for("wrong"), SourceRefused)
    assert re.search(r"refuses whole batches.*Nothing was sent.*deleter\.resume", str(refused))
    assert emulator.requests == sent
    emulator.load(TABLE_ID, there_later)  # somebody has looked
    assert (await deleter.resume(path)).acknowledged == len(there_later) - wrong.rejected


async def test_a_ledger_that_is_written_now_is_running_and_is_neither_resumed_nor_pruned(emulator, deleter, folder):
    await fill(folder, deleter)
    path = folder.path_for("complete")
    writer = await open_ledger(path, identity_of(path))
    assert (await states(folder))["complete"] == "running"
    assert await folder.prune(older_than_seconds=0) == []
    assert path not in await folder.resume_all(deleter)
    await writer.close(None)
    assert (await states(folder))["complete"] == "complete"


async def test_jobs_go_on_so_many_at_once_and_a_cancellation_ends_them_all(emulator, deleter, folder):
    for name in "abcd":
        await deleter.delete(TABLE_ID, iter(ids(60)), ledger=folder.path_for(name), limit=10)
    running = asyncio.create_task(folder.resume_all(deleter, at_once=2, limit=None))
    async with asyncio.timeout(30):
        while emulator.requests < 6:
            await asyncio.sleep(0)
    assert list((await states(folder)).values()).count("running") <= 2
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("bulkdelete")]
    results = await folder.resume_all(deleter, limit=None)
    assert all(report.acknowledged == 60 for report in results.values())
    assert set((await states(folder)).values()) == {"complete"}


async def test_hold_lists_count_for_every_job_and_must_be_read_again_for_each(emulator, deleter, folder):
    held = [ids(20)[15]]
    for name in "ab":
        await deleter.delete(TABLE_ID, iter(ids(20)), ledger=folder.path_for(name), holds=held, limit=10)
    with pytest.raises(SettingsError, match="only once"):
        await folder.resume_all(deleter, holds=iter(held))
    with pytest.raises(SettingsError, match="at_once"):
        await folder.resume_all(deleter, at_once=0)
    results = await folder.resume_all(deleter, holds=held, limit=None)
    assert [report.held for report in results.values()] == [1, 1]
    assert held[0] in set(emulator.remaining(TABLE_ID))


def test_a_ledger_that_another_has_removed_meanwhile_leaves_no_lock_behind(tmp_path):
    with pytest.raises(LedgerMismatch):
        remove(tmp_path / "gone.db", lambda _: (), lambda _: True)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("at_rest", [False, True])
def test_reading_a_ledger_that_another_removes_meanwhile_makes_none(tmp_path, at_rest):
    with pytest.raises(LedgerStorageError):
        connect_to_read(tmp_path / "gone.db", at_rest=at_rest)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE event SET detail = replace(detail, 'stop', 'stoq')",
        "UPDATE event SET detail = '{\"stop\":[]}'",
        "UPDATE job SET key = 'identity.table_if' WHERE key = 'identity.table_id'",
        "UPDATE job SET value = '[' WHERE key = 'source_path'",
        "UPDATE job SET value = '[1]' WHERE key = 'source_path'",
    ],
)
async def test_one_with_a_changed_value_is_damaged_and_spoils_no_list(emulator, deleter, folder, sql):
    (folder.path / "ids.txt").write_text("\n".join(ids(20)))
    for name in ("a", "b"):
        source = open_source(folder.path / "ids.txt")
        await deleter.delete(TABLE_ID, source, ledger=folder.path_for(name), limit=10)
    with closing(sqlite3.connect(folder.path_for("a"))) as connection, connection:
        assert connection.execute(sql).rowcount > 0
    sent = emulator.requests
    assert await states(folder) == {"a": "damaged", "b": "resumable"}
    with pytest.raises(LedgerStorageError, match=r"a\.db.*damaged.*Nothing was sent"):
        await deleter.resume(folder.path_for("a"), limit=None)
    assert emulator.requests == sent
    assert set(files(folder)) == {"a.db", "a.db.lock", "b.db", "b.db.lock", "ids.txt"}


async def test_one_of_which_nobody_can_tell_whether_it_is_written_spoils_no_list(folder, deleter, monkeypatch):
    for name in ("a", "b"):
        await deleter.delete(TABLE_ID, ids(3), ledger=folder.path_for(name))
    theirs, flock = lock_path(folder.path_for("a")).stat().st_ino, fcntl.flock

    def on_a_bad_disk(descriptor, operation):
        if os.fstat(descriptor).st_ino == theirs:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", on_a_bad_disk)
    assert await states(folder) == {"a": "damaged", "b": "complete"}
    assert await folder.prune(older_than_seconds=0) == [folder.path_for("b")]


async def test_the_ledger_of_a_name_in_what_is_no_folder_cannot_be_read(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LedgerStorageError, match="file: this folder of ledgers cannot be read: Not a directory"):
        await LedgerFolder(tmp_path / "file").ledger("customer")


async def test_pruning_removes_what_is_complete_and_old_with_all_its_files(deleter, folder):
    await fill(folder, deleter)
    before = files(folder)
    assert await folder.prune(older_than_seconds=3600) == []
    assert files(folder) == before
    folder.path_for("complete").with_name("complete.db.spool.partial").touch()
    folder.path_for("complete").with_name("complete.db-shm").touch()
    assert await folder.prune(older_than_seconds=0) == [folder.path_for("complete")]
    assert files(folder) == [name for name in before if not name.startswith("complete")]
    assert await folder.prune(older_than_seconds=0, with_failures=True) == [folder.path_for("invalid")]
    assert set(await states(folder)) == {"gone", "left", "never"}
    with pytest.raises(SettingsError, match="older_than_seconds"):
        await folder.prune(older_than_seconds=-1)


async def test_an_old_ledger_goes_and_a_newer_one_stays(deleter, folder):
    for name in ("old", "new"):
        await deleter.delete(TABLE_ID, ids(3), ledger=folder.path_for(name))
    os.utime(folder.path_for("old"), (1_000, 1_000))
    assert await folder.prune(older_than_seconds=3600) == [folder.path_for("old")]


async def test_a_ledger_whose_log_somebody_reads_stays_until_it_is_read(deleter, folder):
    path, killed = folder.path_for("a"), folder.path_for("killed")
    await deleter.delete(TABLE_ID, ids(3), ledger=path)
    writer = await open_ledger(path, identity_of(path))
    shutil.copy(path, killed)
    shutil.copy(f"{path}-wal", f"{killed}-wal")
    await writer.close(None)
    path.unlink()
    with closing(sqlite3.connect(killed, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM run").fetchone() == (2,)
        assert await folder.prune(older_than_seconds=0) == []
        assert (await states(folder)) == {"killed": "complete"}
    assert await folder.prune(older_than_seconds=0) == [killed]
    assert files(folder) == ["a.db.lock"]


async def test_pruning_that_dies_at_any_removal_leaves_a_whole_ledger_or_a_free_name(emulator, deleter, tmp_path):
    template, place = tmp_path / "template", tmp_path / "place"
    template.mkdir()
    place.mkdir()
    await deleter.delete(TABLE_ID, ids(20), ledger=LedgerFolder(template).path_for("a"), limit=10)
    spool = (template / "a.db.spool").read_bytes()
    report = await deleter.resume(template / "a.db", limit=None)
    (template / "a.db.spool").write_bytes(spool)  # what a crash leaves between the end of a job and the removal of this
    sent = emulator.requests
    words = [sys.executable, "-c", PRUNE, str(template), str(place)]
    await asyncio.to_thread(subprocess.run, words, check=True, timeout=60, cwd=ROOT)
    cut = sorted(place.iterdir())
    assert len(cut) > 5
    assert not any(cut[-1].iterdir())
    for one in cut:
        found = await LedgerFolder(one).ledgers()
        assert [(kept.state.value, kept.rows, kept.acknowledged) for kept in found] in ([], [("complete", 20, 20)])
        if found:
            again = await deleter.resume(one / "a.db")
            assert (again.rows, again.acknowledged, again.requests) == (20, report.acknowledged, 0)
        else:
            with pytest.raises(LedgerMismatch, match="no ledger"):
                await deleter.resume(one / "a.db")
    assert emulator.requests == sent
    assert (await deleter.delete(TABLE_ID, ids(5), ledger=cut[-2] / "a.db")).rows == 5


def test_whoever_waits_for_a_lock_that_is_removed_has_the_one_that_the_next_finds(tmp_path):
    path = tmp_path / "a.db"
    first = LedgerLock(path)
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(LedgerLock, path)
        while sum(one.resolve() == lock_path(path) for one in Path("/proc/self/fd").iterdir()) < 2:
            assert not waiting.done()
        lock_path(path).unlink()
        first.release()
        second = waiting.result()
    with pytest.raises(LedgerLocked):
        LedgerLock(path)
    second.release()


def test_whoever_waits_for_a_lock_that_is_withdrawn_has_the_one_that_the_next_finds(tmp_path):
    path = tmp_path / "a.db"
    first = LedgerLock(path)
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(LedgerLock, path)
        while sum(one.resolve() == lock_path(path) for one in Path("/proc/self/fd").iterdir()) < 2:
            assert not waiting.done()
        first.withdraw()
        second = waiting.result()
    with pytest.raises(LedgerLocked):
        LedgerLock(path)
    second.release()
    LedgerLock(path).withdraw()
    assert lock_path(path).exists()  # it was there before


def test_whoever_withdraws_a_lock_takes_no_other_away(tmp_path):
    path = tmp_path / "a.db"
    first = LedgerLock(path)
    lock_path(path).unlink()
    second = LedgerLock(path)
    first.withdraw()
    with pytest.raises(LedgerLocked):
        LedgerLock(path)
    second.release()


async def test_a_log_that_a_removed_ledger_left_does_not_get_into_the_next_one(deleter, folder):
    path, log = folder.path_for("a"), folder.path / "a.db-wal"
    await deleter.delete(TABLE_ID, ids(20), ledger=path)
    writer = await open_ledger(path, identity_of(path))
    left = log.read_bytes()
    await writer.close(None)
    path.unlink()
    log.write_bytes(left)
    assert (await deleter.delete(TABLE_ID, ids(3), ledger=path)).rows == 3
    with read_ledger(path) as reader:
        assert (reader.totals().rows, [run.id for run in reader.runs()]) == (3, [1])


async def test_a_new_call_at_a_name_that_is_just_pruned_has_a_lock_of_its_own(deleter, folder):
    path = folder.path_for("a")
    await deleter.delete(TABLE_ID, ids(3), ledger=path)
    for _ in range(5):
        _, report = await asyncio.gather(
            folder.prune(older_than_seconds=0), deleter.delete(TABLE_ID, ids(3), ledger=path)
        )
        assert (report.rows, report.acknowledged) == (3, 3)
        assert await states(folder) in ({"a": "complete"}, {})


async def test_a_check_that_is_cancelled_by_somebody_else_stops_no_other_job(tmp_path):
    async def check(_):
        raise asyncio.CancelledError

    folder = LedgerFolder(tmp_path)
    careful = SETTINGS.model_copy(update={"canary": SETTINGS.canary.model_copy(update={"records": 2})})
    async with Emulator() as emulator:
        emulator.load(TABLE_ID, ids(30))
        how = {"base_url": emulator.base_url, "api_key": emulator.api_key}
        async with BulkDeleter(**how, settings=SETTINGS) as deleter:
            for name in "ab":
                await deleter.delete(TABLE_ID, ids(30), ledger=folder.path_for(name), limit=0)
        async with BulkDeleter(**how, settings=careful) as deleter:
            came = await folder.resume_all(deleter, at_once=1, check=check)
    assert all(str(error).startswith("the check was cancelled by somebody else") for error in came.values())
    assert [error.report.acknowledged for error in came.values()] == [2, 2]


async def test_a_ledger_that_is_pruned_while_it_is_looked_at_is_not_damaged(tmp_path, monkeypatch):
    folder = LedgerFolder(tmp_path)
    path = folder.path_for("a")
    await (await open_ledger(path, {"table_id": TABLE_ID}, version="0")).close(Ended.COMPLETE)

    def gone(*_, **__):
        path.unlink(missing_ok=True)
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr("sqlite3.connect", gone)
    assert await folder.ledgers() == []
