"""A small service, for tests that kill it: BASE_URL KEY FOLDER, and "call" to make two durable calls, or "start".

Run by its path. It goes on with what the last process left, and says on stdout, as JSON, what came of each ledger.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bulkdelete import BulkDeleter, LedgerFolder, Report, Settings, open_source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TABLE_ID = "673af861ed69656ac0895b07"
RECORDS = 1_500


def ids(first: int) -> list[str]:
    return [str(541_278_230_707_963_208 + number) for number in range(first, first + RECORDS)]


async def streamed() -> AsyncIterator[str]:
    for record_id in [*ids(0), "nan"]:
        yield record_id


async def main(base_url: str, api_key: str, place: str, what: str) -> None:
    settings = Settings.from_mapping({"batch": {"size": 50}, "flow": {"concurrency": 2}})
    folder = LedgerFolder(place)
    async with BulkDeleter(base_url=base_url, api_key=api_key, settings=settings) as deleter:
        if what == "call":
            await asyncio.gather(
                deleter.delete(TABLE_ID, streamed(), ledger=folder.path_for("streamed")),
                deleter.delete(TABLE_ID, open_source(Path(place, "ids.txt")), ledger=folder.path_for("file")),
            )
        results = await folder.resume_all(deleter)
    came = {
        path.stem: [result.rows, result.acknowledged, result.invalid] if isinstance(result, Report) else repr(result)
        for path, result in results.items()
    }
    sys.stdout.write(json.dumps(came))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
