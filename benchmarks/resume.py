"""What does it cost to resume a job of 100 million rows that is 99 % done, beside reading and digesting those rows?

By turns with the resume, which sends one batch, a bare loop reads the same file and digests the same ranges. The same
is done at a tenth of the length: were anything quadratic, a row would cost more in the longer job. The ledger's first
batch is the command's own; the others of the finished part are written through SQL, with the digests of their rows.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
import tempfile
from contextlib import aclosing, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.digesting import ROWS_A_BATCH, digests
from benchmarks.measuring import CLIENT, ended, null_server, on_core, run, write_ids
from benchmarks.results import Case, Measured

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.suite import Size

ROWS = 100_000_000
ROWS_OF_NEXT_TO_NOTHING = 100_000
DONE_PERCENT = 99
INSERT = "INSERT INTO batch VALUES (?, ?, 1000, 0, 0, 0, ?, 1, 1790000000000, 1, 0, 0, 200, NULL, NULL)"
BASE_URL = "UPDATE job SET value = ? WHERE key = 'identity.base_url'"


@dataclass(frozen=True)
class Turn:
    """What a resume cost, and the bare loop beside it: CPU seconds, and wall seconds to the first request and end."""

    resume_cpu: float
    bare_cpu: float
    first_request: float
    bare_wall: float


def measure(size: Size) -> Iterator[Measured]:
    """Give the time to the first request, CPU a million rows that were done, and their ratios."""
    longest = size.of(ROWS, step=1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        starts, shorter, longer = (
            _turns(Path(folder), rows, size.times) for rows in (ROWS_OF_NEXT_TO_NOTHING, longest // 10, longest)
        )
    for rows, turns in ((longest // 10, shorter), (longest, longer)):
        case: Case = {"rows": rows, "done": f"{DONE_PERCENT} %"}
        millions = rows * DONE_PERCENT / 1e8
        yield Measured(case, "first request after", "s", [turn.first_request for turn in turns])
        yield Measured(case, "reading and digesting alone, wall", "s", [turn.bare_wall for turn in turns])
        yield Measured(case, "CPU", "s/million rows done", [turn.resume_cpu / millions for turn in turns])
        bare = [turn.bare_cpu / millions for turn in turns]
        yield Measured(case, "reading and digesting alone, CPU", "s/million rows done", bare)
        yield Measured(case, "CPU ratio", "", [turn.resume_cpu / turn.bare_cpu for turn in turns])
    resumes, bares = (
        [beyond_start(cpu, one) for one in zip(starts, shorter, longer, strict=True)]
        for cpu in ("resume_cpu", "bare_cpu")
    )
    case = {"rows": longest, "done": f"{DONE_PERCENT} %", "beside": f"{longest // 10} rows"}
    yield Measured(case, "a row's cost, ratio", "", resumes, "without what starting costs")
    yield Measured(case, "the same of reading and digesting alone", "", bares, "without what starting costs")


def beyond_start(name: str, turns: tuple[Turn, Turn, Turn]) -> float:
    """Return how many times as much a row costs in the longer job, beyond the start, as in one of a tenth."""
    start, shorter, longer = (float(getattr(turn, name)) for turn in turns)
    return (longer - start) / (shorter - start) / 10


def _turns(folder: Path, rows: int, times: int) -> list[Turn]:
    source, done, ledger = folder / "ids.txt", rows * DONE_PERCENT // 100, folder / "done.db"
    write_ids(source, rows)
    with null_server() as server:
        run(source, server.base_url, "--ledger", str(ledger), "--limit", str(ROWS_A_BATCH))
    asyncio.run(_write(ledger, source, done))
    turns = [_turn(source, ledger, folder / "resumed.db", done) for _ in range(times)]
    ledger.unlink()
    return turns


async def _write(ledger: Path, source: Path, rows: int) -> None:
    """Write the batches of the first *rows* rows, but for the first one, which is there."""
    with closing(sqlite3.connect(ledger)) as connection:
        async with aclosing(digests(source, rows)) as every:
            async for first, digest in every:
                if first:
                    connection.execute(INSERT, (first, first + ROWS_A_BATCH, digest))
        connection.commit()


def _turn(source: Path, done: Path, ledger: Path, rows: int) -> Turn:
    shutil.copy(done, ledger)
    with null_server() as server:
        with closing(sqlite3.connect(ledger)) as connection:
            connection.execute(BASE_URL, (server.base_url,))
            connection.commit()
        resumed = run(source, server.base_url, "--ledger", str(ledger), "--limit", str(ROWS_A_BATCH))
    if (resumed.report["settled_before"], resumed.report["requests"]) != (rows, 1):
        raise RuntimeError(f"that was no resume of {rows:,} rows: {resumed.report}")
    for file in ledger.parent.glob(f"{ledger.name}*"):
        file.unlink()
    with on_core(CLIENT):
        bare = ended([sys.executable, "-m", "benchmarks.digesting", str(source), str(rows)])
    first: float = server.seen["first"]
    return Turn(resumed.ended.cpu_seconds, bare.cpu_seconds, first - resumed.ended.started, bare.wall_seconds)
