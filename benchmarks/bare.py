"""What does the HTTP request alone cost: aiohttp posting one ready body of 1000 ids, again and again?

It is the part of ``throughput`` that is not ours, and tells how fast the machine is at the moment.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time

import aiohttp

from benchmarks.measuring import TABLE_ID, null_server
from bulkdelete import protocol

REQUESTS = 4000
TASKS = 16


def main(times: int = 5) -> None:
    """Print the CPU seconds of a million records (1000 requests) that are only posted."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    with null_server() as server:
        costs = sorted(asyncio.run(_post_all(server.base_url)) / REQUESTS * 1000 for _ in range(times))
    print(f"bare requests: {statistics.median(costs):.3f} CPU s/million ({costs[0]:.3f}..{costs[-1]:.3f})")


async def _post_all(base_url: str) -> float:
    body = protocol.encode(TABLE_ID, [str(541_278_230_707_963_208 + number) for number in range(1000)])
    numbers = iter(range(REQUESTS))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=TASKS)) as session:

        async def post() -> None:
            for _ in numbers:
                async with session.post(base_url + protocol.PATH, data=body) as response:
                    await response.read()

        began = time.process_time()
        await asyncio.gather(*(post() for _ in range(TASKS)))
        return time.process_time() - began
