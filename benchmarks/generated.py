"""A job on so many rows that a function makes, through the library's own door, that looks at its memory meanwhile.

``python -m benchmarks.generated ROWS BASE_URL LEDGER`` prints one line of JSON: the report's counts, and
``resident``: once a second, the rows that were settled, the memory that was resident then, in MiB, and how many
attempts might be in flight, each of which holds a batch.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import TABLE_ID
from bulkdelete import BulkDeleter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bulkdelete import Job

ROWS_AT_ONCE = 1000
EVERY_SECONDS = 1.0
STATM = Path("/proc/self/statm")


def generated(rows: int) -> Iterable[str]:
    """Return an iterable of *rows* (whole thousands) different 18-digit ids, in no order, made in blocks."""
    block = "\n".join(f"#{number * 617 % ROWS_AT_ONCE:03}" for number in range(ROWS_AT_ONCE))
    return chain.from_iterable(_blocks(block, rows // ROWS_AT_ONCE))


def _blocks(block: str, count: int) -> Iterator[list[str]]:
    for number in range(count):
        yield block.replace("#", str(541_000_000_000_000 + number * 7_919 % 999_999_937)).split("\n")


async def main(rows: int, base_url: str, ledger: str) -> None:
    """Run the job, and print what is said above."""
    async with BulkDeleter(base_url=base_url, api_key="benchmark") as deleter:
        job = deleter.job(TABLE_ID, lambda: generated(rows), ledger=ledger)
        resident: list[tuple[int, float, int]] = []
        looking = asyncio.create_task(_look_on(job, resident), name="looks at the memory")
        report = await job.run()
        looking.cancel()
    resident.append((report.acknowledged, _resident_mib(), deleter.limit))
    print(json.dumps({"rows": report.rows, "acknowledged": report.acknowledged, "resident": resident}))


async def _look_on(job: Job, resident: list[tuple[int, float, int]]) -> None:
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        now = job.snapshot()
        resident.append((now.settled, _resident_mib(), now.limit))


def _resident_mib() -> float:
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
