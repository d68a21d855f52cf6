"""Telling a SQLite database, a ledger above all, and what lies beside one, from a list of records."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from bulkdelete import beside

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def is_database(path: Path) -> bool:
    """Return whether the regular file at *path* is a SQLite database; raise ``OSError`` where it cannot be read."""
    head = _head(path)
    return head.startswith(beside.DATABASE) and len(head) == beside.HEAD_BYTES


def ledgers_among(paths: Iterable[Path]) -> set[str]:
    """Return the names of ledgers among *paths*, and of what lies beside one."""
    return {path.name + ending for path in paths if _is_ledger(path) for ending in ("", *beside.ENDINGS)}


def is_named_as_beside_a_ledger(name: str) -> bool:
    """Return whether *name* ends as those files do that lie beside a ledger."""
    return name.endswith(beside.ENDINGS)


def is_left_by_us(path: Path) -> bool:
    """Return whether *path*, by its name and by what it holds, was written beside a ledger, which may be gone.

    Of a copy of records, only the ledger or its lock can tell that.
    """
    with suppress(OSError):
        return _is_left_by_us(path)
    return False


def _is_left_by_us(path: Path) -> bool:
    of_ledger = next((path.name.removesuffix(ending) for ending in beside.COPIES if path.name.endswith(ending)), "")
    if of_ledger:
        lock = path.with_name(of_ledger + beside.LOCK)
        return _is_ledger(path.with_name(of_ledger)) or (lock.is_file() and _is_left_by_us(lock))
    return path.is_file() and beside.is_ours(path.name, _head(path))


def _is_ledger(path: Path) -> bool:
    with suppress(OSError):
        return path.is_file() and beside.is_ledger(_head(path))
    return False


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(beside.HEAD_BYTES)
