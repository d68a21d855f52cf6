"""Where a ledger's files lie: under one name only, and there until its job has ended."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from bulkdelete.errors import LedgerStorageError
from bulkdelete.ledger.lock import lock_path

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


class Place:
    """The files of the ledger at *path*, which is open: its own *file*, its log and its lock, each known again.

    SQLite goes on writing to a file that was removed or moved away, and says nothing.
    """

    def __init__(self, path: Path, file: Path) -> None:
        self._path = path
        self._file = os.fspath(file)
        names = self._file, f"{file}-wal", os.fspath(lock_path(file))
        self._found = [(name, _identity(name)) for name in names]
        self.lost: LedgerStorageError | None = None
        """What is said, once one of them was not there."""

    def check(self) -> None:
        """Raise :class:`LedgerStorageError` where one of the files is gone, or another."""
        for name, found in self._found:
            if found is None or _identity(name) != found:
                self.lost = self._said_of(name)
                raise self.lost

    def _said_of(self, name: str) -> LedgerStorageError:
        if name == self._file:
            return LedgerStorageError(
                f"{self._path}: the ledger was removed or replaced while the job ran: what was sent after that is not "
                "recorded there. Nothing more was sent. If it was moved away, move all its files back, and run the "
                "same command again; a copy of it, or a new ledger, sends again what it does not hold, and knows "
                "nothing of what was spent of a quota"
            )
        return LedgerStorageError(
            f"{self._path}: {os.path.basename(name)} was removed or replaced while the job ran, and the ledger is not "  # noqa: PTH119 - no Path is needed
            "safe without it: a second process could write it, or a kill lose what it holds. Nothing more was sent. "
            "Leave the ledger's files alone while a job runs, and run the same command again"
        )


def _identity(name: str) -> tuple[int, int] | None:
    try:
        found = os.stat(name)  # noqa: PTH116 - for every commit
    except OSError:
        return None
    return found.st_ino, found.st_dev
