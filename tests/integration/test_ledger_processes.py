"""One ledger between real processes: its lock, kill -9 in the middle of writing, and a disk that is full."""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bulkdelete.errors import LedgerLocked
from bulkdelete.ledger import open_ledger, read_ledger
from tests.unit.test_ledger import IDENTITY, opened, stored

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
KILLS = 6

WRITE = """
import asyncio, os, resource, sys
from dataclasses import replace
from bulkdelete.errors import LedgerError, LedgerLocked
from bulkdelete.ledger import open_ledger
from bulkdelete.records import Ended, Fate
from tests.unit.test_ledger import IDENTITY, batch_of, outcome

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

async def send(ledger, batch, span):
    await ledger.intend(batch)
    say("intended", batch.first_row)
    await ledger.record(outcome(batch, Fate.ACKNOWLEDGED, span))
    say("acknowledged", batch.first_row)

async def work(ledger, numbers):
    for number in numbers:
        await send(ledger, batch_of(3 * number, "rri"), range(2))

async def again(ledger, stored):
    batch = replace(batch_of(stored.first_row, "rri"), set_aside=(), stored=True, ambiguous=stored.ambiguous)
    await send(ledger, batch, range(2))

async def main(path, batches):
    try:
        ledger = await open_ledger(path, IDENTITY)
    except LedgerLocked:
        return say("locked")
    say("open", os.getpid())
    if not batches:
        return sys.stdin.read()
    try:
        for stored in [stored async for stored in ledger.ranges()]:
            if not stored.finished:
                await again(ledger, stored)
        numbers = iter(range(ledger.totals.rows // 3, batches))
        await asyncio.gather(*[work(ledger, numbers) for _ in range(8)])
    except LedgerError as error:
        say("stopped", type(error).__name__, error)
    await ledger.close(Ended.COMPLETE)
    say("closed")

if len(sys.argv) > 3:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@contextmanager
def writing(path: Path, batches: int, *more: object) -> Iterator[subprocess.Popen[str]]:
    """A process that writes *batches* to the ledger; with none it only holds it until its stdin ends."""
    words = [sys.executable, "-c", WRITE, str(path), str(batches), *map(str, more)]
    with subprocess.Popen(
        words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def first_rows(lines: list[str], word: str) -> set[int]:
    return {int(line.split()[1]) for line in lines if line.startswith(f"{word} ")}


async def check(path: Path, lines: list[str]) -> None:
    """Assert that the ledger holds everything that *lines* were told is on disk, and that it adds up."""
    async with opened(path, None) as ledger:
        rows, _, *fates = ledger.totals
        assert rows == sum(fates)
        ranges = await stored(ledger)
    assert [one.first_row for one in ranges] == list(range(0, rows, 3))
    assert first_rows(lines, "intended") <= {one.first_row for one in ranges}
    assert first_rows(lines, "acknowledged") <= {one.first_row for one in ranges if one.finished}
    assert all(one.ambiguous for one in ranges if not one.finished)


def test_nothing_that_was_durable_is_lost_by_kill_9_at_any_moment(tmp_path):
    path, lines = tmp_path / "a.db", []
    chance = random.Random(20_261_124)
    for _ in range(KILLS):
        with writing(path, 1_000_000) as process:
            lines += [process.stdout.readline() for _ in range(chance.randrange(1, 400))]
            with read_ledger(path) as reader:
                rows, _, *fates = reader.totals()
                assert rows == sum(fates)
                assert reader.running() == process.pid
            process.kill()
            lines += process.stdout.readlines()
        asyncio.run(check(path, lines))
    assert len(first_rows(lines, "acknowledged")) > KILLS
    with read_ledger(path) as reader:
        assert len(reader.runs()) == 2 * KILLS


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path):
    path = tmp_path / "a.db"
    with writing(path, 0) as process:
        assert process.stdout.readline() == f"open {process.pid}\n"
        with pytest.raises(LedgerLocked, match=rf"process {process.pid}\b.*Nothing was sent"):
            asyncio.run(open_ledger(path, IDENTITY))
        with read_ledger(path) as reader:
            assert reader.running() == process.pid
            process.kill()
            process.wait()
            assert reader.running() is None
    asyncio.run(check(path, []))


def test_of_several_processes_that_begin_at_once_one_has_the_ledger(tmp_path):
    path = tmp_path / "a.db"
    with writing(path, 0) as first, writing(path, 0) as second, writing(path, 0) as third:
        said = sorted(process.stdout.readline().split()[0] for process in (first, second, third))
    assert said == ["locked", "locked", "open"]


async def test_a_look_at_the_lock_does_not_turn_a_writer_away(tmp_path):
    async with opened(tmp_path / "a.db"):
        pass
    descriptor = os.open(tmp_path / "a.db.lock", os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    asyncio.get_running_loop().call_later(0.05, os.close, descriptor)
    async with opened(tmp_path / "a.db") as ledger:
        assert ledger.totals.rows == 0


def test_a_full_disk_stops_the_job_and_loses_nothing(tmp_path):
    path = tmp_path / "a.db"
    with writing(path, 1_000_000, 300_000) as process:
        told, complaints = process.communicate()
    lines = told.splitlines()
    assert process.returncode == 0, complaints
    assert complaints == ""
    assert lines[-1] == "closed"
    assert "LedgerStorageError" in lines[-2]
    assert "Nothing more was sent" in lines[-2]
    assert len(first_rows(lines, "acknowledged")) > 8
    asyncio.run(check(path, lines))
    with writing(path, len(first_rows(lines, "intended")) + 50) as process:
        more = process.communicate()[0].splitlines()
    assert more[-1] == "closed"
    asyncio.run(check(path, lines + more))
    with read_ledger(path) as reader:
        assert reader.totals().unresolved == 0
