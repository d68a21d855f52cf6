"""Removing a ledger, so that whatever is left of it after a crash is the whole ledger, or none."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from bulkdelete.errors import LedgerStorageError
from bulkdelete.ledger import opening
from bulkdelete.ledger.lock import LedgerLock, lock_path
from bulkdelete.ledger.reading import LedgerReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


def remove(
    path: Path, beside: Callable[[LedgerReader], Iterable[Path]], may_go: Callable[[LedgerReader], bool]
) -> bool:
    """Remove the ledger at *path*, and the files that *beside* calls its own; return whether that was done.

    It stays where *may_go*, which is asked while nobody else can write it, does not allow that, or where somebody reads
    its log just now. All that it holds is first brought into its own file, which goes after every other but the lock:
    what a crash leaves is the ledger as it was, or names that the next ledger at *path* takes.

    Raises:
        LedgerLocked: a process writes it.
        LedgerMismatch: there is no ledger.
        LedgerStorageError: it cannot be read, or its files cannot be removed.

    """
    lock = LedgerLock(path)
    try:
        with closing(opening.connect(path, "full", make=False)) as connection:
            reader = LedgerReader(path, connection)
            own = (*beside(reader),)
            if not may_go(reader) or not _brought_in(connection, path):
                return False
        log = (path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-shm"))
        for file in (*own, *log, path, lock_path(path)):
            file.unlink(missing_ok=True)
    except OSError as error:
        raise LedgerStorageError(f"{path}: the ledger cannot be removed: {error.strerror}; it is as it was") from None
    finally:
        lock.withdraw()  # another may have removed the ledger since, and its lock with it
    return True


def _brought_in(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether the write-ahead log is empty now, and all that it held on disk in the ledger's own file."""
    try:
        connection.execute("PRAGMA busy_timeout=200")
        (is_busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        raise opening.unreadable(path, error) from None
    return not is_busy
