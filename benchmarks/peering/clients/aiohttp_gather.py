"""aiohttp with gather and a semaphore: ``URL IDS``."""

from __future__ import annotations

import asyncio
import sys

import aiohttp

from benchmarks.peering.clients.batches import AT_ONCE, HEADERS, PATH, batch_failed, batches, ended, request


async def main(url: str, path: str) -> None:
    """Delete the ids of a file."""
    semaphore = asyncio.Semaphore(AT_ONCE)
    async with aiohttp.ClientSession(headers=HEADERS) as session:

        async def send(number: int, batch: list[str]) -> int:
            async with semaphore:
                try:
                    async with session.post(url + PATH, json=request(batch)) as response:
                        response.raise_for_status()
                        answer = await response.json()
                except (aiohttp.ClientError, TimeoutError) as error:
                    batch_failed(number, error)
                    return 0
            if answer["code"] != 0:
                batch_failed(number, answer)
                return 0
            return len(batch)

        ended(sum(await asyncio.gather(*(send(number, batch) for number, batch in enumerate(batches(path))))))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
