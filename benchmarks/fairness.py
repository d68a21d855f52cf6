"""How long does a call of 2,000 records wait behind one of 20 million that shares its deleter?

Calls of 2,000 records, two batches each, one after another: alone, then beside the large call, and then beside it where
``flow.max_concurrency_per_call`` gives each call half of the permits. The server takes 20 ms for an answer. In line
behind all that the large call has ready, a small call would wait until that is sent.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from benchmarks.measuring import TABLE_ID, machine, null_server
from bulkdelete import BulkDeleter
from bulkdelete.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGE = 20_000_000
SMALL = 2_000
CALLS = 60
LATENCY_SECONDS = 0.02


def main() -> None:
    """Print how long the small calls take, in milliseconds, for each number of permits."""
    print(f"{machine()}; {CALLS} calls of {SMALL:,} records beside one of {LARGE:,}; an answer takes 20 ms")
    print("permits   alone p50/p99   beside p50/p99   ratio at p50   capped p50/p99   large call, rows/s")
    with null_server(LATENCY_SECONDS) as server:
        for permits in (1, 4, 16, 64):
            alone, _ = asyncio.run(_timed(server.base_url, permits, beside=False))
            beside, rate = asyncio.run(_timed(server.base_url, permits, beside=True))
            capped, _ = asyncio.run(_timed(server.base_url, permits, beside=True, most=max(1, permits // 2)))
            shown = f"{_shown(alone)}   {_shown(beside):>14}   {beside[0] / alone[0]:12.2f}   {_shown(capped):>14}"
            print(f"{permits:7d}   {shown}   {rate:18,.0f}", flush=True)


def _shown(times: tuple[float, float]) -> str:
    return f"{times[0] * 1000:6.1f}/{times[1] * 1000:6.1f}"


async def _timed(
    base_url: str, permits: int, *, beside: bool, most: int | None = None
) -> tuple[tuple[float, float], float]:
    """Return the median and the 99th percentile of the small calls' seconds, and the rows a second of the large one."""
    settings = Settings.from_mapping({"flow": {"concurrency": permits, "max_concurrency_per_call": most}})
    async with BulkDeleter(base_url=base_url, api_key="benchmark", settings=settings) as deleter:
        await deleter.delete(TABLE_ID, list(_ids(SMALL)))
        job = deleter.job(TABLE_ID, _ids(LARGE))
        large = asyncio.create_task(job.run()) if beside else None
        if large is not None:
            await asyncio.sleep(1)
        done, began, seconds = job.snapshot().settled, time.perf_counter(), []
        for _ in range(CALLS):
            called = time.perf_counter()
            report = await deleter.delete(TABLE_ID, list(_ids(SMALL)))
            seconds.append(time.perf_counter() - called)
            if report.acknowledged != SMALL:
                raise RuntimeError(f"the call ended otherwise: {report}")
        rate = (job.snapshot().settled - done) / (time.perf_counter() - began)
        if large is not None:
            large.cancel()
            with suppress(asyncio.CancelledError):
                await large
    return (statistics.median(seconds), sorted(seconds)[int(0.99 * CALLS)]), rate


def _ids(count: int) -> Iterator[str]:
    return (str(541_000_000_000_000_000 + number * 7_919 % 999_999_999_989) for number in range(count))
