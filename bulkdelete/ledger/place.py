"""Where a ledger's file lies: under one name only."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from bulkdelete.errors import LedgerStorageError

_MOUNTS: Final = Path("/proc/self/mountinfo")
_MOUNT_POINT: Final = 4
_OCTAL: Final = re.compile(rb"\\([0-7]{3})")


def check_only_name(path: Path) -> None:
    """Raise :class:`LedgerStorageError` where the ledger has a second name, which a lock by name cannot hold.

    The files that lie beside the name of a mounted file are not those beside the file itself; where there is no
    ``/proc``, nobody knows what is mounted.
    """
    if _is_mount_point(path):
        raise LedgerStorageError(
            f"{path}: this ledger is mounted here by itself, without its lock and its log, which lie beside the file: "
            "a second process could write it, and a kill would lose what was acknowledged. Nothing was sent, and the "
            "ledger is as it was. Mount its folder instead"
        )
    with suppress(FileNotFoundError):
        if path.stat().st_nlink > 1:
            raise LedgerStorageError(
                f"{path}: this ledger has another name too (a hard link), by which a second process could write it. "
                "Nothing was sent, and the ledger is as it was. Remove the other name, or copy the file away instead"
            )


def _is_mount_point(path: Path) -> bool:
    try:
        lines = _MOUNTS.read_bytes().split(b"\n")
    except OSError:
        return False
    points = (fields[_MOUNT_POINT] for line in lines if len(fields := line.split(b" ")) > _MOUNT_POINT)
    return os.fsencode(path) in (_OCTAL.sub(_byte, point) for point in points)


def _byte(octal: re.Match[bytes]) -> bytes:
    return bytes((int(octal[1], 8),))
