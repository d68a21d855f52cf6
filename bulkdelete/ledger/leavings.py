"""What SQLite, or a creation that was cut off, has left where a ledger is to be made; what is not so stays."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from bulkdelete import beside
from bulkdelete.errors import LedgerMismatch

if TYPE_CHECKING:
    from pathlib import Path

_LEFT: Final = (beside.NEW, f"{beside.NEW}-wal", f"{beside.NEW}-shm", "-wal", "-shm")


def remove(ledger: Path) -> None:
    """Remove what is left where *ledger* is to be made, also the log of one that was removed.

    SQLite would read that into the new one.

    Raises:
        LedgerMismatch: a file there is somebody else's; all are left as they are.
        OSError: they cannot be read, or removed.

    """
    left = (ledger.with_name(ledger.name + ending) for ending in _LEFT)
    there = [path for path in left if os.path.lexists(path)]
    for path in there:
        if not (stat.S_ISREG(path.lstat().st_mode) and beside.is_ours(path.name, _head(path))):
            raise LedgerMismatch(
                f"{path}: a file that bulkdelete needs while it makes the ledger must lie here, and this one is "
                "somebody else's; it is left as it is. Nothing was sent. Give another --ledger, or move this file away"
            )
    for path in there:
        path.unlink(missing_ok=True)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(beside.HEAD_BYTES)
