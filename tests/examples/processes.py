"""An example as a process of its own, as its users start it."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.secrets import assert_nowhere

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bulkdelete.emulator import Emulator

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TABLE_ID = "673af861ed69656ac0895b07"
KEY = "canary-7f3a91-never-print-me"
FIRST = 541_278_230_707_963_208


def ids(count: int, first: int = 0) -> list[str]:
    return [str(FIRST + 37 * number) for number in range(first, first + count)]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BULKDELETE_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **more}


class Example:
    """The script *name* with *words*, while it runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def ended(self) -> tuple[int | None, str]:
        """Return its exit code, and what it logged, which names neither the key nor a record."""
        async with asyncio.timeout(30):
            said = b"".join(await self.process.communicate())
        assert_nowhere(KEY, texts=[said])
        assert str(FIRST)[:14].encode() not in said
        return self.process.returncode, said.decode()


@asynccontextmanager
async def started(name: str, *words: object) -> AsyncIterator[Example]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        HERE / name,
        *map(str, words),
        env=environment(BULKDELETE_API_KEY=KEY, PYTHONPATH=str(ROOT)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Example(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def until_requests(emulator: Emulator, count: int) -> None:
    async with asyncio.timeout(30):
        while emulator.requests < count:
            await asyncio.sleep(0.005)
