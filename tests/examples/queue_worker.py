"""A worker that takes deletes from a queue: python queue_worker.py https://altatech.ai /var/spool/deletes LEDGERS

The queue is a directory of messages, {"table_id": "...", "record_ids": ["..."]}, each written under another name and
then renamed to <id>.json. A message goes once all of its records are acknowledged. One for which that cannot be is set
aside, in the folder "aside", for a person; its ledger says which records and why. Anything else leaves it in the queue:
it is delivered again, here or by the next process, and goes on where it was.

The API key comes from BULKDELETE_API_KEY.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bulkdelete import (
    BulkDeleteError,
    BulkDeleter,
    Ended,
    LedgerFolder,
    LedgerMismatch,
    SettingsError,
    SourceRefused,
)

if TYPE_CHECKING:
    from bulkdelete import Report

AT_ONCE: Final = 4
LOOK_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 60.0
PRUNE_SECONDS: Final = 86_400.0
KEEP_SECONDS: Final = 90 * 86_400.0
RUN_AGAIN: Final = {Ended.COMPLETE, Ended.OUTAGE, Ended.QUOTA, Ended.SIGNAL}
POISON: Final = (ValidationError, SettingsError, SourceRefused, LedgerMismatch)

log = logging.getLogger("deletes")


class Message(BaseModel):
    """What a message says."""

    model_config = ConfigDict(extra="forbid", strict=True)

    table_id: str = Field(min_length=1)
    record_ids: list[str] = Field(min_length=1)


class Queue:
    """The messages in a directory; each is given to one worker at a time, and stays until it is done with."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._aside = path / "aside"
        self._aside.mkdir(exist_ok=True)
        self._looking = asyncio.Lock()
        self._seen: deque[Path] = deque()
        self._not_before: dict[Path, float] = {}
        self._time = asyncio.get_running_loop().time

    async def take(self) -> Path | None:
        """Return a message whose time has come, or ``None``."""
        async with self._looking:
            if not self._seen:
                self._seen.extend(await asyncio.to_thread(lambda: sorted(self._path.glob("*.json"))))
        while self._seen:
            path = self._seen.popleft()
            if self._not_before.get(path, 0.0) <= self._time():
                self._not_before[path] = float("inf")
                return path
        return None

    def give_back(self, path: Path) -> None:
        """Let a message be taken again in a while."""
        self._not_before[path] = self._time() + RETRY_SECONDS

    def acknowledge(self, path: Path) -> None:
        """Remove a message. If that is lost in a power cut, it comes again, and nothing of it is sent."""
        path.unlink(missing_ok=True)
        del self._not_before[path]

    def set_aside(self, path: Path) -> None:
        """Keep a message for a person."""
        with suppress(FileNotFoundError):  # another process was here
            path.rename(self._aside / path.name)
        del self._not_before[path]


class Worker:
    """Makes a durable delete of each message of *queue*, with a ledger in *folder* by the message's id."""

    def __init__(self, queue: Queue, deleter: BulkDeleter, folder: LedgerFolder) -> None:
        self._queue = queue
        self._deleter = deleter
        self._folder = folder

    async def work(self, stop: asyncio.Event) -> None:
        """Take one message after another until *stop* is set."""
        while not stop.is_set():
            path = await self._queue.take()
            if path is None:
                await wait_for(stop, LOOK_SECONDS)
            else:
                await self._handle(path)

    async def _handle(self, path: Path) -> None:
        try:
            report = await self._delete(path)
        except POISON as error:
            log.warning("message %s is set aside: %s", path.name, type(error).__name__)
            self._queue.set_aside(path)
        except (BulkDeleteError, OSError) as error:
            log.warning("message %s stays: %s", path.name, type(error).__name__)
            self._queue.give_back(path)
        else:
            self._conclude(path, report)

    async def _delete(self, path: Path) -> Report:
        message = Message.model_validate_json(await asyncio.to_thread(path.read_bytes))
        ledger = self._folder.path_for(path.stem)
        return await self._deleter.delete(message.table_id, message.record_ids, ledger=ledger)

    def _conclude(self, path: Path, report: Report) -> None:
        log.info("message %s: %s, %d of %d acknowledged", path.name, report.ended, report.acknowledged, report.rows)
        complete = report.ended is Ended.COMPLETE and not report.remaining
        if complete and not (report.rejected or report.invalid):
            self._queue.acknowledge(path)
        elif complete or report.ended not in RUN_AGAIN:
            self._queue.set_aside(path)
        else:
            self._queue.give_back(path)


async def wait_for(stop: asyncio.Event, seconds: float) -> None:
    """Wait until *stop* is set, at most so long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


async def main(base_url: str, messages: str, ledgers: str) -> None:
    """Work until SIGTERM or SIGINT; then what is in flight finishes, and the rest is left in the queue."""
    stop, folder = asyncio.Event(), LedgerFolder(ledgers)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    queue = Queue(Path(messages))
    async with BulkDeleter(base_url=base_url) as deleter, asyncio.TaskGroup() as workers:
        for _ in range(AT_ONCE):
            workers.create_task(Worker(queue, deleter, folder).work(stop))
        while not stop.is_set():
            await folder.prune(older_than_seconds=KEEP_SECONDS)
            await wait_for(stop, PRUNE_SECONDS)
        await deleter.aclose()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(main(*sys.argv[1:]))
