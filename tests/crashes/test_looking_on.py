"""Readers look on while the ledger is written and its log is taken up, and when the job has ended."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import struct
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from bulkdelete.emulator import Faults
from tests.acceptance.command import Command, finished
from tests.crashes import oracle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.acceptance.command import Process

CHECKPOINTS = Path(__file__).with_name("checkpoints.py")
PAGES = 4
MANY_PAGES = 6 * PAGES
_ENTRIES, _TAKEN_UP = 16, 96  # where the index of the log has the frames that count, and those in the main file


class Moment(NamedTuple):
    """The log at one moment: how often it began anew, its frames, and how many are in the main file too."""

    restarts: int
    frames: int
    taken_up: int


class Log:
    """The write-ahead log as its files say, which stay open: to close one would drop the locks of this process."""

    def __init__(self, ledger: Path) -> None:
        self._files = [os.open(ledger.with_name(ledger.name + suffix), os.O_RDONLY) for suffix in ("-wal", "-shm")]

    def now(self) -> Moment:
        log, index = self._files
        (restarts,) = struct.unpack(">I", os.pread(log, 4, 12))
        return Moment(restarts, *(struct.unpack("=I", os.pread(index, 4, at))[0] for at in (_ENTRIES, _TAKEN_UP)))

    def close(self) -> None:
        for file in self._files:
            os.close(file)


@contextmanager
def reading(ledger: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True, isolation_level=None)) as reader:
        yield reader


@asynccontextmanager
async def reading_what_was(ledger: Path, log: Log) -> AsyncIterator[tuple[sqlite3.Connection, Moment]]:
    """A reader that keeps to one moment, at which not all of the log is taken up; and the log at that moment."""
    with reading(ledger) as old:
        async with asyncio.timeout(30):
            while True:
                before = log.now()
                old.execute("BEGIN")
                batches(old)
                after = log.now()
                if before.restarts == after.restarts and after.taken_up < before.frames == after.frames:
                    break
                old.execute("ROLLBACK")
                await asyncio.sleep(0.001)
        yield old, after


def batches(reader: sqlite3.Connection) -> int:
    return reader.execute("SELECT count(*) FROM batch").fetchone()[0]


class Onlookers:
    """Those who look for a moment, again and again: the status command, and a reader of the file."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self.looks = self.seen = 0

    async def look_until(self, what: Callable[[], bool], process: Process) -> None:
        """Look until *what* is so; that must come while the job runs."""
        status = asyncio.ensure_future(self._status())
        async with asyncio.timeout(30):
            while not what():
                assert process.returncode is None, "the job ended before that was so"
                with reading(self._ledger) as reader:
                    seen = batches(reader)
                assert seen >= self.seen
                self.seen = seen
                await asyncio.sleep(0.005)
            await status

    async def _status(self) -> None:
        status = await Command(self._ledger.parent, "status", self._ledger.name, "--json").run()
        assert status.code == 0, status.everything
        self.looks += 1


@pytest.fixture
async def running(one):
    """A run of the job that sends, whose log is taken up often, and that log."""
    one.words = ("--concurrency", 1)
    one.emulator.faults = Faults(latency_seconds=0.05)
    async with one.command(CHECKPOINTS, PAGES).started() as process:
        await one.sends(3, process)
        with closing(Log(one.folder / "purge.db")) as log:
            yield process, log


async def test_the_log_is_taken_up_beside_readers_and_as_far_as_an_old_one_lets_it(one, running):
    process, log = running
    ledger = one.folder / "purge.db"
    onlookers = Onlookers(ledger)
    async with reading_what_was(ledger, log) as (old, held):
        known = batches(old)
        await onlookers.look_until(lambda: log.now().frames >= held.frames + MANY_PAGES, process)
        beside = log.now()
        assert beside.restarts == held.restarts, "the log began anew, though a reader still needs it"
        assert held.taken_up < beside.taken_up <= held.frames, "taken up is what the old reader does not need"
        assert batches(old) == known < onlookers.seen
    await onlookers.look_until(lambda: log.now().restarts >= beside.restarts + 2, process)
    await one.looked_at(await finished(process))
    assert one.done
    assert onlookers.looks == 2
    assert_taken_up(ledger)


async def test_a_reader_that_looks_on_to_the_end_holds_nothing_up_and_the_next_command_takes_up_the_log(one, running):
    process, log = running
    ledger = one.folder / "purge.db"
    async with reading_what_was(ledger, log) as (old, held):
        known = batches(old)
        done = await finished(process)
        at_the_end = log.now()
        assert at_the_end.restarts == held.restarts
        assert at_the_end.taken_up <= held.frames < at_the_end.frames
        assert batches(old) == known
    await one.looked_at(done)
    assert one.done
    again = await one.command().run()
    assert again.code == 1, again.everything
    assert_taken_up(ledger)


def assert_taken_up(ledger: Path) -> None:
    """Assert that the main file alone holds the whole job, and that the log, if it is still there, holds nothing."""
    log = ledger.with_name(f"{ledger.name}-wal")
    assert not log.exists() or not log.stat().st_size
    with closing(sqlite3.connect(f"{ledger.as_uri()}?immutable=1", uri=True)) as alone:
        assert alone.execute("SELECT max(end_row), sum(state NOT IN (1, 2)) FROM batch").fetchone() == (oracle.ROWS, 0)
