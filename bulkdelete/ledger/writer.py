"""The one thread that writes: it commits whatever is queued, and takes the next that came meanwhile.

The event loop is asked for each of its turns with ``run_in_executor``, so that the loop decides where they run.

What comes after a pause is committed at once. While writes come one upon another, it lets them gather for four
milliseconds: a commit costs the same CPU time whatever it holds, and the workers are twice as many as the permits, so
that nobody's request waits for it.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, TypeAlias, TypeVar

from bulkdelete.errors import LedgerError, LedgerStorageError
from bulkdelete.ledger.finishing import to_its_end

GATHERING_SECONDS: Final = 0.004
LOOKING_SECONDS: Final = 0.1
"""How long what is committed is taken to be where it was; to look each time would cost a batch 3 % more."""
T = TypeVar("T")
Operation: TypeAlias = Callable[[sqlite3.Connection], T]
_Queued: TypeAlias = tuple[Operation[Any], "asyncio.Future[Any]"]


class Writer:
    """Runs operations on *connection*, in the order they were submitted, in a thread of its own.

    After the first error nothing is written any more: that operation's group, and all later ones, fail with a
    :class:`LedgerError`, a :class:`LedgerStorageError` where the storage failed, or the thread itself. The event loop
    does not report errors of futures that nobody awaits: whoever acts on a write must await it. *check* raises such an
    error where the file is not at *path* any more: it is called before commits and at the end; *at_end* closes the
    file. Where the event loop was closed first, nobody may be left to call it.
    """

    def __init__(
        self, connection: sqlite3.Connection, path: str, check: Callable[[], None], at_end: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._path = path
        self._check = check
        self._at_end = at_end
        self._queue: queue.SimpleQueue[_Queued | None] = queue.SimpleQueue()
        self._group: list[_Queued] = []
        self._loop = asyncio.get_running_loop()
        self._error: LedgerError | None = None
        self._last: Operation[Any] | None = None
        self._committed_at = self._looks_at = float("-inf")
        self._now = 0.0
        self._ended: asyncio.Future[Any] = self._loop.create_future()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bulkdelete ledger")
        self._turn: asyncio.Future[None] | None = None
        self._is_closing = self._is_closed = False

    def submit(self, operation: Operation[T]) -> asyncio.Future[T]:
        """Queue *operation*; the future is done when its effect is on disk. It is committed even if that is cancelled.

        Operations are for :meth:`close` to wait for: none may be submitted after it.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._put((operation, future))
        return future

    async def close(self, last: Operation[T] | None = None) -> T | None:
        """Commit what is queued, checkpoint, close the file, end the thread; a cancellation waits for that.

        *last*, which only reads, finds everything committed. Return what it returned, ``None`` where the storage failed
        before or meanwhile, or where the closing had begun without it.
        """
        self._last, self._is_closing = self._last or last, True
        self._put(None)
        try:
            found: T | None = await to_its_end(self._ended)
        finally:
            self._thread.shutdown()
        return found

    def _put(self, queued: _Queued | None) -> None:
        self._queue.put(queued)
        self._take_turn()

    def _take_turn(self) -> None:
        """Begin a turn of the thread, unless it is in one: that ends only when it finds nothing queued."""
        if self._turn is None and not self._queue.empty() and not self._is_closed:
            try:
                self._turn = self._loop.run_in_executor(self._thread, self._run)
            except (RuntimeError, MemoryError) as error:  # no thread can be started
                self._break_off(error)
            else:
                self._turn.add_done_callback(self._end_turn)

    def _end_turn(self, turn: asyncio.Future[None]) -> None:
        self._turn = None
        if (error := turn.exception()) is not None:
            self._break_off(error)
        self._take_turn()  # with what was queued since it found nothing

    def _break_off(self, error: BaseException) -> None:
        """Fail, here on the loop, all that the thread has not told of: whoever awaits it would do so for ever."""
        if self._error is None:
            self._error = self._lost_its_thread(error)
        left, self._group = self._group, []
        with suppress(queue.Empty):
            while True:
                left += filter(None, (self._queue.get_nowait(),))
        _tell(left, [], self._error)
        if self._is_closing:
            self._close()

    def _run(self) -> None:
        """Commit group after group until nothing is queued."""
        while not self._queue.empty():
            going_on = self._next_group()
            if self._group and not self._commit(self._group):
                self._queue.put(None)  # the loop is gone, and close() with it: commit what is queued, and end
            self._group = []
            if not going_on:
                self._close()
                return

    def _close(self) -> None:
        found = None
        try:
            if not self._is_closed:
                self._is_closed = True
                found = self._last_look()
        finally:
            self._at_end()
            self._call(_end, self._ended, found)

    def _last_look(self) -> object:
        found = None
        with suppress(sqlite3.Error):
            if self._error is None and self._last is not None:
                found = self._last(self._connection)
        with suppress(sqlite3.Error):
            if self._error is None:
                self._connection.execute("PRAGMA busy_timeout=200")  # a reader must not hold up the end
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        try:
            self._check()
        except LedgerStorageError:
            return None
        return found

    def _next_group(self) -> bool:
        """Take what is queued; return whether more may come."""
        self._now = time.monotonic()
        if self._now - self._committed_at < GATHERING_SECONDS:
            time.sleep(GATHERING_SECONDS)
        with suppress(queue.Empty):
            while (queued := self._queue.get_nowait()) is not None:
                self._group.append(queued)
            return False
        return True

    def _commit(self, group: list[_Queued]) -> bool:
        """Commit *group* and tell its futures; return whether the loop that they belong to is still there."""
        results: list[Any] = []
        if self._error is None:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                results = [operation(self._connection) for operation, _ in group]
                if self._now >= self._looks_at:
                    self._check()
                    self._looks_at = self._now + LOOKING_SECONDS
                self._connection.execute("COMMIT")
                self._committed_at = time.monotonic()
            except Exception as error:  # noqa: BLE001 - whatever it is, nothing may be written after it
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                self._error = self._explained(error)
        return self._call(_tell, group, results, self._error)

    def _explained(self, error: Exception) -> LedgerError:
        if isinstance(error, LedgerError):
            return error
        if isinstance(error, sqlite3.Error) and not isinstance(
            error, sqlite3.IntegrityError | sqlite3.ProgrammingError
        ):
            return LedgerStorageError(
                f"{self._path}: the ledger cannot be written: {error}. Nothing more was sent, and what it holds "
                "already is sound: make room or mend the disk, and run the same command again"
            )
        if isinstance(error, MemoryError):
            return self._lost_its_thread(error)
        return LedgerError(
            f"{self._path}: a fault of bulkdelete, {type(error).__name__}: {error}. Nothing more was sent, and what "
            "the ledger holds already is sound"
        )

    def _lost_its_thread(self, error: BaseException) -> LedgerStorageError:
        what = type(error).__name__ + (f": {error}" if str(error) else "")
        return LedgerStorageError(
            f"{self._path}: the ledger cannot be written: the thread that does failed with {what}. Nothing more "
            "was sent, and what it holds already is sound: see what this machine lacks (memory, threads), and run the "
            "same command again"
        )

    def _call(self, function: Callable[..., None], *arguments: object) -> bool:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            return False
        return True


def _end(ended: asyncio.Future[Any], found: object) -> None:
    if not ended.done():
        ended.set_result(found)


def _tell(group: list[_Queued], results: list[Any], error: LedgerError | None) -> None:
    if error is None:
        for (_, future), result in zip(group, results, strict=True):
            if not future.done():
                future.set_result(result)
        return
    for _, future in group:
        if not future.done():
            future.set_exception(type(error)(*error.args))
            future.exception()
