"""The ledger of a job on disk: intents, results, and what a resume reads of them."""

from __future__ import annotations

import getpass
import os
import platform
import sqlite3
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.errors import LedgerError, LedgerStorageError
from bulkdelete.ledger import opening, schema, texts, totals
from bulkdelete.ledger.lock import LedgerLock
from bulkdelete.ledger.writer import Writer
from bulkdelete.records import Fate, StoredRange

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Mapping

    from bulkdelete.ledger.totals import Totals
    from bulkdelete.records import Batch, Ended, Outcome

RANGES_A_PAGE: Final = 1000
MOST_MESSAGE_CHARACTERS: Final = 300

_INTEND: Final = (
    "INSERT INTO batch (first_row, end_row, records, invalid, held, duplicate, digest, state) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_INTEND_AGAIN: Final = "UPDATE batch SET state = 0, ambiguous = max(ambiguous, ?) WHERE first_row = ?"
_ACKNOWLEDGE: Final = (
    "UPDATE batch SET state = 1, attempts = attempts + ?, ambiguous = max(ambiguous, ?) WHERE first_row = ?"
)
_LEAVE: Final = (
    "UPDATE batch SET state = CASE state WHEN 3 THEN 3 ELSE ? END, attempts = attempts + ?, "
    "ambiguous = max(ambiguous, ?), code = ?, http_status = ?, request_id = ?, message = ? WHERE first_row = ?"
)
_SETTLE: Final = (
    "UPDATE batch SET attempts = attempts + ?, ambiguous = max(ambiguous, ?), state = CASE records WHEN "
    "(SELECT sum(records) FROM part WHERE part.first_row >= batch.first_row AND part.first_row < batch.end_row) "
    "THEN 2 ELSE state END WHERE first_row = ?"
)
_ADD_PART: Final = "INSERT INTO part VALUES (?, ?, ?, ?)"
_ADD_ROW: Final = "INSERT INTO row VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_REMEMBER: Final = "INSERT INTO job VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_PAGE: Final = (
    "SELECT first_row, end_row, records, digest, state, ambiguous, invalid + held + duplicate FROM batch "
    "WHERE first_row >= ? ORDER BY first_row LIMIT ?"
)


class DurableLedger:
    """One job's ledger, open for writing; :func:`open_ledger` makes it."""

    def __init__(self, path: Path, lock: LedgerLock, connection: sqlite3.Connection, run: int) -> None:
        self.path: str | None = str(path)
        self.totals: Totals = totals.count(connection)
        self.facts: dict[str, str] = dict(connection.execute("SELECT key, value FROM job"))
        self._lock = lock
        self._run = run
        self._writer: Writer | None = Writer(connection, str(path))

    def intend(self, batch: Batch) -> asyncio.Future[None]:
        """Write that *batch* is about to be sent; nothing of it may leave before the future is done."""
        if batch.stored:
            return self._submit(partial(_change_one, _INTEND_AGAIN, (int(batch.ambiguous), batch.first_row)))
        return self._submit(partial(_add_batch, batch))

    def record(self, outcome: Outcome) -> asyncio.Future[None]:
        """Write what became of a batch or of a part of one; it counts when the future is done."""
        return self._submit(partial(_record, outcome))

    def remember(self, key: str, value: str) -> asyncio.Future[None]:
        """Write a fact of the job."""
        return self._submit(partial(_execute, _REMEMBER, (key, value)))

    async def ranges(self) -> AsyncGenerator[StoredRange, None]:
        """Yield every stored range in row order; those not finished with their settled parts and set-aside rows."""
        first_row = 0
        while page := await self._submit(partial(_read_page, first_row)):
            for stored in page:
                yield stored
            first_row = page[-1].end_row

    async def count(self) -> Totals:
        """Count the whole ledger anew."""
        counted: Totals = await self._submit(totals.count)
        return counted

    async def close(self, ended: Ended | None, reason: str = "", requests: int = 0, retries: int = 0) -> None:
        """Write how the run ended, commit everything, close the file, let go of the lock. Closing twice is harmless."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        if ended is not None:
            writer.submit(
                partial(_end_run, (_now_ms(), ended.value, texts.clean(reason), requests, retries, self._run))
            )
        try:
            await writer.close()
        finally:
            self._lock.release()

    def _submit(self, operation: Any) -> asyncio.Future[Any]:  # noqa: ANN401 - each caller states its own result
        if self._writer is None:
            raise LedgerError("the ledger is closed")
        return self._writer.submit(operation)


async def open_ledger(
    path: str | os.PathLike[str], identity: Mapping[str, str], *, synchronous: str = "full", version: str = ""
) -> DurableLedger:
    """Open the ledger at *path* for the job of *identity*, or make it; hold its lock until it is closed.

    Raises:
        LedgerLocked: another process writes it.
        LedgerMismatch: it belongs to another job or version, or is no ledger.
        LedgerStorageError: it cannot be made, read or written.

    """
    path = Path(path)
    if path.is_dir():
        raise LedgerStorageError(f"{path}: the ledger is a file, and this is a folder. Nothing was sent")
    lock = LedgerLock(path)
    try:
        connection = opening.connect(path, synchronous)
        try:
            return DurableLedger(path, lock, connection, _begin_run(connection, path, identity, version))
        except BaseException:
            connection.close()
            raise
    except BaseException:
        lock.release()
        raise


def _begin_run(connection: sqlite3.Connection, path: Path, identity: Mapping[str, str], version: str) -> int:
    try:
        connection.execute("BEGIN IMMEDIATE")
        opening.check_identity(connection, path, identity)
        connection.execute("UPDATE batch SET ambiguous = 1 WHERE state = 0")  # a killed run may have sent them
        run = connection.execute(
            "INSERT INTO run (started_ms, pid, host, user, version, python, sqlite) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                _now_ms(),
                os.getpid(),
                platform.node(),
                _user(),
                version,
                platform.python_version(),
                sqlite3.sqlite_version,
            ),
        ).lastrowid
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise LedgerStorageError(f"{path}: the ledger cannot be written: {error}. Nothing was sent") from None
    assert run is not None  # noqa: S101 - an INSERT has a row id
    return run


def _execute(sql: str, parameters: tuple[Any, ...], connection: sqlite3.Connection) -> None:
    connection.execute(sql, parameters)


def _change_one(sql: str, parameters: tuple[Any, ...], connection: sqlite3.Connection) -> None:
    changed = connection.execute(sql, parameters).rowcount
    if changed != 1:
        raise LedgerError(
            f"a write to the ledger changed {changed} rows and not 1: {sql.split(' WHERE', maxsplit=1)[0]}"
        )


def _add_batch(batch: Batch, connection: sqlite3.Connection) -> None:
    counts = (0, 0, 0)
    if batch.set_aside:
        fates = [row_fate.fate for row_fate in batch.set_aside]
        counts = (fates.count(Fate.INVALID), fates.count(Fate.HELD), fates.count(Fate.DUPLICATE))
        connection.executemany(_ADD_ROW, map(texts.to_row, batch.set_aside))
    records = len(batch.records)
    state = schema.OPEN if records else schema.SETTLED
    connection.execute(_INTEND, (batch.first_row, batch.end_row, records, *counts, batch.digest, state))


def _record(outcome: Outcome, connection: sqlite3.Connection) -> None:
    key, doubt = outcome.batch.first_row, int(outcome.ambiguous)
    if outcome.fate in {Fate.UNRESOLVED, Fate.PENDING}:
        state = schema.UNRESOLVED if outcome.fate is Fate.UNRESOLVED else schema.PENDING
        message = texts.clean(outcome.message[:MOST_MESSAGE_CHARACTERS]) or None
        last = (outcome.code, outcome.http_status, outcome.request_id or None, message)
        _change_one(_LEAVE, (state, outcome.attempts, doubt, *last, key), connection)
    elif outcome.whole and outcome.fate is Fate.ACKNOWLEDGED:
        _change_one(_ACKNOWLEDGE, (outcome.attempts, doubt, key), connection)
    else:
        part = (outcome.first_row, outcome.end_row, outcome.records, outcome.fate.value)
        connection.execute(_ADD_PART, part)
        if outcome.row_fate is not None:
            connection.execute(_ADD_ROW, texts.to_row(outcome.row_fate))
        _change_one(_SETTLE, (outcome.attempts, doubt, key), connection)


def _read_page(first_row: int, connection: sqlite3.Connection) -> list[StoredRange]:
    page = connection.execute(_PAGE, (first_row, RANGES_A_PAGE)).fetchall()
    return [stored_range(connection, *columns) for columns in page]


def stored_range(  # noqa: PLR0913, PLR0917 - the columns of one row
    connection: sqlite3.Connection,
    first_row: int,
    end_row: int,
    records: int,
    digest: bytes,
    state: int,
    ambiguous: int,
    set_aside: int,
) -> StoredRange:
    """Return a row of ``batch`` as a value, with its parts and set-aside rows where it is not finished."""
    finished = state in {schema.ACKNOWLEDGED, schema.SETTLED}
    parts: tuple[range, ...] = ()
    rows: frozenset[int] = frozenset()
    if not finished:
        within = (first_row, end_row)
        found = connection.execute(
            "SELECT first_row, end_row FROM part WHERE first_row >= ? AND first_row < ? ORDER BY first_row", within
        )
        parts = tuple(range(start, stop) for start, stop in found)
        if set_aside:
            found = connection.execute(
                "SELECT row FROM row WHERE row >= ? AND row < ? AND fate IN ('invalid', 'held', 'duplicate')", within
            )
            rows = frozenset(row for (row,) in found)
    return StoredRange(first_row, end_row, records, digest, finished, bool(ambiguous), parts, rows)


def _end_run(parameters: tuple[Any, ...], connection: sqlite3.Connection) -> None:
    connection.execute(
        "UPDATE run SET ended_ms = ?, ended = ?, reason = ?, requests = ?, retries = ? WHERE id = ?", parameters
    )


def _now_ms() -> int:
    return int(time.time() * 1000)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user id without a name
        return str(os.getuid())
