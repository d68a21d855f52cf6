"""What does the HTTP request alone cost: wrk and aiohttp posting one ready body of 1000 ids, again and again?

The first is the physical limit; the second is the part of ``throughput`` that is not ours. Both tell how fast the
machine is at the moment.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import aiohttp

from benchmarks import wrk
from benchmarks.fast_server import fast_server
from benchmarks.measuring import CLIENT, on_core
from benchmarks.results import Measured
from bulkdelete import protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.suite import Size

REQUESTS = 4000
TASKS = 16
CPU = "CPU", "s/million records"
RATE = "rate", "batches/s"


def measure(size: Size) -> Iterator[Measured]:
    """Give CPU seconds per million records (1000 requests), and batches a second, of both by turns."""
    with fast_server() as server:
        turns = [both(server.base_url, size) for _ in range(size.times)]
    yield from told(server.name, turns)


def both(base_url: str, size: Size) -> tuple[wrk.Posted | None, wrk.Posted]:
    """Return what wrk and what aiohttp did, one after the other."""
    limit = wrk.post(base_url, wrk.SECONDS * size.share)
    with on_core(CLIENT):
        return limit, asyncio.run(_post(base_url, size.of(REQUESTS)))


def told(server: str, turns: Sequence[tuple[wrk.Posted | None, wrk.Posted]]) -> Iterator[Measured]:
    """Give what was measured of wrk, where it is installed, and of aiohttp."""
    limits = [limit for limit, _ in turns if limit is not None]
    for client, posted in (("wrk", limits), ("aiohttp", [one for _, one in turns])):
        case, note = {"client": client, "server": server}, "" if limits else wrk.ABSENT
        if posted:
            yield Measured(case, *CPU, [one.cpu_seconds for one in posted], note)
            yield Measured(case, *RATE, [one.rate for one in posted], note)


async def _post(base_url: str, requests: int) -> wrk.Posted:
    body, numbers = wrk.body(), iter(range(requests))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=TASKS)) as session:

        async def post() -> None:
            for _ in numbers:
                async with session.post(base_url + protocol.PATH, data=body) as response:
                    await response.read()

        began, began_cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(post() for _ in range(TASKS)))
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - began_cpu
    return wrk.Posted(requests / seconds, cpu_seconds / requests * 1000)
