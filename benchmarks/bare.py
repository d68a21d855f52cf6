"""What does the HTTP request alone cost: wrk and aiohttp posting one ready body of 1000 ids, again and again?

The first is the physical limit; the second, on asyncio and on uvloop, is the part of ``throughput`` that is not ours.
Both tell how fast the machine is at the moment. ``python -m benchmarks.bare URL TASKS`` posts until it is killed.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from typing import TYPE_CHECKING, cast

import aiohttp

from benchmarks import wrk
from benchmarks.fast_server import fast_server
from benchmarks.measuring import CLIENT, event_loops, on_core
from benchmarks.results import Case, Measured
from bulkdelete import protocol
from bulkdelete.cli.loops import factory_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from benchmarks.suite import Size
    from bulkdelete.settings import EventLoop

REQUESTS = 4000
TASKS = 16
CPU = "CPU", "s/million records"
RATE = "rate", "batches/s"
WRK = "wrk", ""


Turn = dict[tuple[str, str], wrk.Posted]
"""What each client did, by its name and its event loop; wrk has none, and may not be there."""


def measure(size: Size) -> Iterator[Measured]:
    """Give CPU seconds per million records (1000 requests), and batches a second, of all by turns."""
    with fast_server() as server:
        turns = [turn(server.base_url, size) for _ in range(size.times)]
    yield from told(server.name, turns)


def turn(base_url: str, size: Size) -> Turn:
    """Return what wrk did, and what aiohttp did on each event loop, one after the other."""
    limit = wrk.post(base_url, wrk.SECONDS * size.share)
    posted = {} if limit is None else {WRK: limit}
    for loop in event_loops():
        with on_core(CLIENT), asyncio.Runner(loop_factory=factory_of(cast("EventLoop", loop))) as runner:
            posted["aiohttp", loop] = runner.run(_post(base_url, size.of(REQUESTS)))
    return posted


def told(server: str, turns: Sequence[Turn]) -> Iterator[Measured]:
    """Give what was measured of wrk, where it is installed, and of aiohttp on each event loop."""
    note = "" if WRK in turns[0] else wrk.ABSENT
    for client, loop in turns[0]:
        case: Case = {"client": client, "server": server} | ({"loop": loop} if loop else {})
        posted = [one[client, loop] for one in turns]
        yield Measured(case, *CPU, [one.cpu_seconds for one in posted], note)
        yield Measured(case, *RATE, [one.rate for one in posted], note)
    yield from saved(
        {"client": "aiohttp", "server": server},
        {loop: [one["aiohttp", loop].cpu_seconds for one in turns] for loop in event_loops()},
    )


def saved(case: Case, cpu_seconds: Mapping[str, Sequence[float]]) -> Iterator[Measured]:
    """Give what the CPU time on uvloop is of that on asyncio, turn by turn, where both were measured."""
    if "uvloop" in cpu_seconds:
        pairs = zip(cpu_seconds["uvloop"], cpu_seconds["asyncio"], strict=True)
        yield Measured(case, "CPU on uvloop, of that on asyncio", "%", [fast / plain * 100 for fast, plain in pairs])


async def _post(base_url: str, requests: int) -> wrk.Posted:
    began, began_cpu = time.perf_counter(), time.process_time()
    await _posts(base_url, TASKS, range(requests))
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - began_cpu
    return wrk.Posted(requests / seconds, cpu_seconds / requests * 1000)


async def _posts(base_url: str, tasks: int, times: Iterable[int]) -> None:
    body, numbers = wrk.body(), iter(times)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=tasks)) as session:

        async def post() -> None:
            for _ in numbers:
                async with session.post(base_url + protocol.PATH, data=body) as response:
                    await response.read()

        await asyncio.gather(*(post() for _ in range(tasks)))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=factory_of(cast("EventLoop", event_loops()[-1]))) as posting:
        posting.run(_posts(sys.argv[1], int(sys.argv[2]), itertools.count()))
