"""Opening a ledger's file: making it, knowing it again, and refusing what is not one."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections import Counter
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from bulkdelete.errors import LedgerMismatch, LedgerStorageError
from bulkdelete.identities import with_default_column
from bulkdelete.ledger import leavings, runs, schema, texts, unkept, writes
from bulkdelete.ledger.facts import ACCEPTED, GUARDS, SPENT, SPOOL, SPOOL_BEGUN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_OLDEST_SQLITE: Final = (3, 37, 0)  # STRICT tables
_IDENTITY: Final = "identity."
_SOON_CHECKED_BYTES: Final = 64 * 1024 * 1024
"""A ledger that is no larger is read whole, in a part of a second, before anything is written to it."""
_PRAGMAS: Final = (
    "fullfsync=1",
    "busy_timeout=5000",
    "wal_autocheckpoint=1000",
    "journal_size_limit=67108864",
    "trusted_schema=OFF",
    "cell_size_check=ON",
)


def check_place(path: Path) -> None:
    """Raise :class:`LedgerStorageError` where there can be no ledger at *path*; ``OSError`` where nobody may look."""
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise LedgerStorageError(f"SQLite {sqlite3.sqlite_version} is too old for the ledger: 3.37 is needed")
    if "\0" in os.fspath(path):
        raise LedgerStorageError(f"{str(path)!r}: no file can have this name. Nothing was sent. Give another --ledger")
    if os.path.isdir(path):  # noqa: PTH112 - is no error for a name that is too long
        raise LedgerStorageError(f"{path}: the ledger is a file, and this is a folder. Nothing was sent")
    if _goes_round(path):
        raise LedgerStorageError(
            f"{path}: the symbolic links of this ledger lead round in a circle. Nothing was sent. Name the file itself"
        )
    if not path.parent.is_dir():
        raise LedgerStorageError(f"{path}: there is no folder {path.parent} for the ledger. Nothing was sent; make it")


def _goes_round(path: Path) -> bool:
    try:
        path.stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def connect(path: Path, synchronous: str, *, make: bool = True) -> sqlite3.Connection:
    """Return a connection to the ledger at *path*, which it may *make* if it is not there; the caller holds its lock.

    Raises:
        LedgerMismatch: the file is no ledger, or one of another version; it is left as it is. Or there is none.
        LedgerStorageError: it cannot be made, read or written, or is damaged.

    """
    if path.exists():
        connect_to_read(path).close()
    elif make:
        _make(path)
    else:
        raise LedgerMismatch(f"{path}: there is no ledger here any more. Nothing was sent")
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=64)
    try:
        with reading_values(path):  # SQLite's own words may quote what was damaged, and be no text
            _prepare(connection, path, synchronous)
    except sqlite3.Error as error:
        connection.close()
        raise unreadable(path, error, ". Nothing was sent") from None
    except BaseException:
        connection.close()
        raise
    return connection


def connect_to_read(path: Path, *, at_rest: bool = False) -> sqlite3.Connection:
    """Return a connection to the ledger at *path* that cannot write, also while another process writes.

    Of one *at_rest*, which nobody writes and whose write-ahead log is empty, only its own file is read: SQLite leaves
    two others beside it otherwise.

    Raises:
        LedgerMismatch: the file is no ledger, or one of another version.
        LedgerStorageError: it cannot be read.

    """
    quiet = at_rest or (not path.with_name(f"{path.name}-wal").exists() and not os.access(path.parent, os.W_OK))
    uri = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if quiet else ''}"
    connection = None
    try:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None)
        connection.execute("PRAGMA busy_timeout=5000")
        with reading_values(path):
            _check_version(connection, path)
    except BaseException as error:
        if connection is not None:
            connection.close()
        if not isinstance(error, sqlite3.Error):
            raise
        if "not a database" in str(error):
            raise not_a_ledger(path) from None
        hint = "" if quiet or os.access(path.parent, os.W_OK) else "; copy it and its -wal file to where you may write"
        raise unreadable(path, error, hint) from None
    return connection


def check_identity(connection: sqlite3.Connection, path: Path, identity: Mapping[str, str], *, known: bool) -> None:
    """Store *identity* in a new ledger; raise :class:`LedgerMismatch` where an old one has another.

    A ledger without batches is new: its job was refused before the first one, and was corrected since; what looks after
    it stays, and what is spent of quotas. It is not where its records were accepted, nor where the job is *known* from
    nothing but the ledger.
    """
    facts = writes.facts(connection)
    stored = {key.removeprefix(_IDENTITY): value for key, value in facts.items() if key.startswith(_IDENTITY)}
    stored = with_default_column(stored, "source ")
    differing = [key for key in sorted({*stored, *identity}) if stored.get(key) != identity.get(key)]
    is_unsent = connection.execute("SELECT 1 FROM batch LIMIT 1").fetchone() is None
    is_new = is_unsent and ACCEPTED not in facts
    if differing and is_new and not known:
        spent = () if "base_url" in differing else (SPENT,)  # what the server gave, and asked for, it did all the same
        kept = {key: value for key, value in facts.items() if key in {*GUARDS, *spent}}
        if SPOOL in facts or SPOOL_BEGUN in facts:  # the copy that the refused job left is this ledger's all the same
            kept[SPOOL_BEGUN] = "yes"
        connection.execute("DELETE FROM job")
        for key, value in ({_IDENTITY + key: value for key, value in identity.items()} | kept).items():
            writes.remember(key, value, connection)
    elif differing:
        lines = [f"  {key}: {_difference(identity.get(key, 'none'), stored.get(key, 'none'))}" for key in differing]
        told = f"{path}: this ledger belongs to another job:\n" + texts.clean("\n".join(lines)) + "\nNothing was sent"
        if known and is_new:
            raise LedgerMismatch(
                f"{told}, neither now nor before. Make the call again with this ledger and the records as they are now"
            )
        back = " once its file is as it was" if "source content" in differing else ""
        waits = f" Its records were accepted, and a resume sends them{back}." if is_unsent and not known else ""
        raise LedgerMismatch(
            f"{told}, and the ledger is as it was.{waits} Give the job as it was, or another ledger, such as "
            "--ledger purge-2.db"
        )


def _difference(given: str, stored: str) -> str:
    """Return in words how two values of an identity differ; lists, which are JSON, by what is new and what is gone."""
    try:
        now, before = Counter(json.loads(given)), Counter(json.loads(stored))
        new, gone = list((now - before).elements()), list((before - now).elements())
    except (ValueError, TypeError):
        return f"{given}, was {stored}"
    changes = [
        f"{len(names)} {word}: {', '.join(names[:5])}" for word, names in (("new", new), ("gone", gone)) if names
    ]
    return "; ".join(changes) or "the same in another order"


def upgrade(connection: sqlite3.Connection) -> None:
    """Make a ledger of an older version one of this one, in the transaction that is open."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 1:
        writes.remember(SPENT, unkept.spent(connection), connection)
    while version in schema.UPGRADES:
        connection.execute(schema.UPGRADES[version])
        version += 1
        connection.execute(f"PRAGMA user_version={version}")


def not_a_ledger(path: Path) -> LedgerMismatch:
    """Return the error for a file that is something else."""
    return LedgerMismatch(f"{path}: this file is no ledger of bulkdelete; it is left as it is, and nothing was sent")


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application_id != schema.APPLICATION_ID:
        raise not_a_ledger(path)
    if version != schema.SCHEMA_VERSION and version not in schema.UPGRADES:
        raise LedgerMismatch(
            f"{path}: this ledger has schema version {version}; this bulkdelete knows up to {schema.SCHEMA_VERSION}. "
            "Use the version of bulkdelete that made it; nothing was sent"
        )


def _make(path: Path) -> None:
    """Make the ledger's file, whole or not at all: beside its place, synced, then moved there.

    It has its write-ahead log from the first moment on: a change to it later would leave a journal behind where it is
    cut off, and whoever may only read cannot undo that.
    """
    new = path.with_name(f"{path.name}.new")
    is_ours = False
    try:
        leavings.remove(path)
        descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        is_ours = True
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
        with closing(sqlite3.connect(new, isolation_level=None)) as connection:
            connection.executescript(
                f"PRAGMA journal_mode=MEMORY; PRAGMA synchronous=FULL; PRAGMA fullfsync=1; BEGIN; {schema.TABLES} "
                f"PRAGMA application_id={schema.APPLICATION_ID}; PRAGMA user_version={schema.SCHEMA_VERSION}; COMMIT; "
                "PRAGMA journal_mode=WAL;"
            )
        new.rename(path)
    except (OSError, sqlite3.Error) as error:
        if is_ours:
            with suppress(OSError):
                new.unlink(missing_ok=True)
        reason = error.strerror if isinstance(error, OSError) else error
        raise LedgerStorageError(f"{path}: the ledger cannot be made: {reason}. Nothing was sent") from None
    _sync_folder(path.parent)


def _prepare(connection: sqlite3.Connection, path: Path, synchronous: str) -> None:
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise LedgerStorageError(
            f"{path}: this file system cannot hold a ledger (SQLite's write-ahead log does not work on it, as on most "
            "network file systems). Nothing was sent; give a --ledger on a local disk"
        )
    for pragma in (f"synchronous={synchronous}", *_PRAGMAS):
        connection.execute(f"PRAGMA {pragma}")
    if is_soon_checked(path) or runs.last_has_no_end(connection):
        check_whole(connection, path)


def is_soon_checked(path: Path) -> bool:
    """Return whether the file at *path* is so small that :func:`check_whole` takes no time."""
    return path.stat().st_size <= _SOON_CHECKED_BYTES


def check_whole(connection: sqlite3.Connection, path: Path) -> None:
    """Raise :class:`LedgerStorageError` where some page of the file is damaged, whether it would be read or not."""
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise unreadable(path, error) from None
    if found != "ok":
        raise damaged(path, found.splitlines()[-1])


def unreadable(path: Path, error: sqlite3.Error, hint: str = "") -> LedgerStorageError:
    """Return what is said where SQLite cannot read the ledger at *path*, with a *hint* where it is not damaged."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return damaged(path, str(error))
    return LedgerStorageError(f"{path}: the ledger cannot be read: {error}{hint}")


@contextmanager
def reading_values(path: Path) -> Iterator[None]:
    """While entered, a value that no ledger holds is damage, as a page is: a changed byte may make it."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise damaged(path, f"a value in it is none that a ledger holds: {error}") from None


def damaged(path: Path, said: str) -> LedgerStorageError:
    """Return what is said of a damaged ledger, and what to do; *said* is what was found."""
    return LedgerStorageError(
        f"{path}: the ledger cannot be read to its end, as it is damaged ({said}). Nothing was sent. Copy it away "
        "before anything else, with its -wal file if there is one; bulkdelete verify says what of it can be read. "
        f"Then remove {path.name}-wal and {path.name}-shm, which belong to this file alone, before a copy from before "
        "the damage takes its place, and go on with that; or with a new ledger: that sends the whole source again, and "
        "does no harm where a record that is gone already may be named once more"
    )


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
