"""A deleter that somebody watches, and the API before it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bulkdelete import BulkDeleter
from bulkdelete.emulator import Emulator
from bulkdelete.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TABLE_ID = "673af861ed69656ac0895b07"
KEY = "canary-7f3a91-never-print-me"


def ids(count: int) -> list[str]:
    return [str(541_278_230_707_963_208 + 37 * number) for number in range(count)]


@asynccontextmanager
async def served() -> AsyncIterator[Emulator]:
    async with Emulator(api_key=KEY) as emulator:
        emulator.load(TABLE_ID, ids(4_000))
        yield emulator


def deleter_of(emulator: Emulator, **sections) -> BulkDeleter:
    plain = {"base_url": emulator.base_url, "retry": {"first_backoff_seconds": 0}, **sections}
    return BulkDeleter(settings=Settings.from_mapping(plain), api_key=emulator.api_key)
