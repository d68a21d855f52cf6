"""A SQLite database is no list of records, and a ledger in a directory of sources is passed over."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing

import pytest

from bulkdelete.errors import SourceRefused
from bulkdelete.ledger import open_ledger
from bulkdelete.sources import open_source, passed_over
from bulkdelete.sources.databases import is_database, ledgers_among


def database(path, application_id=0):
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"CREATE TABLE t (a); PRAGMA application_id={application_id}")
    return path


async def test_a_ledger_and_what_lies_beside_it_are_passed_over(tmp_path):
    ledger = await open_ledger(tmp_path / "purge.db", {"kind": "text"})
    try:
        (tmp_path / "purge.db.spool").write_text("541278230707963208\n")
        (tmp_path / "purge.db.txt").write_text("1\n")
        assert {path.name for path in tmp_path.iterdir()} >= {"purge.db", "purge.db-wal", "purge.db.lock"}
        assert [path.rpartition("/")[2] for path in open_source(tmp_path).files] == ["purge.db.txt"]
    finally:
        await ledger.close(None)


async def test_what_is_left_of_a_ledger_that_is_gone_is_passed_over_and_named(tmp_path):
    (tmp_path / "here").mkdir()
    ledger = await open_ledger(tmp_path / "purge.db", {"kind": "text"})
    try:
        for ending in ("-wal", "-shm", ".lock"):
            shutil.copy(tmp_path / f"purge.db{ending}", tmp_path / "here" / f"purge.db{ending}")
    finally:
        await ledger.close(None)
    shutil.copy(tmp_path / "purge.db", tmp_path / "here" / "purge.db.new")
    (tmp_path / "here" / "purge.db.spool").write_text("541278230707963208\n")
    (tmp_path / "here" / "ids.txt").write_text("1\n")
    assert [path.rpartition("/")[2] for path in open_source(tmp_path / "here").files] == ["ids.txt"]
    left = ["purge.db-shm", "purge.db-wal", "purge.db.lock", "purge.db.spool"]  # the .new is a ledger
    assert passed_over(str(tmp_path / "here")) == left


@pytest.mark.parametrize("name", ["sales-journal", "sales-wal", "sales-shm", "sales.new", "sales.spool.new.partial"])
def test_a_list_that_is_only_named_so_is_refused_in_a_directory_and_read_alone(tmp_path, name):
    (tmp_path / name).write_text("541278230707963208\n")
    with pytest.raises(SourceRefused, match=rf"{name}, and what bulkdelete keeps.*Nothing was sent.*rename it"):
        open_source(tmp_path)
    assert open_source(tmp_path / name).files == (str(tmp_path / name),)


def test_another_database_is_refused_in_a_directory_or_alone(tmp_path):
    database(tmp_path / "other.db")
    assert is_database(tmp_path / "other.db")
    assert ledgers_among(tmp_path.iterdir()) == set()
    for path in (tmp_path, tmp_path / "other.db"):
        with pytest.raises(SourceRefused, match=r"other\.db is a SQLite database.*Nothing was sent"):
            open_source(path)


def test_what_only_begins_as_a_database_does_is_text(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_bytes(b"SQLite format 3\0\n")
    assert not is_database(path)
    assert open_source(path).size_bytes == 17


def test_what_cannot_be_read_is_no_ledger(tmp_path):
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    assert ledgers_among(tmp_path.iterdir()) == set()
