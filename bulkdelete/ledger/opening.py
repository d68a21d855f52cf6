"""Opening a ledger's file: making it, knowing it again, and refusing what is not one."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bulkdelete.errors import LedgerMismatch, LedgerStorageError
from bulkdelete.ledger import schema

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_OLDEST_SQLITE: Final = (3, 37, 0)  # STRICT tables
_IDENTITY: Final = "identity."


def connect(path: Path, synchronous: str) -> sqlite3.Connection:
    """Return a connection to the ledger at *path*, made if it is not there; the caller holds its lock.

    Raises:
        LedgerMismatch: the file is no ledger, or one of a newer version; it is left as it is.
        LedgerStorageError: it cannot be made, read or written, or is damaged.

    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise LedgerStorageError(f"SQLite {sqlite3.sqlite_version} is too old for the ledger: 3.37 is needed")
    new = not path.exists()
    if new:
        _create(path)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=64)
    try:
        _prepare(connection, path, synchronous)
    except sqlite3.DatabaseError as error:
        connection.close()
        if "not a database" in str(error):
            raise not_a_ledger(path) from None
        raise LedgerStorageError(f"{path}: the ledger cannot be opened: {error}. Nothing was sent") from None
    except BaseException:
        connection.close()
        raise
    if new:
        _sync_folder(path.parent)
    return connection


def check_identity(connection: sqlite3.Connection, path: Path, identity: Mapping[str, str]) -> None:
    """Store *identity* in a new ledger; raise :class:`LedgerMismatch` where an old one has another."""
    query = connection.execute("SELECT key, value FROM job WHERE key LIKE 'identity.%'")
    stored = {key.removeprefix(_IDENTITY): value for key, value in query}
    if not stored:
        rows = [(_IDENTITY + key, value) for key, value in identity.items()]
        connection.executemany("INSERT INTO job VALUES (?, ?)", rows)
        return
    differing = [key for key in sorted({*stored, *identity}) if stored.get(key) != identity.get(key)]
    if differing:
        lines = [f"  {key}: {identity.get(key, 'none')}, was {stored.get(key, 'none')}" for key in differing]
        raise LedgerMismatch(
            f"{path}: this ledger belongs to another job:\n"
            + "\n".join(lines)
            + "\nNothing was sent, and the ledger is as it was. Give the job as it was, or another ledger, such as "
            "--ledger purge-$(date +%F).db"
        )


def not_a_ledger(path: Path) -> LedgerMismatch:
    """Return the error for a file that is something else."""
    return LedgerMismatch(f"{path}: this file is no ledger of bulkdelete; it is left as it is, and nothing was sent")


def check_version(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether the file is a ledger of this version, or ``False`` for an empty one; raise for any other."""
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application_id == schema.APPLICATION_ID:
        if version != schema.SCHEMA_VERSION:
            raise LedgerMismatch(
                f"{path}: this ledger has schema version {version}; this bulkdelete knows {schema.SCHEMA_VERSION}. "
                "Use the version of bulkdelete that made it; nothing was sent"
            )
        return True
    if application_id or version or connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise not_a_ledger(path)
    return False


def _create(path: Path) -> None:
    """Make the empty file with its mode, before SQLite opens it: closing it later would drop SQLite's locks."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise LedgerStorageError(f"{path}: the ledger cannot be made: {error.strerror}. Nothing was sent") from None


def _prepare(connection: sqlite3.Connection, path: Path, synchronous: str) -> None:
    known = check_version(connection, path)
    for pragma in (
        "journal_mode=WAL",
        f"synchronous={synchronous}",
        "fullfsync=1",
        "busy_timeout=5000",
        "wal_autocheckpoint=1000",
        "journal_size_limit=67108864",
        "trusted_schema=OFF",
        "cell_size_check=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
    if not known:
        connection.executescript(
            f"BEGIN IMMEDIATE; {schema.TABLES} PRAGMA application_id={schema.APPLICATION_ID}; "
            f"PRAGMA user_version={schema.SCHEMA_VERSION}; COMMIT;"
        )
    elif connection.execute("SELECT 1 FROM run WHERE ended IS NULL").fetchone():
        _check_whole(connection, path)


def _check_whole(connection: sqlite3.Connection, path: Path) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise LedgerStorageError(
            f"{path}: the ledger is damaged ({found}). Nothing was sent; copy the file away before anything else, and "
            "start a new ledger"
        )


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
