"""A ledger's files: their modes, and what is refused and left as it is."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import resource
import shutil
import sqlite3
import stat
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bulkdelete.errors import LedgerLocked, LedgerMismatch, LedgerStorageError
from bulkdelete.ledger import Totals, open_ledger, opening, read_ledger
from bulkdelete.records import Ended, Fate
from tests.unit.test_ledger import IDENTITY, batch_of, columns_of, opened, outcome

if TYPE_CHECKING:
    from collections.abc import Iterator


async def test_the_files_are_for_their_owner_only_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        async with opened(tmp_path / "a.db") as ledger:
            await ledger.intend(batch_of(0, "r"))
            names = {file.name for file in tmp_path.iterdir()}
            modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert names == {"a.db", "a.db-wal", "a.db-shm", "a.db.lock"}
    assert modes == {0o600}


async def test_a_clean_end_leaves_one_file_and_its_free_lock(tmp_path):
    async with opened(tmp_path / "a.db") as ledger:
        await ledger.intend(batch_of(0, "r"))
    assert {file.name for file in tmp_path.iterdir()} == {"a.db", "a.db.lock"}


async def test_the_schema_says_what_it_is(tmp_path):
    async with opened(tmp_path / "a.db"):
        pass
    path = tmp_path / "a.db"
    assert columns_of(path, "PRAGMA application_id") == [(0x62756C6B,)]
    assert columns_of(path, "PRAGMA user_version") == [(2,)]
    assert columns_of(path, "PRAGMA journal_mode") == [("wal",)]
    tables = columns_of(
        path, "SELECT name, strict FROM pragma_table_list WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    )
    assert dict(tables) == {"job": 1, "run": 1, "batch": 1, "part": 1, "row": 1, "event": 1}


async def test_a_ledger_of_the_first_version_can_be_read_and_goes_on(tmp_path):
    path = tmp_path / "a.db"
    async with opened(path) as ledger:
        await ledger.intend(batch_of(0, "r"))
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TABLE event; PRAGMA user_version=1")
    with read_ledger(path) as reader:
        assert reader.events() == []
        assert reader.totals().rows == 1
    async with opened(path) as ledger:
        assert ledger.totals.unresolved == 1
        await ledger.note("confirmation", by="option")
    with read_ledger(path) as reader:
        assert [(event.kind, event.run, event.detail) for event in reader.events()] == [
            ("confirmation", 2, {"by": "option"})
        ]
    assert columns_of(path, "PRAGMA user_version") == [(2,)]


async def test_what_is_open_is_found_by_the_partial_index(tmp_path):
    async with opened(tmp_path / "a.db"):
        pass
    sql = "SELECT * FROM batch WHERE state IN (0, 3, 4) AND first_row >= 5 ORDER BY first_row LIMIT 9"
    (plan,) = columns_of(tmp_path / "a.db", f"EXPLAIN QUERY PLAN {sql}")
    assert "open_batch" in plan[-1]


async def test_an_acknowledged_batch_takes_at_most_eighty_bytes(tmp_path):
    batches = 5_000
    async with opened(tmp_path / "a.db") as ledger:
        for index in range(batches):
            batch = batch_of(2 * index, "rr")
            ledger.intend(batch)
            ledger.record(outcome(batch, Fate.ACKNOWLEDGED))
        await ledger.count()
    assert (tmp_path / "a.db").stat().st_size <= 80 * batches


async def test_another_job_is_refused_with_every_difference_and_changes_nothing(tmp_path):
    async with opened(tmp_path / "a.db") as ledger:
        await ledger.intend(batch_of(0, "r"))
    other = {**IDENTITY, "table_id": "another", "source column": "id"}
    with pytest.raises(LedgerMismatch) as refused:
        await open_ledger(tmp_path / "a.db", other)
    message = str(refused.value)
    for told in (
        "table_id: another, was 673af861ed69656ac0895b07",
        "source column: id, was none",
        "Nothing was sent",
        "--ledger purge-2.db",
    ):
        assert told in message
    assert "base_url" not in message
    with read_ledger(tmp_path / "a.db") as reader:
        assert len(reader.runs()) == 1
    async with opened(tmp_path / "a.db") as ledger:
        assert ledger.totals.rows == 1


def not_sqlite(path):
    path.write_text("541278230707963208\n" * 500)


def empty(path):
    path.touch()


def another_application(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")


def newer(path):
    asyncio.run(make(path))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=99")


async def make(path):
    await (await open_ledger(path, IDENTITY)).close(Ended.COMPLETE)


@pytest.mark.parametrize("made", [not_sqlite, empty, another_application, newer])
def test_a_file_that_is_no_ledger_of_this_version_is_refused_and_left_as_it_is(tmp_path, made):
    path = tmp_path / "a.db"
    made(path)
    before = path.read_bytes()
    with pytest.raises(LedgerMismatch, match=r"no ledger|version 99"):
        asyncio.run(open_ledger(path, IDENTITY))
    with pytest.raises(LedgerMismatch, match=r"no ledger|version 99"):
        read_ledger(path)
    assert path.read_bytes() == before


async def test_a_folder_a_missing_folder_and_a_file_for_a_folder_are_refused_by_name(tmp_path):
    (tmp_path / "file").touch()
    for path, named in (
        (tmp_path, tmp_path),
        (tmp_path / "no" / "a.db", tmp_path / "no"),
        (tmp_path / "file" / "a.db", tmp_path / "file"),
    ):
        with pytest.raises(LedgerStorageError, match="Nothing was sent") as refused:
            await open_ledger(path, IDENTITY)
        assert str(named) in str(refused.value)
        with pytest.raises(LedgerMismatch, match="no ledger"):
            read_ledger(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_cannot_be_written_is_refused_and_can_be_read(tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    async with opened(folder / "a.db") as ledger:
        await ledger.intend(batch_of(0, "r"))
    folder.chmod(0o500)
    try:
        with pytest.raises(LedgerStorageError):
            await open_ledger(folder / "b.db", IDENTITY)
        with read_ledger(folder / "a.db") as reader:
            assert reader.totals() == Totals(rows=1, batches=1, unresolved=1)
    finally:
        folder.chmod(0o700)


@contextmanager
def as_one_who_may_not_look_into(folder: Path) -> Iterator[None]:
    user = os.geteuid()
    folder.chmod(0)
    if user == 0:  # who may look everywhere
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o700)


async def test_whoever_may_not_look_into_a_folder_is_told_that_and_not_that_there_is_no_ledger(tmp_path):
    folder = tmp_path / "theirs"
    (folder / "deep").mkdir(parents=True)
    for path in (folder / "a.db", folder / "deep" / "a.db"):
        async with opened(path):
            pass
        with as_one_who_may_not_look_into(folder):
            with pytest.raises(LedgerStorageError, match=r"a\.db.*Permission denied.*Nothing was sent"):
                await open_ledger(path, IDENTITY)
            with pytest.raises(LedgerStorageError, match=r"a\.db.*Permission denied"):
                read_ledger(path)
        with read_ledger(path) as reader:
            assert len(reader.runs()) == 1


async def test_a_ledger_that_can_be_nowhere_is_refused(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for name in ("a.db", "a\0b.db"):
        with pytest.raises(LedgerStorageError, match="Nothing was sent"):
            await open_ledger(name, IDENTITY)
        with pytest.raises(LedgerMismatch, match="no ledger"):
            read_ledger(name)


@pytest.mark.parametrize("most_bytes", [0, 16, 60, 4096])
async def test_what_a_killed_creation_left_is_no_obstacle(tmp_path, most_bytes):
    (tmp_path / "other").mkdir()
    async with opened(tmp_path / "other" / "a.db"):
        for left, made in (("a.db.new", "a.db"), ("a.db.new-wal", "a.db-wal"), ("a.db-wal", "a.db-wal")):
            (tmp_path / left).write_bytes((tmp_path / "other" / made).read_bytes()[:most_bytes])
        for left in ("a.db.new-shm", "a.db-shm"):
            (tmp_path / left).write_bytes((tmp_path / "other" / "a.db-shm").read_bytes()[:most_bytes])
    shutil.rmtree(tmp_path / "other")
    async with opened(tmp_path / "a.db"):
        pass
    assert {file.name for file in tmp_path.iterdir()} == {"a.db", "a.db.lock"}


@pytest.mark.parametrize("size", [1, 100])
async def test_nor_are_files_of_which_a_power_cut_kept_the_size_alone(tmp_path, size):
    for ending in (".new", ".new-wal", ".new-shm", "-wal", "-shm"):
        (tmp_path / f"a.db{ending}").write_bytes(bytes(size))
    (tmp_path / "a.db.lock").write_bytes(bytes(4))
    async with opened(tmp_path / "a.db"):
        pass
    assert (tmp_path / "a.db.lock").read_bytes() == str(os.getpid()).encode()


@pytest.mark.parametrize("name", ["a.db.new", "a.db.lock"])
async def test_what_is_no_file_is_refused_where_the_lock_or_the_new_ledger_must_lie(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(LedgerMismatch, match=rf"{name}.*somebody else's.*Nothing was sent"):
        await open_ledger(tmp_path / "a.db", IDENTITY)
    assert [path.name for path in tmp_path.iterdir()] == [name]


async def test_a_new_ledger_comes_to_its_place_with_its_log_so_that_no_journal_is_left_by_whatever_cuts_it_off(
    tmp_path, monkeypatch
):
    versions, rename = [], os.rename

    def watched(old, new):
        versions.append(Path(old).read_bytes()[18:20])
        rename(old, new)

    monkeypatch.setattr(os, "rename", watched)
    async with opened(tmp_path / "a.db"):
        pass
    assert versions == [b"\x02\x02"]  # SQLite's: to be read and written with a write-ahead log


async def test_a_damaged_ledger_of_a_killed_run_is_refused(tmp_path):
    path = tmp_path / "a.db"
    async with opened(path, None) as ledger:
        await ledger.intend(batch_of(0, "i" * 2_000))
    ((page,),) = columns_of(path, "SELECT rootpage FROM sqlite_schema WHERE name = 'row'")
    raw = bytearray(path.read_bytes())
    raw[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    path.write_bytes(raw)
    with pytest.raises(LedgerStorageError, match=r"damaged.*Nothing was sent"):
        await open_ledger(path, IDENTITY)
    with read_ledger(path) as reader, pytest.raises(LedgerStorageError, match="cannot be read"):
        list(reader.failures())


async def test_one_ledger_has_one_writer_under_all_its_names(tmp_path):
    (tmp_path / "link.db").symlink_to(tmp_path / "a.db")
    async with opened(tmp_path / "a.db"):
        for name in ("a.db", "link.db"):
            with pytest.raises(LedgerLocked, match=f"process {os.getpid()}"):
                await open_ledger(tmp_path / name, IDENTITY)
            with read_ledger(tmp_path / name) as reader:
                assert reader.running() == os.getpid()
    with read_ledger(tmp_path / "link.db") as reader:
        assert reader.running() is None


async def test_a_lock_file_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "theirs").touch()
    (tmp_path / "a.db.lock").symlink_to(tmp_path / "theirs")
    with pytest.raises(LedgerStorageError, match="lock"):
        await open_ledger(tmp_path / "a.db", IDENTITY)
    assert (tmp_path / "theirs").read_bytes() == b""


async def test_a_lock_that_cannot_be_written_is_said_and_leaves_no_file(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(LedgerStorageError, match=r"a\.db\.lock.* be written: File too large.*Nothing was sent"):
            await open_ledger(tmp_path / "a.db", IDENTITY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not [*tmp_path.iterdir()]
    async with opened(tmp_path / "a.db"):
        pass


async def test_a_lock_that_is_a_pipe_keeps_nobody_waiting(tmp_path):
    async with opened(tmp_path / "a.db"):
        pass
    (tmp_path / "a.db.lock").unlink()
    os.mkfifo(tmp_path / "a.db.lock")
    with read_ledger(tmp_path / "a.db") as reader:
        async with asyncio.timeout(5):
            running = asyncio.get_running_loop().run_in_executor(None, reader.running)
            try:
                assert await asyncio.shield(running) is None
            finally:
                os.close(os.open(tmp_path / "a.db.lock", os.O_RDWR | os.O_NONBLOCK))  # whoever waits goes on


async def test_a_lock_that_a_disk_has_lost_by_the_end_keeps_no_job_from_ending(tmp_path, monkeypatch):
    close, locks = os.close, []

    def full(descriptor):
        is_lock = Path(f"/proc/self/fd/{descriptor}").readlink().name == "a.db.lock"
        close(descriptor)
        if is_lock:
            locks.append(descriptor)
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))  # what was written reaches a network disk only now

    monkeypatch.setattr(os, "close", full)
    async with asyncio.timeout(5):
        async with opened(tmp_path / "a.db") as ledger:
            await ledger.intend(batch_of(0, "r"))
    assert locks
    with read_ledger(tmp_path / "a.db") as reader:
        assert (reader.running(), reader.runs()[0].ended) == (None, "complete")


async def test_where_nothing_can_be_locked_nobody_writes_a_ledger_and_nobody_says_that_none_does(tmp_path, monkeypatch):
    async with opened(tmp_path / "a.db"):
        pass

    def flock(descriptor, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(LedgerStorageError, match=r"cannot be locked: No locks available.*Nothing was sent.*local disk"):
        await open_ledger(tmp_path / "a.db", IDENTITY)
    with read_ledger(tmp_path / "a.db") as reader:
        assert len(reader.runs()) == 1
        with pytest.raises(LedgerStorageError, match=r"whether a process writes .*No locks available"):
            reader.running()


async def test_a_reader_that_stays_open_sees_each_commit_and_does_not_hold_up_the_end(tmp_path):
    async with opened(tmp_path / "a.db") as ledger:
        await ledger.intend(batch_of(0, "r"))
        with read_ledger(tmp_path / "a.db") as reader:
            rows = reader.failures()
            assert reader.totals().rows == 1
            await ledger.intend(batch_of(1, "ri"))
            assert reader.totals() == Totals(rows=3, batches=2, invalid=1, unresolved=2)
            assert [row.row for row in rows] == [2]
            assert reader.size_bytes >= (tmp_path / "a.db").stat().st_size
            async with asyncio.timeout(4):
                await ledger.close(Ended.COMPLETE)
            assert reader.runs()[0].ended == "complete"


@pytest.mark.no_cover  # long, and reaches nothing that others do not
async def test_the_counts_of_a_reader_always_balance_while_a_job_writes(tmp_path):
    async with opened(tmp_path / "a.db") as ledger:

        async def write() -> None:
            for index in range(150):
                batch = batch_of(5 * index, "rrrri")
                await ledger.intend(batch)
                for record in range(4):
                    await ledger.record(outcome(batch, Fate.ACKNOWLEDGED, range(record, record + 1)))

        def read() -> int:
            with read_ledger(tmp_path / "a.db") as reader:
                looks = 0
                while writing:
                    seen = reader.totals()
                    assert seen.rows == seen.acknowledged + seen.invalid + seen.unresolved
                    looks += 1
                return looks

        writing = True
        reading = asyncio.create_task(asyncio.to_thread(read))
        await write()
        writing = False
        assert await reading


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        ('["a", "b"]', '["a"]', "1 new: b"),
        ('["a"]', '["a", "a"]', "1 gone: a"),
        ('["b", "a"]', '["a", "b"]', "the same in another order"),
        ('["b"]', '["a"]', "1 new: b; 1 gone: a"),
        ('["a"]', "none", '["a"], was none'),
        ("5", "6", "5, was 6"),
    ],
)
def test_lists_of_files_differ_by_what_is_new_and_what_is_gone(now, before, said):
    assert opening._difference(now, before) == said


async def test_a_ledger_with_a_second_name_is_refused_until_that_is_gone(tmp_path):
    await (await open_ledger(tmp_path / "l.db", {})).close(None)
    os.link(tmp_path / "l.db", tmp_path / "other.db")
    for name in ("l.db", "other.db"):
        with pytest.raises(LedgerStorageError, match=r"another name too \(a hard link\).*Remove the other name"):
            await open_ledger(tmp_path / name, {})
    (tmp_path / "other.db").unlink()
    await (await open_ledger(tmp_path / "l.db", {})).close(None)
