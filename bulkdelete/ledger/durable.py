"""The ledger of a job on disk: intents, results, and what a resume reads of them."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import weakref
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.errors import LedgerError, LedgerStorageError
from bulkdelete.ledger import events, facts, opening, ranges, runs, sealing, totals, writes
from bulkdelete.ledger.finishing import to_its_end
from bulkdelete.ledger.lock import LedgerLock
from bulkdelete.ledger.place import Place, check_only_name
from bulkdelete.ledger.writer import Writer
from bulkdelete.records import Ended, Fate
from bulkdelete.threads import UNSENT, begin

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from bulkdelete.ledger.totals import Totals
    from bulkdelete.records import Batch, Outcome, StoredRange

_NO_TIME: Final = repr(0.0)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class _Opened:
    """A ledger's file, locked and open for writing, with what earlier runs left in it.

    An event loop that is closed, also while this is made in a thread, leaves nobody to close it: then it closes itself.
    """

    lock: LedgerLock
    place: Place
    connection: sqlite3.Connection
    run: int
    totals: Totals
    facts: dict[str, str]

    def __post_init__(self) -> None:
        weakref.finalize(self, _close, self.connection, self.lock).atexit = False

    def close(self) -> None:
        """Close the file and let go of the lock; doing so again changes nothing."""
        _close(self.connection, self.lock)


def _close(connection: sqlite3.Connection, lock: LedgerLock) -> None:
    with suppress(sqlite3.Error):
        connection.close()
    lock.release()


class DurableLedger:
    """One job's ledger, open for writing; :func:`open_ledger` makes it."""

    def __init__(self, path: str, opened: _Opened) -> None:
        self.path: str | None = path
        self.totals = opened.totals
        self.facts = opened.facts
        self.run: int | None = opened.run
        self._run = opened.run
        self._place = opened.place
        self._writer = Writer(opened.connection, path, self._place.check, opened.close)
        self._closed = False
        self._releases: dict[str, str] = {}

    @property
    def lost(self) -> LedgerStorageError | None:
        """What is said where its files were found removed or replaced while it was open."""
        return self._place.lost

    def intend(self, batch: Batch) -> asyncio.Future[None]:
        """Write that *batch* is about to be sent; nothing of it may leave before the future is done."""
        return self._submit(partial(writes.reopen_batch if batch.stored else writes.add_batch, batch))

    def record(self, outcome: Outcome) -> asyncio.Future[None]:
        """Write what became of a batch or of a part of one; it counts when the future is done.

        The facts that it changes are changed with it: a kill leaves both or neither.
        """
        changed: dict[str, str] = {}
        if self._releases and outcome.attempts:
            changed, self._releases = self._releases, changed
        if outcome.fate is Fate.ACKNOWLEDGED and self.facts.get(facts.RESUME_AT, _NO_TIME) != _NO_TIME:
            changed[facts.RESUME_AT] = _NO_TIME
        if not changed:
            return self._submit(partial(writes.add_outcome, outcome))
        self.facts |= changed
        return self._submit(partial(writes.add_outcome_and_facts, outcome, changed))

    def remember(self, key: str, value: str) -> asyncio.Future[None]:
        """Write a fact of the job."""
        self.facts[key] = value
        return self._submit(partial(writes.remember, key, value))

    def release(self, key: str, value: str) -> None:
        """Write a fact by which less looks after the job once anything was sent: a run that sends nothing keeps it."""
        self._releases[key] = value

    def write_releases(self) -> None:
        """Write what was to be released: what was to be sent by it is accepted, or was sent, or nothing is left."""
        for key, value in self._releases.items():
            self.remember(key, value)
        self._releases.clear()

    def forget(self, key: str) -> asyncio.Future[None]:
        """Remove a fact of the job that is none any more."""
        del self.facts[key]
        return self._submit(partial(writes.forget, key))

    def note(self, kind: str, **detail: Any) -> asyncio.Future[None]:  # noqa: ANN401 - plain values
        """Write down that something happened in this run: a decision, or what it began with."""
        return self._submit(partial(events.add, self._run, kind, detail))

    async def ranges(self) -> AsyncGenerator[StoredRange, None]:
        """Yield every stored range in row order; those not finished with their settled parts and set-aside rows."""
        first_row = 0
        while page := await self._submit(partial(ranges.read_page, first_row)):
            for stored in page:
                yield stored
            first_row = page[-1].end_row

    async def count(self) -> Totals:
        """Count the whole ledger anew."""
        counted: Totals = await self._submit(totals.count)
        return counted

    async def close(self, ended: Ended | None, reason: str = "", requests: int = 0, retries: int = 0) -> str:
        """Write how the run ended, commit everything, close the file, let go of the lock. Closing twice is harmless.

        Without *ended* the run counts as one that was killed. It never raises for the storage: what could not be
        written has failed its own future. Return the digest of all that the ledger holds now; nothing where it could
        not be written, or where *ended* says that nobody waits.
        """
        if not self._closed:
            if ended is not None:
                self._submit(partial(runs.end, runs.RunEnd(self._run, ended, reason, requests, retries)))
            self._closed = True
        waited_for = ended not in {None, Ended.CANCELLED}
        return await self._writer.close(sealing.content_digest if waited_for else None) or ""

    def _submit(self, operation: Any) -> asyncio.Future[Any]:  # noqa: ANN401 - each caller states its own result
        if self._closed:
            raise LedgerError("the ledger is closed")
        return self._writer.submit(operation)


async def open_ledger(
    path: str | os.PathLike[str],
    identity: Mapping[str, str],
    *,
    synchronous: str = "full",
    version: str = "",
    known: bool = False,
) -> DurableLedger:
    """Open the ledger at *path* for the job of *identity*, or make it; hold its lock until it is closed.

    Where the job is *known* from nothing but the ledger, it is not made, nor taken over for another job.

    Raises:
        LedgerLocked: another process writes it.
        LedgerMismatch: it belongs to another job or version, or is no ledger; or it is *known* and not there.
        LedgerStorageError: it cannot be made, read or written.

    """
    run = partial(_begin, path=Path(path), identity=identity, version=version, known=known)
    opens = partial(_open, Path(path), synchronous, run, known=known)
    work = begin(opens, f"open the ledger {os.fspath(path)}", LedgerStorageError, UNSENT)
    try:
        return DurableLedger(os.fspath(path), await to_its_end(work))
    except asyncio.CancelledError:
        if not work.cancelled() and work.exception() is None:
            work.result().close()
        raise


def _open(path: Path, synchronous: str, begin: Callable[[sqlite3.Connection], int], *, known: bool) -> _Opened:
    try:
        return _open_locked(path, synchronous, begin, known=known)
    except OSError as error:
        raise LedgerStorageError(f"{path}: the ledger cannot be opened: {error.strerror}. Nothing was sent") from None


def _open_locked(path: Path, synchronous: str, begin: Callable[[sqlite3.Connection], int], *, known: bool) -> _Opened:
    opening.check_place(path)
    file = Path(os.path.realpath(path))  # one lock for all names of one file
    lock = LedgerLock(file)
    try:
        check_only_name(file)
        connection = opening.connect(file, synchronous, make=not known)
        try:
            with opening.reading_values(path):
                run = begin(connection)
                place = Place(path, file)
                known_facts = writes.facts(connection)
                facts.check(known_facts)
                return _Opened(lock, place, connection, run, totals.count(connection), known_facts)
        except sqlite3.Error as error:
            connection.close()
            raise LedgerStorageError(f"{path}: the ledger cannot be used: {error}. Nothing was sent") from None
        except BaseException:
            connection.close()
            raise
    except BaseException:
        lock.withdraw()
        raise


def _begin(
    connection: sqlite3.Connection, *, path: Path, identity: Mapping[str, str], version: str, known: bool
) -> int:
    connection.execute("BEGIN IMMEDIATE")
    opening.check_identity(connection, path, identity, known=known)
    opening.upgrade(connection)
    run = runs.begin(connection, version)
    connection.execute("COMMIT")
    return run
