"""Looking at a ledger, also while its job runs; nothing here writes."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from contextlib import contextmanager, suppress
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bulkdelete.errors import LedgerMismatch, LedgerStorageError
from bulkdelete.ledger import checking, events, opening, ranges, runs, schema, sealing, texts, totals, writes
from bulkdelete.ledger.lock import holder
from bulkdelete.records import Fate, StoredRange

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Self

    from bulkdelete.ledger.findings import Findings
    from bulkdelete.ledger.totals import Totals
    from bulkdelete.records import RowFate

_A_PAGE: Final = 1000
_FAILURES: Final = f"SELECT * FROM row WHERE row > ? ORDER BY row LIMIT {_A_PAGE}"  # noqa: S608 - a constant
_RANGES: Final = (
    f"SELECT first_row, end_row, records, digest FROM batch WHERE first_row > ? ORDER BY first_row LIMIT {_A_PAGE}"  # noqa: S608 - a constant
)
_OPEN_RANGES: Final = (
    f"SELECT code, message, request_id, {ranges.COLUMNS} FROM batch "  # noqa: S608 - a constant
    f"WHERE state IN (0, 3, 4) AND first_row >= ? ORDER BY first_row LIMIT {_A_PAGE}"
)
_STATE: Final = ranges.COLUMNS.split(", ").index("state")


_IS_NONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP})
"""What is said of a name at which there is no file."""


class Left(NamedTuple):
    """A range with rows left, their fate (unresolved or pending), and the last answer to a request that held some."""

    stored: StoredRange
    fate: Fate
    code: int | None
    message: str
    request_id: str


class LedgerReader:
    """A ledger open for reading; every query is short, so that the job's checkpoints are not held up.

    Raises:
        LedgerStorageError: any of its methods, where the file cannot be read any more.

    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    @property
    def facts(self) -> dict[str, str]:
        """The facts of the job, its identity under ``identity.*``."""
        with self._at_one_moment() as connection:
            return writes.facts(connection)

    @property
    def size_bytes(self) -> int:
        """The size of the ledger's files."""
        files = (self.path.with_name(self.path.name + suffix) for suffix in ("", "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def totals(self) -> Totals:
        """Count rows by fate."""
        with self._at_one_moment() as connection:
            return totals.count(connection)

    def runs(self) -> list[runs.RunRow]:
        """Return the runs, the last one first."""
        with self._at_one_moment() as connection:
            return runs.read(connection)

    def events(self) -> list[events.Event]:
        """Return what was decided, and what each run began with, in the order of its happening."""
        with self._at_one_moment() as connection:
            return events.read(connection)

    def content_digest(self) -> str:
        """Return ``sha256:<hex>`` of all that the ledger holds."""
        with self._at_one_moment() as connection:
            return sealing.content_digest(connection)

    def check(self) -> Findings:
        """Return what does not hold in the ledger, all of it seen at one moment."""
        with self._at_one_moment() as connection:
            return checking.check(connection)

    def check_whole(self) -> None:
        """Raise :class:`LedgerStorageError` where a page of the file is damaged, also one that nobody would read."""
        with self._at_one_moment() as connection:
            opening.check_whole(connection, self.path)

    def check_if_small(self) -> None:
        """Do the same where that takes no time; what is damaged may be no number or text any more."""
        if opening.is_soon_checked(self.path):
            self.check_whole()

    def reading_values(self) -> AbstractContextManager[None]:
        """While entered, a value that no ledger holds raises :class:`LedgerStorageError`."""
        return opening.reading_values(self.path)

    def ranges(self) -> Iterator[StoredRange]:
        """Yield every range in the order of its first row, without its parts."""
        after = -(2**63)
        while page := self._ranges_after(after):
            yield from page
            after = self._onward(after, page[-1].first_row)

    def running(self) -> int | None:
        """Return the id of the process that writes the ledger now, 0 where it is not known, or ``None``.

        Raises:
            LedgerStorageError: nobody can tell whether one does.

        """
        return holder(self.path)

    def failures(self) -> Iterator[RowFate]:
        """Yield every row that was set aside (invalid, held, duplicate) or rejected, in row order."""
        after = -1
        while page := self._failures_after(after):
            yield from page
            after = self._onward(after, page[-1].row)

    def readable_failures(self) -> Iterator[RowFate]:
        """Yield the same of a ledger that may be damaged, without those that cannot be read."""
        after = -(2**63)
        while page := self._rows_after(after):
            for columns in page:
                with suppress(ValueError, TypeError, AttributeError):
                    yield texts.from_row(columns)
            after = self._onward(after, page[-1][0])

    def open_ranges(self) -> Iterator[Left]:
        """Yield every range with rows left, with what came of them so far."""
        first_row = 0
        while page := self._open_ranges_from(first_row):
            yield from page
            first_row = self._onward(first_row, page[-1].stored.end_row)

    def _onward(self, before: int, after: int) -> int:
        """Return *after*, where the next page begins; raise where a damaged one would be read again and again."""
        if after <= before:
            raise opening.damaged(self.path, f"what stands before row {before} comes after it again")
        return after

    def _ranges_after(self, row: int) -> list[StoredRange]:
        with self._at_one_moment() as connection:
            return [
                StoredRange(index(first_row), index(end_row), index(records), digest, finished=True)
                for first_row, end_row, records, digest in connection.execute(_RANGES, (row,))
            ]

    def _failures_after(self, row: int) -> list[RowFate]:
        with self.reading_values():
            return [texts.from_row(columns) for columns in self._rows_after(row)]

    def _rows_after(self, row: int) -> list[tuple[Any, ...]]:
        with self._at_one_moment() as connection:
            return connection.execute(_FAILURES, (row,)).fetchall()

    def _open_ranges_from(self, first_row: int) -> list[Left]:
        with self._at_one_moment() as connection:
            return [
                Left(
                    ranges.stored_range(connection, columns),
                    Fate.PENDING if columns[_STATE] == schema.PENDING else Fate.UNRESOLVED,
                    code,
                    texts.given(message or ""),
                    texts.given(request_id or ""),
                )
                for code, message, request_id, *columns in connection.execute(_OPEN_RANGES, (first_row,)).fetchall()
            ]

    @contextmanager
    def _at_one_moment(self) -> Iterator[sqlite3.Connection]:
        """Read in one short transaction: whatever is written meanwhile, the numbers fit together."""
        try:
            self._connection.execute("BEGIN")
            try:
                with self.reading_values():
                    yield self._connection
            finally:
                self._connection.execute("ROLLBACK")  # a COMMIT fails where a damaged page was read before
        except sqlite3.Error as error:
            raise opening.unreadable(self.path, error) from None


def read_ledger(path: str | os.PathLike[str], *, at_rest: bool = False) -> LedgerReader:
    """Open the ledger at *path* for reading, also while a job writes it; one *at_rest* is written by nobody.

    Raises:
        LedgerMismatch: there is no file, it is no ledger, or it is one of another version.
        LedgerStorageError: it cannot be read.

    """
    path = Path(path)
    if not _is_file(path):
        raise LedgerMismatch(f"{path}: there is no ledger here")
    file = Path(os.path.realpath(path))
    return LedgerReader(file, opening.connect_to_read(file, at_rest=at_rest))


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except ValueError:  # no file can have this name
        return False
    except OSError as error:
        if error.errno in _IS_NONE:
            return False
        raise LedgerStorageError(f"{path}: the ledger cannot be looked at: {error.strerror}") from None
