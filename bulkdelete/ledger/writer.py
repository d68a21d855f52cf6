"""The one thread that writes: it commits whatever is queued, and takes the next that came meanwhile.

No timer: waiting for more to come makes every commit slower and none larger (group commit as databases do it).
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

from bulkdelete.errors import LedgerError, LedgerStorageError

T = TypeVar("T")
Operation: TypeAlias = Callable[[sqlite3.Connection], T]
_Queued: TypeAlias = tuple[Operation[Any], "asyncio.Future[Any]"]


class Writer:
    """Runs operations on *connection*, in the order they were submitted, in a thread of its own.

    After the first error nothing is written any more: that operation's group, and all later ones, fail with
    :class:`LedgerStorageError`. Errors of futures that nobody awaits are not reported by the event loop.
    """

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._path = path
        self._queue: queue.SimpleQueue[_Queued | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._error: LedgerError | None = None
        self._thread = threading.Thread(target=self._run, name="bulkdelete ledger", daemon=True)
        self._thread.start()

    def submit(self, operation: Operation[T]) -> asyncio.Future[T]:
        """Queue *operation*; the future is done when its effect is on disk."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put((operation, future))
        return future

    async def close(self) -> None:
        """Commit what is queued, checkpoint, close the file, end the thread."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        going_on = True
        while going_on:
            group, going_on = self._next_group()
            if group:
                self._commit(group)
        with suppress(sqlite3.Error):
            if self._error is None:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with suppress(sqlite3.Error):
            self._connection.close()

    def _next_group(self) -> tuple[list[_Queued], bool]:
        group: list[_Queued] = []
        queued = self._queue.get()
        with suppress(queue.Empty):
            while queued is not None:
                group.append(queued)
                queued = self._queue.get_nowait()
            return group, False
        return group, True

    def _commit(self, group: list[_Queued]) -> None:
        results: list[Any] = []
        if self._error is None:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                results = [operation(self._connection) for operation, _ in group]
                self._connection.execute("COMMIT")
            except Exception as error:  # noqa: BLE001 - whatever it is, nothing may be written after it
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                self._error = error if isinstance(error, LedgerError) else self._storage_error(error)
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(_tell, group, results, self._error)

    def _storage_error(self, error: Exception) -> LedgerStorageError:
        return LedgerStorageError(
            f"{self._path}: the ledger cannot be written: {error}. Nothing more was sent, and what it holds already is "
            "sound: make room or mend the disk, and run the same command again"
        )


def _tell(group: list[_Queued], results: list[Any], error: LedgerError | None) -> None:
    if error is None:
        for (_, future), result in zip(group, results, strict=True):
            if not future.done():
                future.set_result(result)
        return
    for _, future in group:
        if not future.done():
            future.set_exception(error)
            future.exception()
