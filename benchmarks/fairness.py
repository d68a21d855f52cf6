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

from benchmarks.measuring import TABLE_ID, ids, null_server
from benchmarks.results import Measured
from bulkdelete import BulkDeleter
from bulkdelete.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.suite import Size

LARGE = 20_000_000
SMALL = 2_000
CALLS = 60
LATENCY_SECONDS = 0.02


def measure(size: Size) -> Iterator[Measured]:
    """Give how long the small calls take, for each number of permits, and how fast the large one is meanwhile."""
    calls = size.of(CALLS)
    with null_server(LATENCY_SECONDS) as server:
        for permits in (1, 4, 16, 64):
            capped = {"max_concurrency_per_call": max(1, permits // 2)}
            kinds: dict[str, tuple[bool, Mapping[str, int]]] = {
                "none": (False, {}),
                "20 million rows": (True, {}),
                "20 million rows, capped": (True, capped),
            }
            for beside, (large, flow) in kinds.items():
                settings = Settings.from_mapping({"flow": {"concurrency": permits, **flow}})
                turns = [asyncio.run(_timed(server.base_url, settings, calls, large=large)) for _ in range(size.times)]
                case = {"permits": permits, "beside": beside}
                yield Measured(case, "call, p50", "ms", [statistics.median(seconds) * 1000 for seconds, _ in turns])
                p99 = [sorted(seconds)[int(0.99 * len(seconds))] * 1000 for seconds, _ in turns]
                yield Measured(case, "call, p99", "ms", p99)
                if large:
                    yield Measured(case, "large call", "rows/s", [rate for _, rate in turns])


async def _timed(base_url: str, settings: Settings, calls: int, *, large: bool) -> tuple[list[float], float]:
    """Return the seconds of each small call, and the rows a second of the large one."""
    async with BulkDeleter(base_url=base_url, api_key="benchmark", settings=settings) as deleter:
        await deleter.delete(TABLE_ID, list(ids(SMALL)))
        job = deleter.job(TABLE_ID, ids(LARGE))
        task = asyncio.create_task(job.run()) if large else None
        if task is not None:
            await asyncio.sleep(1)
        done, began, seconds = job.snapshot().settled, time.perf_counter(), []
        for _ in range(calls):
            called = time.perf_counter()
            report = await deleter.delete(TABLE_ID, list(ids(SMALL)))
            seconds.append(time.perf_counter() - called)
            if report.acknowledged != SMALL:
                raise RuntimeError(f"the call ended otherwise: {report}")
        rate = (job.snapshot().settled - done) / (time.perf_counter() - began)
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    return seconds, rate
