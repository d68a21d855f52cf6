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
    from contextlib import AbstractAsyncContextManager

    from bulkdelete.emulator import Emulator

HERE = Path(__file__).parent
TABLE_ID = "673af861ed69656ac0895b07"
KEY = "canary-7f3a91-never-print-me"
BULKDELETE = (sys.executable, "-m", "bulkdelete")
_FIRST = 541_278_230_707_963_208


def ids(count: int, first: int = 0) -> list[str]:
    return [str(_FIRST + 37 * number) for number in range(first, first + count)]


class Example:
    """A *process* that runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def ended(self) -> tuple[int | None, str]:
        """Return its exit code, and what it printed, which names neither the key nor a record."""
        async with asyncio.timeout(30):
            printed = b"".join(await self.process.communicate())
        assert_nowhere(KEY, texts=[printed])
        assert str(_FIRST)[:14].encode() not in printed
        return self.process.returncode, printed.decode()


@asynccontextmanager
async def running(*words: object, **env: str) -> AsyncIterator[Example]:
    """Run *words* with nothing but *env* in the environment, and what finds this package."""
    process = await asyncio.create_subprocess_exec(
        *map(str, words),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(HERE.parents[1]), "PYTHONUNBUFFERED": "1", **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Example(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def script(name: str, *words: object) -> AbstractAsyncContextManager[Example]:
    """Run an example in Python."""
    return running(sys.executable, HERE / name, *words, BULKDELETE_API_KEY=KEY)


async def code_of(*words: object, **env: str) -> int | None:
    """Return the exit code that *words* end with."""
    async with running(*words, **env) as example:
        return (await example.ended())[0]


async def until_requests(emulator: Emulator, count: int) -> None:
    async with asyncio.timeout(30):
        while emulator.requests < count:
            await asyncio.sleep(0.005)
