"""What the ledger writes, recorded below SQLite: every write, truncation, sync, and change of a name, in their order.

So is what the product writes beside the ledger itself, by calls of the system.

The ledger's code, pragmas and writer thread are the product's own. What differs from a run of the command: the
standard library's SQLite cannot be given a VFS, so that ``sqlite3.connect`` gives apsw's connection here, with what the
ledger uses of the standard library's, and with the SQLite that apsw brings, which is another version. What is cut is
read by the standard library's SQLite again.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import apsw

from tests.powercuts.disk import Disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.powercuts.disk import Event

_NUMBERS: Final = count(1)
_LOGS: Final = ("-wal", "-journal")
"""What SQLite syncs the folder for when it first syncs such a file."""
_TO_WRITE: Final = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
_NOT_ON_DISK: Final = ("-shm", ".lock")


class Recorder(apsw.VFS):
    """A VFS that does as the system's does, and keeps what was done in one folder."""

    def __init__(self, folder: Path) -> None:
        self.name = f"recorder {next(_NUMBERS)}"
        self.folder = folder
        self.begun_with = files_of(folder)
        self.events: list[Event] = []
        self.known = set(self.begun_with)
        self.unsynced_names: set[str] = set()
        super().__init__(self.name, "")

    def xOpen(self, name: Any, flags: list[int]) -> RecordedFile:  # noqa: N802 - SQLite's name
        return RecordedFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802, FBT001 - SQLite's name
        super().xDelete(filename, syncdir)
        self.removed(filename)
        if syncdir:
            self.note("sync_folder")

    def note(self, *event: Any) -> None:
        self.events.append(event)

    def opened(self, name: str) -> None:
        if name not in self.known:
            self.known.add(name)
            self.unsynced_names.add(name)
            self.note("create", name)

    def synced(self, name: str) -> None:
        self.note("sync", name)
        if name in self.unsynced_names and name.endswith(_LOGS):
            self.note("sync_folder")
        self.unsynced_names.discard(name)

    def removed(self, path: str | os.PathLike[str], *_: object) -> None:
        if self._is_here(path):
            self.known.discard(Path(path).name)
            self.note("remove", Path(path).name)

    def renamed(self, old: str | os.PathLike[str], new: str | os.PathLike[str]) -> None:
        if self._is_here(old):
            self.known.discard(Path(old).name)
            self.known.add(Path(new).name)
            self.note("rename", Path(old).name, Path(new).name)

    def made(self, path: str | os.PathLike[str], flags: int, *_: object, **__: object) -> None:
        if flags & os.O_CREAT and Path(path).parent == self.folder and not str(path).endswith(_NOT_ON_DISK):
            self.opened(Path(path).name)

    def written(self, descriptor: int, data: bytes) -> None:
        if self._is_here(path := _path_of(descriptor)):
            self.note("write", path.name, os.lseek(descriptor, 0, os.SEEK_CUR), bytes(data))

    def synced_by(self, descriptor: int) -> None:
        if os.path.samestat(os.fstat(descriptor), self.folder.stat()):
            self.note("sync_folder")
        elif self._is_here(path := _path_of(descriptor)):
            self.synced(path.name)

    def _is_here(self, path: str | os.PathLike[str]) -> bool:
        return Path(path).parent == self.folder and Path(path).name in self.known


class RecordedFile(apsw.VFSFile):
    """A file that notes what is written before it is."""

    def __init__(self, recorder: Recorder, name: Any, flags: list[int]) -> None:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._recorder, self._name = recorder, Path(path).name
        super().__init__("", name, flags)
        recorder.opened(self._name)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._recorder.note("write", self._name, offset, bytes(data))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        self._recorder.note("truncate", self._name, newsize)
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        super().xSync(flags)
        self._recorder.synced(self._name)


class _Result:
    """The rows of a statement, all of them fetched, and what it changed."""

    def __init__(self, rows: list[Any], connection: apsw.Connection) -> None:
        self._rows = iter(rows)
        self.rowcount = connection.changes()
        self.lastrowid = connection.last_insert_rowid()

    def __iter__(self) -> Iterator[Any]:
        return self._rows

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def fetchmany(self, size: int) -> list[Any]:
        return [row for _, row in zip(range(size), self._rows, strict=False)]


class Connection:
    """What the ledger uses of :class:`sqlite3.Connection`; an error is apsw's, and ends the recording."""

    text_factory: Any = str

    def __init__(self, recorder: Recorder, database: str | Path, *, uri: bool = False, **_: object) -> None:
        """Open it through *recorder*; what the ledger names by a URI, it opens only to read."""
        how = apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_READONLY if uri else _TO_WRITE
        self._connection = apsw.Connection(str(database), flags=how, vfs=None if uri else recorder.name)

    def execute(self, sql: str, values: tuple[Any, ...] = ()) -> _Result:
        return _Result(self._connection.execute(sql, values).fetchall(), self._connection)

    def executemany(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        self._connection.executemany(sql, rows)

    def executescript(self, sql: str) -> None:
        self._connection.execute(sql).fetchall()

    def close(self) -> None:
        self._connection.close()


@contextmanager
def recorded(folder: Path) -> Iterator[Recorder]:
    """Record what the ledger writes in *folder*; at the end, no byte of its files is without its record."""
    recorder = Recorder(folder)
    connecting = mock.patch.object(sqlite3, "connect", lambda path, **more: Connection(recorder, path, **more))
    with (
        connecting,
        _watched("rename", recorder.renamed),
        _watched("replace", recorder.renamed),
        _watched("unlink", recorder.removed, first=True),
        _watched("open", recorder.made, first=True),
        _watched("write", recorder.written, first=True),
        _watched("fsync", recorder.synced_by),
    ):
        yield recorder
    disk = Disk(recorder.begun_with)
    for event in recorder.events:
        disk.do(event)
    assert disk.without_cut() == files_of(folder), "the record does not account for what the files hold"


@contextmanager
def _watched(name: str, then: Callable[..., None], *, first: bool = False) -> Iterator[None]:
    """Tell *then* of every call of the system's *name*, afterwards or *first*."""
    real = getattr(os, name)

    def watched(*given: Any, **more: Any) -> Any:
        if first:
            then(*given)
        done = real(*given, **more)
        if not first:
            then(*given)
        return done

    with mock.patch.object(os, name, watched):
        yield


def _path_of(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}").readlink()


def files_of(folder: Path) -> dict[str, bytes]:
    """Return what a disk would hold of *folder*."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.endswith(_NOT_ON_DISK)}
