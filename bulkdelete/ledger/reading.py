"""Looking at a ledger, also while its job runs; nothing here writes."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.errors import LedgerMismatch, LedgerStorageError
from bulkdelete.ledger import opening, schema, texts, totals
from bulkdelete.ledger.durable import stored_range
from bulkdelete.ledger.lock import holder
from bulkdelete.records import Fate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from bulkdelete.ledger.totals import Totals
    from bulkdelete.records import RowFate, StoredRange

_ROWS_A_PAGE: Final = 5000
_RUNS: Final = (
    "SELECT id, started_ms, ended_ms, ended, reason, pid, host, user, version, requests, retries FROM run "
    "ORDER BY id DESC"
)
_OPEN_RANGES: Final = (
    "SELECT first_row, end_row, records, digest, state, ambiguous, invalid + held + duplicate, code, message "
    "FROM batch WHERE state IN (0, 3, 4) AND first_row >= ? ORDER BY first_row LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run of a job; times are Unix milliseconds, and ``None`` where the run did not end by itself."""

    id: int
    started_ms: int
    ended_ms: int | None
    ended: str | None
    reason: str | None
    pid: int
    host: str
    user: str
    version: str
    requests: int | None
    retries: int | None


class LedgerReader:
    """A ledger open for reading; every query is short, so that the job's checkpoints are not held up."""

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
        return dict(self._connection.execute("SELECT key, value FROM job"))

    @property
    def size_bytes(self) -> int:
        """The size of the ledger's files."""
        files = (self.path.with_name(self.path.name + suffix) for suffix in ("", "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def totals(self) -> Totals:
        """Count rows by fate."""
        return totals.count(self._connection)

    def runs(self) -> list[RunRow]:
        """Return the runs, the last one first."""
        return [RunRow(*columns) for columns in self._connection.execute(_RUNS)]

    def running(self) -> int | None:
        """Return the id of the process that writes the ledger now, or ``None``."""
        return holder(self.path)

    def failures(self) -> Iterator[RowFate]:
        """Yield every row that was set aside or rejected, in row order."""
        after = -1
        while page := self._page("SELECT * FROM row WHERE row > ? ORDER BY row LIMIT ?", after):
            yield from map(texts.from_row, page)
            after = page[-1][0]

    def open_ranges(self) -> Iterator[tuple[StoredRange, Fate, int | None, str]]:
        """Yield every range with rows left, with their fate (unresolved or pending), code and message."""
        first_row = 0
        while page := self._page(_OPEN_RANGES, first_row):
            for *columns, code, message in page:
                fate = Fate.PENDING if columns[4] == schema.PENDING else Fate.UNRESOLVED
                yield stored_range(self._connection, *columns), fate, code, message or ""
            first_row = page[-1][1]

    def _page(self, sql: str, after: int) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, (after, _ROWS_A_PAGE)).fetchall()


def read_ledger(path: str | os.PathLike[str]) -> LedgerReader:
    """Open the ledger at *path* for reading, also while a job writes it.

    Raises:
        LedgerMismatch: there is no file, it is no ledger, or it is one of another version.
        LedgerStorageError: it cannot be read.

    """
    path = Path(path)
    if not path.is_file():
        raise LedgerMismatch(f"{path}: there is no ledger here")
    quiet = not path.with_name(f"{path.name}-wal").exists() and not os.access(path.parent, os.W_OK)
    mode = "immutable=1" if quiet else "mode=ro"
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise LedgerStorageError(f"{path}: the ledger cannot be read: {error}") from None
    try:
        connection.execute("PRAGMA busy_timeout=5000")
        known = opening.check_version(connection, path)
    except sqlite3.DatabaseError as error:
        connection.close()
        if "not a database" in str(error):
            raise opening.not_a_ledger(path) from None
        raise LedgerStorageError(f"{path}: the ledger cannot be read: {error}") from None
    except LedgerMismatch:
        connection.close()
        raise
    if not known:
        connection.close()
        raise opening.not_a_ledger(path)
    return LedgerReader(path, connection)
