"""One job through a wire: what it came to, what must be true then, and the resume without chaos."""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bulkdelete import BulkDeleteError, BulkDeleter, Settings
from bulkdelete.ledger import read_ledger
from tests.acceptance.command import CANARY_KEY, TABLE_ID, ids
from tests.secrets import as_told, assert_nowhere

if TYPE_CHECKING:
    from bulkdelete import Report
    from bulkdelete.emulator import Emulator

RECORDS = ids(12)
BYSTANDERS = ids(5, first=10**17)
ANSWER_SECONDS = 1.0
LONGEST_SECONDS = 30.0
MOST_MEMORY_GROWTH = 48 * 2**20
MOST_TAKEN = 16 * 2**20
"""What two kernels' buffers and the engine's limit hold of an answer that is not read to its end."""
ENDED_BY_ITSELF = frozenset({"complete", "outage"})


def settings(base_url: str, **http: object) -> Settings:
    return Settings.from_mapping(
        {
            "base_url": base_url,
            "batch": {"size": 3},
            "http": {"answer_timeout_seconds": ANSWER_SECONDS, "connect_timeout_seconds": ANSWER_SECONDS, **http},
            "retry": {"max_attempts": 3, "first_backoff_seconds": 0},
            "flow": {"concurrency": 1, "max_outage_seconds": 0.5},
        }
    )


async def run(base_url: str, ledger: Path, told: list[str], **http: object) -> tuple[Report, BaseException | None]:
    """Run the job of :data:`RECORDS` to the end of this run; return its report, and what it raised."""
    began = time.monotonic()
    async with BulkDeleter(settings=settings(base_url, **http), api_key=CANARY_KEY) as deleter:
        try:
            report, error = await deleter.delete(TABLE_ID, RECORDS, ledger=ledger), None
        except BulkDeleteError as raised:
            report, error = raised.report, raised
            told.extend(as_told(raised))
    assert time.monotonic() - began < LONGEST_SECONDS, "it took too long"
    assert report.balanced, report
    return report, error


async def check_after_chaos(emulator: Emulator, ledger: Path, told: list[str], *, garbled: bool) -> None:
    """Assert what is true whatever the wire did: see the package's words; *garbled*: also to requests in plain http.

    Of what the API read then, a name may be another one. An id may not: it is not garbled into one that can be read.
    """
    there = set(emulator.remaining(TABLE_ID))
    assert there >= set(BYSTANDERS), "a record that nobody named is gone"
    unapplied = acknowledged(ledger) & there
    assert not unapplied, f"acknowledged, and not applied: {sorted(unapplied)}"
    entries = [entry for request in emulator.log for entry in request.entries]
    sent = {value for entry in entries for value in entry.values()}
    assert sent <= set(RECORDS), f"not meant, and sent: {sorted(sent - set(RECORDS))}"
    assert garbled or all(set(entry) == {"record_id"} for entry in entries), entries
    check_secrets(ledger, told)


async def check_resumed(base_url: str, emulator: Emulator, ledger: Path, told: list[str], **http: object) -> Report:
    """Resume where nothing goes wrong any more, and assert that every fate is right."""
    report, error = await run(base_url, ledger, told, **http)
    assert error is None, error
    assert (report.ended, report.acknowledged) == ("complete", len(RECORDS)), report
    assert sorted(emulator.remaining(TABLE_ID)) == sorted(BYSTANDERS)
    assert acknowledged(ledger) == set(RECORDS)
    check_secrets(ledger, told)
    return report


def check_secrets(ledger: Path, told: list[str]) -> None:
    assert_nowhere(CANARY_KEY, [ledger.parent], told)


def acknowledged(ledger: Path) -> set[str]:
    """Return the records that the ledger calls acknowledged."""
    if not ledger.exists():
        return set()
    with read_ledger(ledger) as reader:
        rows = {row for stored in reader.ranges() for row in range(stored.first_row, stored.end_row)}
        for left in reader.open_ranges():
            stored = left.stored
            settled = {row for part in stored.settled for row in part}
            rows -= set(range(stored.first_row, stored.end_row)) - settled
        rows -= {row_fate.row for row_fate in reader.failures()}
        assert len(rows) == reader.totals().acknowledged
    return {RECORDS[row] for row in rows}


class Heard(logging.Handler):
    """Every log record, of ours and of others, and what the event loop and others complained of; while entered.

    *garbled*: the emulator's HTTP server may complain of requests, and quote them; the engine has no such server.
    """

    def __init__(self, *, garbled: bool) -> None:
        super().__init__(logging.DEBUG)
        self._ignored = "aiohttp.server" if garbled else ""
        self.lines: list[str] = []
        self.complaints: list[str] = []
        self._loggers = logging.getLogger(), logging.getLogger("bulkdelete")
        self._before = [logger.level for logger in self._loggers]

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == self._ignored:
            return
        self.lines.append(self.format(record))
        if record.levelno >= logging.WARNING and not record.name.startswith("bulkdelete"):
            self.complaints.append(self.lines[-1])

    def __enter__(self) -> Self:
        self._loggers[0].addHandler(self)
        for logger in self._loggers:
            logger.setLevel(logging.DEBUG)
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.complaints.append(repr(context)))
        return self

    def __exit__(self, *error: object) -> None:
        self._loggers[0].removeHandler(self)
        for logger, level in zip(self._loggers, self._before, strict=True):
            logger.setLevel(level)
        asyncio.get_running_loop().set_exception_handler(None)

    def check(self) -> None:
        assert not self.complaints, self.complaints
        assert_nowhere(CANARY_KEY, texts=self.lines)


class Belongings:
    """The tasks, descriptors and memory of this process: what a job takes, it gives back."""

    def __init__(self) -> None:
        self._tasks = asyncio.all_tasks()
        self._descriptors = descriptors()
        self._peak_bytes = peak_bytes()

    async def check_given_back(self) -> None:
        pause_seconds = 0.005
        while (left := self._left()) and pause_seconds < 2:
            gc.collect()
            await asyncio.sleep(pause_seconds)
            pause_seconds *= 2
        assert not left, left
        grown = peak_bytes() - self._peak_bytes
        assert grown < MOST_MEMORY_GROWTH, f"{grown:,} bytes of memory more than before"

    def _left(self) -> str:
        tasks = asyncio.all_tasks() - self._tasks
        opened = descriptors() - self._descriptors
        return f"left: {tasks} {opened}" if tasks or opened else ""


def descriptors() -> set[str]:
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"{entry.name} {entry.readlink()}")
        except OSError:
            continue
    return found


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
