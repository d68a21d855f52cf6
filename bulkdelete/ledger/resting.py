"""Reading a ledger that nobody writes, and leaving nothing beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from bulkdelete.errors import LedgerError
from bulkdelete.ledger.reading import read_ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bulkdelete.ledger.reading import LedgerReader

T = TypeVar("T")


def without_a_trace(path: Path, look: Callable[[LedgerReader], T]) -> T:
    """Return what *look* finds in the ledger at *path*, which may be written meanwhile.

    SQLite leaves two files beside a ledger that it opens; where nobody writes it, they are done without. That nobody
    did is seen by its own file and its log, before and after; else it is read once more.

    Raises:
        LedgerMismatch: there is no file, it is no ledger, or it is one of another version.
        LedgerStorageError: it cannot be read.

    """
    before = _at_rest(path)
    if before is not None:
        try:
            with read_ledger(path, at_rest=True) as reader:
                found = look(reader)
        except LedgerError:
            if _at_rest(path) == before:
                raise
        else:
            if _at_rest(path) == before:
                return found
    with read_ledger(path) as reader:
        return look(reader)


def log_of(path: Path) -> tuple[int, float]:
    """Return how many bytes are in the write-ahead log of the ledger at *path*, and the Unix time they are of."""
    try:
        found = path.with_name(f"{path.name}-wal").stat()
    except OSError:
        return 0, 0.0
    return found.st_size, found.st_mtime if found.st_size else 0.0


def _at_rest(path: Path) -> tuple[int, ...] | None:
    """Return what tells the file from what a writer would make of it; ``None`` where its log holds something."""
    try:
        real = path.resolve()
        found = real.stat()
    except (OSError, RuntimeError):
        return None
    return None if log_of(real)[0] else (found.st_ino, found.st_size, found.st_mtime_ns)
