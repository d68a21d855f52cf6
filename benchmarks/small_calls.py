"""What does a call of ``delete()`` without a ledger cost, beside one bare aiohttp post of the same body?

Both in one process and one run, by turns: the ratio is what the engine adds. Calls of 1, 10, 100 and 1000 ids, one
after another, as a service awaits them.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import aiohttp

from benchmarks.fast_server import fast_server
from benchmarks.measuring import CLIENT, TABLE_ID, on_core
from benchmarks.results import Measured
from bulkdelete import BulkDeleter, protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from benchmarks.suite import Size

CALLS = 400
WARMING = 50
TURNS_A_TIME = 2
"""Turns are short here: twice as many of them as other benchmarks have."""


def measure(size: Size) -> Iterator[Measured]:
    """Give the CPU time of a call, of a bare post, and their ratios, for each number of ids."""
    with fast_server() as server, on_core(CLIENT):
        for count in (1, 10, 100, 1000):
            turns = asyncio.run(
                _compared(server.base_url, [str(541_278_230_707_963_208 + n) for n in range(count)], size)
            )
            case, calls = {"ids": count, "server": server.name}, size.of(CALLS)
            yield Measured(case, "CPU of a post", "us", [post[0] * 1e6 / calls for post, _ in turns])
            yield Measured(case, "CPU of a call", "us", [call[0] * 1e6 / calls for _, call in turns])
            yield Measured(case, "ratio of CPU", "times", [call[0] / post[0] for post, call in turns])
            yield Measured(case, "ratio of wall time", "times", [call[1] / post[1] for post, call in turns])


async def _compared(base_url: str, ids: list[str], size: Size) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    body = protocol.encode(TABLE_ID, ids)
    headers = {"Authorization": "Bearer benchmark", "Content-Type": "application/json"}
    async with aiohttp.ClientSession() as session, BulkDeleter(base_url=base_url, api_key="benchmark") as deleter:

        async def post() -> None:
            async with session.post(base_url + protocol.PATH, data=body, headers=headers) as response:
                await response.read()

        async def call() -> None:
            await deleter.delete(TABLE_ID, ids)

        await _timed(post, WARMING), await _timed(call, WARMING)
        calls, turns = size.of(CALLS), range(TURNS_A_TIME * size.times)
        return [(await _timed(post, calls), await _timed(call, calls)) for _ in turns]


async def _timed(work: Callable[[], Awaitable[None]], times: int) -> tuple[float, float]:
    began, began_cpu = time.perf_counter(), time.process_time()
    for _ in range(times):
        await work()
    return time.process_time() - began_cpu, time.perf_counter() - began
