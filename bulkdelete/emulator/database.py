"""The emulator's SQLite file: how it is opened, and its transactions."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from bulkdelete.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_APPLICATION_ID: Final = 0x656D756C
_VERSION: Final = 2
_SCHEMA: Final = f"""
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
CREATE TABLE tables (
    number INTEGER PRIMARY KEY,
    table_id TEXT NOT NULL UNIQUE,
    unique_columns TEXT NOT NULL,
    valued INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE records (
    number INTEGER NOT NULL,
    record_id TEXT NOT NULL,
    value TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (number, record_id)
) WITHOUT ROWID;
CREATE TABLE unique_values (
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    record_id TEXT NOT NULL,
    PRIMARY KEY (number, name, value)
) WITHOUT ROWID;
CREATE INDEX unique_values_of_record ON unique_values (number, record_id);
CREATE TABLE poisoned (
    number INTEGER NOT NULL, record_id TEXT NOT NULL, PRIMARY KEY (number, record_id)
) WITHOUT ROWID;
CREATE TABLE keys (key TEXT PRIMARY KEY, tables TEXT, revoked INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
"""


def open_database(path: str | Path) -> sqlite3.Connection:
    """Open the emulator's database, made where there is none; ``":memory:"`` is forgotten when it is closed.

    It survives a killed process, and need not survive a power cut.

    Raises:
        SettingsError: the file cannot be opened, or is not an emulator's; it is left as it was.

    """
    if path != ":memory:":
        _make_for_its_owner_only(path)
    try:
        database = sqlite3.connect(path, isolation_level=None)
    except sqlite3.Error as error:
        raise SettingsError(f"{path}: the emulator's database cannot be opened: {error}") from None
    try:
        _prepare(database, path)
    except sqlite3.Error as error:
        database.close()
        raise SettingsError(f"{path}: this cannot be the emulator's database: {error}. It was not changed") from None
    except SettingsError:
        database.close()
        raise
    return database


def _make_for_its_owner_only(path: str | Path) -> None:
    """Make the file where there is none: it will hold keys; whatever is wrong with *path*, SQLite says next."""
    with suppress(OSError, ValueError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _prepare(database: sqlite3.Connection, path: str | Path) -> None:
    (made_by,) = database.execute("PRAGMA application_id").fetchone()
    (things,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if things and made_by != _APPLICATION_ID:
        raise SettingsError(f"{path}: this is another program's database, not the emulator's. It was not changed")
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if things and version != _VERSION:
        raise SettingsError(f"{path}: another version of the emulator made this. It was not changed; name a new file")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = OFF")
    database.execute("PRAGMA cache_size = -65536")
    if not things:
        database.executescript(f"BEGIN; {_SCHEMA} COMMIT;")


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing: commit at the end, roll back on an exception."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
