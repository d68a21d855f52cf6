"""elasticsearch-py's async_bulk with deletes from a generator, as its documentation has it: ``URL IDS``.

It goes on where a document is refused (``raise_on_error=False``); by default it stops there, and sends no more.
"""

from __future__ import annotations

import asyncio
import sys

from elasticsearch import AsyncElasticsearch
from elasticsearch.helpers import async_bulk

from benchmarks.peering.clients.batches import BATCH, ended, lines, record_failed


async def main(url: str, path: str) -> None:
    """Delete the ids of a file."""
    actions = ({"_op_type": "delete", "_index": "records", "_id": key} for key in lines(path))
    async with AsyncElasticsearch(url, max_retries=3, retry_on_timeout=True) as client:
        deleted, errors = await async_bulk(client, actions, chunk_size=BATCH, max_retries=3, raise_on_error=False)
    for error in errors if isinstance(errors, list) else []:
        record_failed(error["delete"]["_id"], error)
    ended(deleted)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
