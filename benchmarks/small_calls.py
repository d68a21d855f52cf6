"""What does a call of ``delete()`` without a ledger cost, beside one bare aiohttp post of the same body?

Both in one process and one run, by turns, to the null server: the ratio is what the engine adds. Calls of 1, 10, 100
and 1000 ids, one after another, as a service awaits them.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from typing import TYPE_CHECKING

import aiohttp

from benchmarks.measuring import TABLE_ID, machine, null_server
from bulkdelete import BulkDeleter, protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CALLS = 400
TURNS = 7


def main() -> None:
    """Print the CPU and wall time of a call, of a bare post, and their ratios, for each number of ids."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    print(f"{machine()}; {TURNS} turns of {CALLS} calls each, medians")
    print("ids   post CPU us   delete CPU us   ratio (min..max)      wall ratio")
    with null_server() as server:
        for count in (1, 10, 100, 1000):
            turns = asyncio.run(_compared(server.base_url, [str(541_278_230_707_963_208 + n) for n in range(count)]))
            ratios = sorted(call[0] / post[0] for post, call in turns)
            posted, called = (statistics.median(turn[of][0] for turn in turns) * 1e6 / CALLS for of in (0, 1))
            walls = statistics.median(call[1] / post[1] for post, call in turns)
            spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}..{ratios[-1]:.2f})"
            print(f"{count:4d} {posted:12.0f} {called:15.0f}   {spread:20} {walls:10.2f}", flush=True)


async def _compared(base_url: str, ids: list[str]) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    body = protocol.encode(TABLE_ID, ids)
    headers = {"Authorization": "Bearer benchmark", "Content-Type": "application/json"}
    async with aiohttp.ClientSession() as session, BulkDeleter(base_url=base_url, api_key="benchmark") as deleter:

        async def post() -> None:
            async with session.post(base_url + protocol.PATH, data=body, headers=headers) as response:
                await response.read()

        async def call() -> None:
            await deleter.delete(TABLE_ID, ids)

        await _timed(post, 50), await _timed(call, 50)
        return [(await _timed(post), await _timed(call)) for _ in range(TURNS)]


async def _timed(work: Callable[[], Awaitable[None]], times: int = CALLS) -> tuple[float, float]:
    began, began_cpu = time.perf_counter(), time.process_time()
    for _ in range(times):
        await work()
    return time.process_time() - began_cpu, time.perf_counter() - began
