"""Telling a SQLite database, a ledger above all, and what lies beside one, from a list of records."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MAGIC: Final = b"SQLite format 3\0"
_SMALLEST_BYTES: Final = 512
_LEDGER: Final = slice(68, 72)
_OUR_MARK: Final = b"bulk"  # where SQLite keeps the application id
_COPIES: Final = (".spool", ".spool.new", ".spool.partial", ".spool.new.partial")
_BESIDE_A_LEDGER: Final = ("-wal", "-shm", "-journal", ".lock", ".new", *_COPIES)
_CONTENTS: Final = {
    ".lock": re.compile(rb"[0-9\0]{0,10}"),  # a process id
    ".new": re.compile(rb"(SQLite format 3\0(.{52}bulk.*|.{0,51})|\0*)", re.DOTALL),
    "-wal": re.compile(rb"(\x37\x7f\x06[\x82\x83].*|\0*)", re.DOTALL),
    "-shm": re.compile(rb"((\x18\xe2\x2d\0|\0\x2d\xe2\x18|\0{4}).*)?", re.DOTALL),
    "-journal": re.compile(rb"((\xd9\xd5\x05\xf9|\0{4}).*)?", re.DOTALL),
}
"""How a file begins that bulkdelete, or SQLite for it, has written; a copy of records may begin with anything."""


def is_database(path: Path) -> bool:
    """Return whether the regular file at *path* is a SQLite database; raise ``OSError`` where it cannot be read."""
    head = _head(path)
    return head.startswith(_MAGIC) and len(head) == _SMALLEST_BYTES


def ledgers_among(paths: Iterable[Path]) -> set[str]:
    """Return the names of ledgers among *paths*, and of what lies beside one."""
    return {path.name + ending for path in paths if _is_ledger(path) for ending in ("", *_BESIDE_A_LEDGER)}


def is_named_as_beside_a_ledger(name: str) -> bool:
    """Return whether *name* ends as those files do that lie beside a ledger."""
    return name.endswith(_BESIDE_A_LEDGER)


def is_left_by_us(path: Path) -> bool:
    """Return whether *path*, by its name and by what it holds, was written beside a ledger, which may be gone.

    Of a copy of records, only the ledger or its lock can tell that.
    """
    with suppress(OSError):
        return _is_left_by_us(path)
    return False


def _is_left_by_us(path: Path) -> bool:
    of_ledger = next((path.name.removesuffix(ending) for ending in _COPIES if path.name.endswith(ending)), "")
    if of_ledger:
        lock = path.with_name(f"{of_ledger}.lock")
        return _is_ledger(path.with_name(of_ledger)) or (lock.is_file() and _is_left_by_us(lock))
    ending = next((one for one in _CONTENTS if path.name.endswith(one)), None)
    return ending is not None and path.is_file() and _CONTENTS[ending].fullmatch(_head(path)) is not None


def _is_ledger(path: Path) -> bool:
    with suppress(OSError):
        return path.is_file() and (head := _head(path)).startswith(_MAGIC) and head[_LEDGER] == _OUR_MARK
    return False


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_SMALLEST_BYTES)
