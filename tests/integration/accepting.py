"""A call with ``limit=0`` that is killed at one step after another, each time in a copy of a folder, which stays.

Run as a module: TEMPLATE PLACE BASE_URL IDS... Each process makes the call with IDS and the ledger ``erase.db``.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkdelete import BulkDeleter, SourceChanged
from tests.crashes.launcher import strike
from tests.integration.test_resuming import SETTINGS, TABLE_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

STEPS = ("row", "file", "before COMMIT", "after COMMIT")
OF_FILES = frozenset({"open", "os.rename", "os.remove"})


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def until(row: int, ids: list[str]) -> Iterator[str]:
    yield from ids[:row]
    if row < len(ids):
        die()


def die_at_file(folder: Path, number: int) -> None:
    left = number

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event in OF_FILES and str(arguments[0]).startswith(str(folder)):
            left -= 1
            if not left:
                die()

    sys.addaudithook(hook)


async def call(step: str, number: int, folder: Path, base_url: str, ids: list[str]) -> None:
    if step == "file":
        die_at_file(folder, number)
    elif step != "row":
        when, what = step.split()
        strike(what, when, number)
    async with BulkDeleter(base_url=base_url, api_key="key", settings=SETTINGS) as deleter:
        records = until(number if step == "row" else len(ids), ids)
        with suppress(SourceChanged):
            await deleter.delete(TABLE_ID, records, ledger=folder / "erase.db", limit=0)


def main(template: str, place: str, base_url: str, *ids: str) -> None:
    for step in STEPS:
        for number in count(1):
            folder = Path(shutil.copytree(template, Path(place, f"{step} {number:02}")))
            process = os.fork()
            if not process:
                asyncio.run(call(step, number, folder, base_url, [*ids]))
                os._exit(0)
            _, status = os.waitpid(process, 0)
            if not status:
                break
            assert status == signal.SIGKILL, status


if __name__ == "__main__":
    main(*sys.argv[1:])
