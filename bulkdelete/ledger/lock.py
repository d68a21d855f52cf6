"""One process writes a ledger: a lock file that dies with the process.

``flock`` belongs to the open file, which a process that is forked has open too: it is unlocked before it is closed, and
what is forked closes it at once.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from bulkdelete import beside
from bulkdelete.errors import LedgerLocked, LedgerMismatch, LedgerStorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PATIENCE_SECONDS: Final = 0.5
_PAUSE_SECONDS: Final = 0.02


def lock_path(ledger: Path) -> Path:
    """Return the lock file of *ledger*."""
    return ledger.with_name(ledger.name + beside.LOCK)


class LedgerLock:
    """The right to write *ledger*, held until :meth:`release` or the process's death.

    Raises:
        LedgerLocked: another process holds it; the message names it.
        LedgerMismatch: the file there is somebody else's; it is left as it is.
        LedgerStorageError: the lock file cannot be made, locked or written.

    """

    def __init__(self, ledger: Path) -> None:
        self._descriptor = -1
        _ALL.add(self)
        self._path = lock_path(ledger)
        self._descriptor, self._made = _open(self._path)
        try:
            with _in_words(self._path, "locked"):
                self._acquire(ledger)
                while not _is_at(self._path, self._descriptor):  # whoever had it removed the ledger, and this too
                    self.release()
                    self._descriptor, self._made = _open(self._path)
                    self._acquire(ledger)
        except BaseException:
            self.release()
            raise
        try:
            with _in_words(self._path, "written"):
                _check_ours(self._path, self._descriptor)
                os.ftruncate(self._descriptor, 0)
                os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)
        except BaseException:
            self.withdraw()
            raise

    def release(self) -> None:
        """Let others write; doing so again changes nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            _unlock(descriptor)

    def leave(self) -> None:
        """Close the open file, of which the process that forked this one has the lock still."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def withdraw(self) -> None:
        """Let others write, and leave no lock file behind if there was none before."""
        if self._made and self._descriptor >= 0 and _is_at(self._path, self._descriptor):
            with suppress(OSError):
                self._path.unlink()
        self.release()

    def _acquire(self, ledger: Path) -> None:
        until = time.monotonic() + _PATIENCE_SECONDS  # somebody may be looking at the lock for an instant
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise _locked(ledger, self._descriptor) from None
                time.sleep(_PAUSE_SECONDS)
            else:
                return


_ALL: Final[WeakSet[LedgerLock]] = WeakSet()


def _leave_all() -> None:
    for lock in [*_ALL]:
        lock.leave()


os.register_at_fork(after_in_child=_leave_all)


def _unlock(descriptor: int) -> None:
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    with suppress(OSError):  # it is closed all the same
        os.close(descriptor)


def holder(ledger: Path) -> int | None:
    """Return the id of the process that writes *ledger* now, 0 where it is not known, or ``None``.

    Raises:
        LedgerStorageError: nobody can tell whether one does.

    """
    path = lock_path(ledger)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _written_pid(descriptor) or 0
    except OSError as error:
        raise LedgerStorageError(
            f"{path}: nobody can tell whether a process writes this ledger: its lock file cannot be locked: "
            f"{error.strerror}. The ledger is as it was; look at it on a local disk"
        ) from None
    finally:
        _unlock(descriptor)
    return None


def _open(path: Path) -> tuple[int, bool]:
    """Return the open file at *path*, and whether it was made just now."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    with _in_words(path, "made"):
        while True:
            with suppress(FileExistsError):
                return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600), True
            with suppress(FileNotFoundError):  # it was removed since
                return os.open(path, flags), False


@contextmanager
def _in_words(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerStorageError(
            f"{path}: the ledger's lock file cannot be {what}: {error.strerror}. Nothing was sent, and the ledger is "
            "as it was. Its folder must be one that may be written to, on a local disk, with room for it; then run the "
            "same command again"
        ) from None


def _check_ours(path: Path, descriptor: int) -> None:
    is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
    if not (is_file and beside.is_ours(path.name, os.pread(descriptor, beside.HEAD_BYTES, 0))):
        raise LedgerMismatch(
            f"{path}: the lock of the ledger must lie here, and this file is somebody else's; it is left as it is. "
            "Nothing was sent. Give another --ledger, or move this file away"
        )


def _is_at(path: Path, descriptor: int) -> bool:
    """Return whether the open file is still the one at *path*."""
    try:
        there = path.lstat()
    except OSError:
        return False
    here = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def _locked(ledger: Path, descriptor: int) -> LedgerLocked:
    return LedgerLocked(
        f"{ledger}: process {_written_pid(descriptor) or '?'} is writing this ledger. Nothing was sent; wait for it to "
        "end, or look at it with: bulkdelete status"
    )


def _written_pid(descriptor: int) -> int | None:
    with suppress(ValueError, OSError):
        return int(os.pread(descriptor, 32, 0))
    return None
