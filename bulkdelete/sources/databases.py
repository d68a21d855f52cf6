"""Telling a SQLite database, a ledger above all, from a list of records: nobody means to read one as text."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MAGIC: Final = b"SQLite format 3\0"
_SMALLEST_BYTES: Final = 512
_LEDGER: Final = slice(68, 72)
_OUR_MARK: Final = b"bulk"  # where SQLite keeps the application id
_BESIDE_A_LEDGER: Final = (
    *("", "-wal", "-shm", "-journal", ".lock", ".new"),
    *(".spool", ".spool.new", ".spool.partial", ".spool.new.partial"),
)


def is_database(path: Path) -> bool:
    """Return whether the regular file at *path* is a SQLite database; raise ``OSError`` where it cannot be read."""
    head = _head(path)
    return head.startswith(_MAGIC) and len(head) == _SMALLEST_BYTES


def ledgers_among(paths: Iterable[Path]) -> set[str]:
    """Return the names of ledgers among *paths*, and of what lies beside one."""
    names: set[str] = set()
    for path in paths:
        with suppress(OSError):
            if path.is_file() and (head := _head(path)).startswith(_MAGIC) and head[_LEDGER] == _OUR_MARK:
                names.update(path.name + ending for ending in _BESIDE_A_LEDGER)
    return names


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_SMALLEST_BYTES)
