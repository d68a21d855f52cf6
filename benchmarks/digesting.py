"""What every resume has to do, and nothing else: read a file's rows, and digest each range of them.

``python -m benchmarks.digesting FILE ROWS`` takes the file's fingerprint, as a job does before it sends anything, and
then the digests of the ranges up to so many rows. The library's own reading and digest are used, in one process.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from bulkdelete.cli.rereading import Window
from bulkdelete.digest import digest
from bulkdelete.records import StoredRange
from bulkdelete.sources import open_source

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

ROWS_A_BATCH = 1000


async def digests(path: Path, rows: int) -> AsyncGenerator[tuple[int, bytes], None]:
    """Yield the first row and the digest of each batch of the first *rows* rows."""
    async with aclosing(open_source(path).blocks()) as blocks:
        window = Window(blocks)
        for first in range(0, rows, ROWS_A_BATCH):
            await window.move_to(StoredRange(first, first + ROWS_A_BATCH, ROWS_A_BATCH, b"", finished=True))
            yield first, digest(window.items)


async def main(path: Path, rows: int) -> None:
    """Do it once."""
    await open_source(path).fingerprint()
    async with aclosing(digests(path, rows)) as every:
        async for _ in every:
            pass


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
