"""The thread that writes a ledger, and when it tells whoever waits."""

from __future__ import annotations

import asyncio
import sqlite3
from threading import Event

import pytest

from bulkdelete.errors import LedgerStorageError
from bulkdelete.ledger.writer import Writer


async def test_nobody_is_told_of_a_write_before_it_is_committed(tmp_path):
    commits, goes_on = Event(), Event()

    class HeldUp(sqlite3.Connection):
        def execute(self, sql, *values):
            if sql == "COMMIT":
                commits.set()
                goes_on.wait()
            return super().execute(sql, *values)

    path = tmp_path / "a.db"
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=HeldUp)
    writer = Writer(connection, str(path), lambda: None, connection.close)
    written = writer.submit(lambda connection: connection.execute("CREATE TABLE a (b)") and None)
    try:
        await asyncio.to_thread(commits.wait)
        await asyncio.sleep(0)  # whatever the thread told the loop before is heard by now
        assert not written.done()
    finally:
        goes_on.set()
        await writer.close()
    assert written.done()


async def test_a_lack_of_memory_in_a_commit_is_called_that_and_no_fault(tmp_path):
    def write(connection):
        raise MemoryError

    connection = sqlite3.connect(tmp_path / "a.db", isolation_level=None, check_same_thread=False)
    writer = Writer(connection, "a.db", lambda: None, connection.close)
    with pytest.raises(LedgerStorageError, match=r"^a.db: .* failed with MemoryError\. .* is sound: .* lacks \(memory"):
        await writer.submit(write)
    await writer.close()


async def test_a_file_whose_last_look_breaks_off_is_closed_all_the_same(tmp_path):
    def look(connection):
        raise MemoryError

    connection = sqlite3.connect(tmp_path / "a.db", isolation_level=None, check_same_thread=False)
    writer = Writer(connection, "a.db", lambda: None, connection.close)
    async with asyncio.timeout(10):
        assert await writer.close(look) is None
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")
