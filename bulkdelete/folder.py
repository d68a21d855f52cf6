"""What a service keeps its ledgers in: one directory, many small ledgers, one for each durable call."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from bulkdelete.copying import beside
from bulkdelete.errors import LedgerError, LedgerStorageError, SettingsError, SourceRefused
from bulkdelete.kept import LedgerState, changed_unix_seconds, file_name, ledgers_in, look_at
from bulkdelete.ledger.finishing import to_its_end
from bulkdelete.ledger.removing import remove
from bulkdelete.records import Ended
from bulkdelete.resuming import known_of
from bulkdelete.sources import is_source
from bulkdelete.stopping import of_a_caller
from bulkdelete.threads import begin

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterable, Callable, Iterable
    from typing import Unpack

    from bulkdelete.api import BulkDeleter
    from bulkdelete.kept import KeptLedger
    from bulkdelete.ledger import LedgerReader
    from bulkdelete.orders import Check
    from bulkdelete.records import Record
    from bulkdelete.reports import Report
    from bulkdelete.settings import StopOptions
    from bulkdelete.sources import Source

T = TypeVar("T")
_log = logging.getLogger(__name__)


class LedgerFolder:
    """A directory of ledgers: names for new ones, a list of all, what goes on at start-up, what may be thrown away.

    The directory must be there, on a local disk. Several processes may use it: a ledger that one of them writes is left
    alone by the others. What blocks is done in a thread.

    Args:
        path: the directory. Symbolic links in it are passed over, and whatever is no ledger.

    Example:
        >>> folder = LedgerFolder(".")
        >>> _ = await deleter.delete(TABLE_ID, ids, ledger=folder.path_for("customer/42"), limit=1)
        >>> for path, result in (await folder.resume_all(deleter, limit=None)).items():  # when the service starts
        ...     print(path.name, result.acknowledged)
        customer%2f42.db 3
        >>> [str(kept.state) for kept in await folder.ledgers()], (await folder.ledger("customer/42")).acknowledged
        (['complete'], 3)
        >>> [path.name for path in await folder.prune(older_than_seconds=0)]
        ['customer%2f42.db']

    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Path = Path(path)

    def __repr__(self) -> str:
        return f"<LedgerFolder {self.path}>"

    def path_for(self, name: str) -> Path:
        """Return where the ledger of *name* lies, such as a customer's id or a request's: any text that is not empty.

        The same name has the same path, and two names never share one, also where case does not count; no name leads
        out of the directory. ``KeptLedger.name`` is the name again.

        Raises:
            SettingsError: *name* is empty, or too long for a file's name.

        Example:
            >>> LedgerFolder("ledgers").path_for("customer/42").name
            'customer%2f42.db'

        """
        return self.path / file_name(name)

    async def ledgers(self) -> list[KeptLedger]:
        """Return what each ledger says of its job, in the order of the files' names; nothing is written.

        One that cannot be read is in the list too, as damaged. A thousand small ledgers take about half a second.

        Raises:
            LedgerStorageError: the directory cannot be read.

        """
        return await _in_thread(self._look)

    async def ledger(self, name: str) -> KeptLedger | None:
        """Return what the ledger of *name* says of its job, also while it runs; ``None`` where there is none.

        Raises:
            SettingsError: *name* is empty, or too long for a file's name.
            LedgerStorageError: the directory cannot be read.

        """
        path = self.path_for(name)
        return await _in_thread(lambda _: look_at(path))

    async def resume_all(
        self,
        deleter: BulkDeleter,
        *,
        at_once: int = 4,
        holds: Source | Collection[Record] | Callable[[], Iterable[Record] | AsyncIterable[Record]] | None = None,
        check: Check | None = None,
        **stop: Unpack[StopOptions],
    ) -> dict[Path, Report | Exception]:
        """Go on with every job that is not complete and that nobody runs, and return what came of each, by its ledger.

        Each is given to ``deleter.resume``, *at_once* of them at a time, with *holds*, *check* and *stop*. Where that
        raises, the error is what came of it: also of a ledger that is damaged, or whose call must be made again with
        its records. None stops another.

        A job that ended because the API refused whole batches is not begun: it would spend its first requests in vain
        each time. ``SourceRefused`` says so, until ``deleter.resume`` is called for it. What else has stopped for a
        person is tried again, as that costs a request at most: a key may be there by now, or another cap in *stop*.

        Args:
            deleter: whose base URL the jobs must have.
            at_once: how many jobs may be under way.
            holds: must be one that can be read again for each job: a collection, a function that returns a new
                iterable each time, or what ``open_source`` returns.
            check: as for ``deleter.resume``; one that nobody asks stops no job.
            **stop: what shall be otherwise than in each job's last run.

        Returns:
            A report or an exception for each ledger that was not complete.

        Raises:
            SettingsError: *at_once* is less than 1, or *holds* can be read only once.
            LedgerStorageError: the directory cannot be read.

        Cancelling it cancels the jobs, each as ``delete`` does.

        """
        _check(at_once, holds)
        left = [one for one in await self.ledgers() if one.state not in {LedgerState.COMPLETE, LedgerState.RUNNING}]
        results: dict[Path, Report | Exception] = {}
        waiting = iter(left)

        async def go_on() -> None:
            for kept in waiting:
                try:
                    _leave_to_a_person(kept)
                    resuming = deleter.resume(kept.path, holds=holds, check=check, **stop)
                    results[kept.path] = await of_a_caller(resuming, "something that the job awaited")
                except Exception as error:  # noqa: BLE001 - no job stops another
                    _log.warning("the job of %s did not go on: %s", kept.path, type(error).__name__)
                    results[kept.path] = error

        async with asyncio.TaskGroup() as group:
            for number in range(min(at_once, len(left))):
                group.create_task(go_on(), name=f"bulkdelete resume {number}")
        return {one.path: results[one.path] for one in left}

    async def prune(self, *, older_than_seconds: float, with_failures: bool = False) -> list[Path]:
        """Remove the ledgers of complete jobs that were last written to so long ago, and return which.

        Nothing is left to do for these: every row is acknowledged, held or duplicate. With *with_failures* those go too
        that have rejected or invalid rows, whose ids and reasons stand nowhere else. Each is locked while it goes, with
        all that lies beside it; one that a process writes just now stays, and one whose log is read. A crash leaves a
        ledger whole, or leaves none.

        Args:
            older_than_seconds: how long ago; keep them for as long as somebody may ask what became of a call, or make
                the same call again: without its ledger that is a new job.
            with_failures: whether rejected and invalid rows may be forgotten.

        Raises:
            SettingsError: *older_than_seconds* is less than 0.
            LedgerStorageError: the directory cannot be read.

        """
        if not older_than_seconds >= 0:
            raise SettingsError("older_than_seconds must be 0 or more")
        return await _in_thread(
            partial(self._prune, older_than_seconds=older_than_seconds, with_failures=with_failures)
        )

    def _look(self, stop: Event) -> list[KeptLedger]:
        return [*ledgers_in(self.path, stop)]

    def _prune(self, stop: Event, *, older_than_seconds: float, with_failures: bool) -> list[Path]:
        until = time.time() - older_than_seconds

        def may_go(reader: LedgerReader) -> bool:
            known = known_of(reader)
            failed = known.totals.rejected + known.totals.invalid
            return known.is_done and (with_failures or not failed) and changed_unix_seconds(reader.path) <= until

        def copies(reader: LedgerReader) -> tuple[Path, ...]:
            return beside(reader.path, reader.facts)

        removed = []
        for kept in ledgers_in(self.path, stop):
            if kept.state is LedgerState.COMPLETE and kept.changed_unix_seconds <= until:
                try:
                    if remove(kept.path, copies, may_go):
                        removed.append(kept.path)
                except LedgerError as error:
                    _log.warning("the ledger %s was not removed: %s", kept.path, error)
        return removed


def _check(at_once: int, holds: object) -> None:
    if at_once < 1:
        raise SettingsError(f"at_once must be 1 or more, and is {at_once}. Nothing was sent")
    is_again = holds.replayable if is_source(holds) else isinstance(holds, Collection) or callable(holds)
    if holds is not None and not is_again:
        raise SettingsError(
            "holds must be read again for each job, and this can be read only once. Nothing was sent. Give a list, a "
            "set, a function that returns a new iterable each time, or open_source(path)"
        )


def _leave_to_a_person(kept: KeptLedger) -> None:
    if kept.last_ended == Ended.WHOLLY_WRONG:
        raise SourceRefused(
            f"{kept.path}: this job waits for a person: {kept.last_reason}. Nothing was sent. Once somebody has "
            "looked, go on with it by deleter.resume"
        )


async def _in_thread(work: Callable[[Event], T]) -> T:
    """Return what *work* returns; where the waiting is cancelled, it is told to stop, and waited for."""
    stop = Event()
    running = begin(partial(work, stop), "look at the ledgers", LedgerStorageError)
    try:
        await asyncio.wait({running})
    except asyncio.CancelledError:
        stop.set()
        with suppress(Exception):
            await to_its_end(running)
        raise
    return running.result()
