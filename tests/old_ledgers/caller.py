"""Makes a call, or resumes one, as :mod:`tests.old_ledgers.calls` says: delete|resume LEDGER BASE_URL LIMIT."""

from __future__ import annotations

import asyncio
import sys

from bulkdelete import BulkDeleter
from tests.acceptance.command import CANARY_KEY, TABLE_ID
from tests.old_ledgers.calls import ITEMS, settings_of


async def main(what: str, ledger: str, base_url: str, limit: int | None) -> None:
    async with BulkDeleter(settings=settings_of(base_url), api_key=CANARY_KEY) as deleter:
        if what == "delete":
            report = await deleter.delete(TABLE_ID, iter(ITEMS), ledger=ledger, limit=limit)
        else:
            report = await deleter.resume(ledger, limit=limit)
    sys.stdout.write(f"{report.ended}\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4], int(sys.argv[4]) or None))
