"""The installed command at a real terminal: a pseudo-terminal for what is typed and what is said."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from tests.acceptance.command import LONGEST_SECONDS, Command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Terminal:
    """What a person sees and types; ``shown`` is everything that was shown so far."""

    def __init__(self, process: asyncio.subprocess.Process, descriptor: int) -> None:
        self.process = process
        self.shown = ""
        self._descriptor = descriptor
        self._came = asyncio.Event()
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # the other side is closed
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._descriptor)
        self.shown += data.decode("utf-8", "replace")
        self._came.set()

    async def until_shown(self, text: str) -> None:
        async with asyncio.timeout(LONGEST_SECONDS):
            while text not in self.shown:
                self._came.clear()
                await self._came.wait()

    def type(self, line: str) -> None:
        self.press(f"{line}\n".encode())

    def press(self, keys: bytes) -> None:
        os.write(self._descriptor, keys)

    async def ended(self) -> tuple[int, str]:
        """Return the exit code, and what was printed on stdout, which is no terminal."""
        async with asyncio.timeout(LONGEST_SECONDS):
            printed = (await self.process.communicate())[0]
        assert self.process.returncode is not None
        return self.process.returncode, printed.decode()


@asynccontextmanager
async def at_terminal(command: Command) -> AsyncIterator[Terminal]:
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bulkdelete", *command.words),
        cwd=command.folder,
        env={**command.env, "TERM": "xterm", "COLUMNS": "300"},
        stdin=theirs,
        stdout=asyncio.subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        asyncio.get_running_loop().remove_reader(ours)
        if process.returncode is None:
            process.kill()
            await process.wait()
        with suppress(OSError):
            os.close(ours)
