"""What fails around a job beside the API: the disk of its ledger, its source, its key. It fails as the outside does.

The disk is what SQLite says of it, the source's file is what the system reads, and a key is what the caller's function
gives.
"""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from contextlib import contextmanager
from functools import partial
from io import FileIO
from typing import TYPE_CHECKING, Any
from unittest import mock

from bulkdelete.errors import CredentialsError, FatalAnswer, LedgerStorageError, SourceChanged, SourceError
from bulkdelete.records import Ended
from bulkdelete.sources import from_iterable, open_source, streams
from tests.simulation import oracle
from tests.simulation.api import KEY, NEW_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bulkdelete.reports import Report
    from bulkdelete.sources import Source
    from tests.simulation.api import Api
    from tests.simulation.oracle import Image
    from tests.simulation.scenario import Failing

BLOCK_BYTES = 70
"""So much of a source is read at a time, three or four rows, so that it may break off in between."""
WRITES = ("INSERT", "UPDATE", "COMMIT", "PRAGMA journal_mode=MEMORY")


class Trouble:
    """Something that fails from :meth:`strike` on, while a run is *around*; where it has, that was *felt*."""

    raises: tuple[type[Exception], ...] = ()
    ends: Ended = Ended.COMPLETE

    def __init__(self, failing: Failing, ledger: Path, file: Path, api: Api) -> None:
        self.failing, self.ledger, self.file, self.api = failing, ledger, file, api
        self.has_struck = False
        self.felt = 0

    def strike(self) -> None:
        self.has_struck = True

    @contextmanager
    def around(self) -> Iterator[None]:
        yield

    def source(self, rows: Sequence[str], *, spooled: bool) -> Source:
        source = from_iterable(list(rows)) if spooled else open_source(self.file)
        source.block_bytes = BLOCK_BYTES
        return source

    async def key(self) -> str:
        return KEY

    def check(self, report: Report | None, raised: BaseException | None, image: Image) -> None:
        """It is told as what it is, with a true report; where it was not felt, or did no harm, the job is done."""
        if raised is not None:
            assert self.felt, f"nothing failed, and the job did: {raised!r}"
            assert isinstance(raised, self.raises), repr(raised)
            assert report is None or report.ended is self.ends, report
        else:
            assert report is not None
            assert report.ended in {Ended.COMPLETE, Ended.WHOLLY_WRONG}, report
            assert report.ended is Ended.WHOLLY_WRONG or not (report.remaining or self.must_be_told), report
        if report is not None:
            self.check_report(report, image)

    @property
    def must_be_told(self) -> bool:
        """Whether a job cannot be complete after it."""
        return bool(self.felt) and not self.failing.once

    def check_report(self, report: Report, image: Image) -> None:
        oracle.check_report(report, image)


class Disk(Trouble):
    """SQLite cannot write, or not even read, or fails to say that it has written."""

    raises = (LedgerStorageError,)
    ends = Ended.STORAGE
    must_be_told = False  # what fails when all is written down does no harm

    @contextmanager
    def around(self) -> Iterator[None]:
        disk = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
                disk.before(sql)
                done = super().execute(sql, *values)
                disk.after(sql)
                return done

            def executemany(self, sql: str, *values: Any) -> sqlite3.Cursor:
                disk.before(sql)
                return super().executemany(sql, *values)

            def executescript(self, sql: str) -> sqlite3.Cursor:
                disk.before(sql)
                return super().executescript(sql)

        with mock.patch("sqlite3.connect", partial(sqlite3.connect, factory=Connection)):
            yield

    def before(self, sql: str) -> None:
        what = self.failing.what
        if (what == "full disk" and sql.startswith(WRITES)) or (what == "broken disk" and sql != "ROLLBACK"):
            self._fail()

    def after(self, sql: str) -> None:
        if self.failing.what == "disk that forgets to say so" and sql == "COMMIT":
            self._fail()

    def _fail(self) -> None:
        if not self.has_struck or (self.failing.once and self.felt):
            return
        self.felt += 1
        error = sqlite3.OperationalError(self.said)
        error.sqlite_errorcode = sqlite3.SQLITE_FULL if self.failing.what == "full disk" else sqlite3.SQLITE_IOERR
        raise error

    @property
    def said(self) -> str:
        return "database or disk is full" if self.failing.what == "full disk" else "disk I/O error"

    def check(self, report: Report | None, raised: BaseException | None, image: Image) -> None:
        super().check(report, raised, image)
        assert raised is None or self.said in str(raised), repr(raised)

    def check_report(self, report: Report, image: Image) -> None:
        """Where the ledger could not be counted, the report claims no more than is in it."""
        if not (self.felt and report.ended in {Ended.STORAGE, Ended.WHOLLY_WRONG}):
            oracle.check_report(report, image)
            return
        assert report.balanced, f"the fates do not add up: {report}"
        for fate in ("acknowledged", "rejected"):
            reported, found = getattr(report, fate), image.fates.count(fate)
            is_true = reported <= found if self.failing.what == "disk that forgets to say so" else reported == found
            assert is_true, f"{fate}: {reported} reported, {found} in the ledger"
        for fate in ("invalid", "held", "duplicate"):
            reported, found = getattr(report, fate), image.fates.count(fate)
            is_true = reported == found if report.rows == len(image.fates) else reported >= found
            assert is_true, f"{fate}: {reported} reported, {found} in the ledger"


class BrokenSource(Trouble):
    """The system cannot read the source's file, or the caller's iterable raises."""

    raises = (SourceError,)
    ends = Ended.SOURCE_BROKEN

    @contextmanager
    def around(self) -> Iterator[None]:
        trouble = self

        class File(FileIO):
            def read(self, size: int = -1) -> bytes | None:
                trouble.read()
                return super().read(size)

        with mock.patch.object(streams, "FileIO", File):
            yield

    def read(self) -> None:
        if self.has_struck and not (self.failing.once and self.felt):
            self.felt += 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def source(self, rows: Sequence[str], *, spooled: bool) -> Source:
        return from_iterable(self._rows(rows)) if spooled else super().source(rows, spooled=spooled)

    def _rows(self, rows: Sequence[str]) -> Iterator[str]:
        for row in rows:
            self.read()
            yield row


class ChangedSource(Trouble):
    """Somebody writes to the source's file, once the job has looked at it."""

    raises = (SourceChanged,)
    ends = Ended.SOURCE_CHANGED
    must_be_told = False  # where it was read to its end before

    @contextmanager
    def around(self) -> Iterator[None]:
        before = self.file.read_text()
        try:
            yield
        finally:
            self.file.write_text(before)

    def strike(self) -> None:
        if self.has_struck or not self.ledger.exists():
            return
        self.has_struck, self.felt = True, 1
        text = self.file.read_text()
        self.file.write_text(f"{text}9{text[1:]}" if self.failing.once else text[: len(text) // 2])


class Key(Trouble):
    """The caller's function has no key, or the API refuses the one that it gave, and it gives the same or another."""

    raises = (CredentialsError, FatalAnswer)
    ends = Ended.FATAL_ANSWER

    def strike(self) -> None:
        self.has_struck = True
        if self.failing.what != "no key":
            self.api.refused_key = KEY

    async def key(self) -> str:
        await asyncio.sleep(0.0 if self.failing.once else 0.3)
        what = self.failing.what
        if what == "no key" or (what == "key that is gone" and self.api.refused_key):
            self.felt += 1
            raise OSError(f"no key, where there was {KEY}")
        return NEW_KEY if what == "another key" and self.api.refused_key else KEY

    @property
    def must_be_told(self) -> bool:
        return bool(self.felt) and self.failing.what != "another key"

    def check(self, report: Report | None, raised: BaseException | None, image: Image) -> None:
        if self.failing.what in {"refused key", "another key"}:
            self.felt = self.api.refused_keys
        assert raised is None or self.failing.what != "another key", repr(raised)
        super().check(report, raised, image)
        if self.failing.what == "no key" and raised is not None:
            assert "Nothing was sent" in str(raised), repr(raised)
            assert not self.api.sent_now
        if isinstance(raised, FatalAnswer):
            assert self.failing.what == "refused key", repr(raised)


KINDS: dict[str, type[Trouble]] = {
    "full disk": Disk,
    "broken disk": Disk,
    "disk that forgets to say so": Disk,
    "broken source": BrokenSource,
    "changed source": ChangedSource,
    "no key": Key,
    "key that is gone": Key,
    "refused key": Key,
    "another key": Key,
}
