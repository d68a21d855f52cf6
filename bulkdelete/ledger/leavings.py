"""What SQLite, or a creation that was cut off, has left where a ledger is to be made; what is not so stays."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING, Final

from bulkdelete.errors import LedgerMismatch

if TYPE_CHECKING:
    from pathlib import Path

_HEAD_BYTES: Final = 72
_LOG: Final = re.compile(rb"(\x37\x7f\x06[\x82\x83].*|\0*)", re.DOTALL)
_INDEX: Final = re.compile(rb"(\x18\xe2\x2d\0.*|\0\x2d\xe2\x18.*|\0{4}.*|\0*)", re.DOTALL)
_NEW: Final = re.compile(rb"(SQLite format 3\0(.{52}bulk|.{0,51})|\0*)", re.DOTALL)
_LEFT: Final = {".new": _NEW, ".new-wal": _LOG, ".new-shm": _INDEX, "-wal": _LOG, "-shm": _INDEX}
"""How each begins; zeros: a size may survive a power cut without what was written there."""


def remove(ledger: Path) -> None:
    """Remove what is left where *ledger* is to be made, also the log of one that was removed.

    SQLite would read that into the new one.

    Raises:
        LedgerMismatch: a file there is somebody else's; all are left as they are.
        OSError: they cannot be read, or removed.

    """
    left = {ledger.with_name(ledger.name + ending): ours for ending, ours in _LEFT.items()}
    there = [path for path in left if os.path.lexists(path)]
    for path in there:
        if not (stat.S_ISREG(path.lstat().st_mode) and left[path].fullmatch(_head(path))):
            raise LedgerMismatch(
                f"{path}: a file that bulkdelete needs while it makes the ledger must lie here, and this one is "
                "somebody else's; it is left as it is. Nothing was sent. Give another --ledger, or move this file away"
            )
    for path in there:
        path.unlink(missing_ok=True)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)
