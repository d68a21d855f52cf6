"""Durable calls in a process of their own, for tests that kill it; a line on stdin is a set of calls to make.

Run as a module. Each set is made by a fork, whose id is the first line on stdout, and whose end the second.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkdelete import BulkDeleter, LedgerFolder, Settings, open_source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bulkdelete.sources import Source

TABLE_ID = "673af861ed69656ac0895b07"
INVALID = "nan"
BATCH, PERMITS = 4, 2
SETTINGS = Settings.from_mapping(
    {
        "batch": {"size": BATCH},
        "flow": {"concurrency": PERMITS},
        "ledger": {"synchronous": "normal"},
        "source": {"sanity_check": False},
    }
)


@dataclass(frozen=True)
class Call:
    """The call *number*: of *count* records and *invalid* rows, from a file or from an iterable."""

    number: int
    is_file: bool
    count: int
    invalid: int

    @property
    def rows(self) -> list[str]:
        return [*(f"r-{self.number}-{row:06}" for row in range(self.count)), *[INVALID] * self.invalid]

    def write(self, folder: Path) -> None:
        if self.is_file:
            (folder / f"{self.number}.txt").write_text("".join(f"{row}\n" for row in self.rows))

    def records(self, folder: Path, most: int | None = None) -> Source | AsyncIterator[str]:
        """Return the rows as a source; a process that takes more than *most* from an iterable is killed."""
        return open_source(folder / f"{self.number}.txt") if self.is_file else self._streamed(most)

    async def _streamed(self, most: int | None) -> AsyncIterator[str]:
        for row, record in enumerate(self.rows):
            if row == most:
                os.kill(os.getpid(), signal.SIGKILL)
            yield record


async def make(folder: Path, base_url: str, calls: list[Call], most: int | None) -> None:
    ledgers = LedgerFolder(folder)
    async with BulkDeleter(base_url=base_url, api_key="key", settings=SETTINGS) as deleter:
        for call in calls[:-1]:
            await deleter.delete(TABLE_ID, call.records(folder), ledger=ledgers.path_for(str(call.number)))
        *_, last = calls
        await deleter.delete(TABLE_ID, last.records(folder, most), ledger=ledgers.path_for(str(last.number)))


def say(word: object) -> None:
    os.write(1, f"{word}\n".encode())


def main(line: dict[str, Any]) -> None:
    process = os.fork()
    if not process:
        calls = [Call(**call) for call in line["calls"]]
        asyncio.run(make(Path(line["folder"]), line["base_url"], calls, line["most"]))
        os._exit(0)
    say(process)
    _, status = os.waitpid(process, 0)
    say(status)


if __name__ == "__main__":
    for text in sys.stdin:
        main(json.loads(text))
