"""What a job says that it waits for, while nothing is on the wire."""

from __future__ import annotations

import asyncio

import pytest

from bulkdelete.exchange import Reply
from bulkdelete.progress import Pace, why_it_waits
from bulkdelete.records import Ended
from bulkdelete.settings import ReadingSettings
from bulkdelete.sources import open_source
from tests.api_model import INTERNAL, OK
from tests.unit.test_engine import job

IDS = [f"{number + 10**17}" for number in range(40)]


class Answers:
    """Gives *first*, and then the last of them for ever."""

    def __init__(self, *first: Reply) -> None:
        self._first = list(first)

    async def post(self, body, api_key, request_id, path, leaves) -> Reply:
        await asyncio.sleep(0)
        return self._first.pop(0) if len(self._first) > 1 else self._first[0]

    async def close(self) -> None:
        pass


async def until(running, condition) -> None:
    """Look at *running* until *condition* holds of its snapshot."""
    async with asyncio.timeout(10):
        while not condition(running.snapshot()):
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("answers", [(INTERNAL,), (OK, INTERNAL)])
@pytest.mark.parametrize("batches", [2, 4])
async def test_batches_that_wait_to_be_tried_again_are_retries_and_not_the_ledger(answers, batches):
    retry = {"first_backoff_seconds": 3600, "max_backoff_seconds": 3600, "max_elapsed_seconds": 9000}
    flow = {"concurrency": 1}
    running = job(Answers(*answers), IDS[: 10 * batches], batch={"size": 10}, retry=retry, flow=flow)
    task = asyncio.create_task(running.run())
    await until(running, lambda now: now.limited_by == "retries" and now.requests and not now.in_flight)
    assert why_it_waits(running.snapshot(), Pace()).startswith("limited by retries; the last failure: code 50000")
    running.stop("enough")
    assert (await task).ended is Ended.SIGNAL


async def test_one_that_stays_until_the_time_to_come_back_says_that_it_is_paused(tmp_path):
    (tmp_path / "ids.txt").write_text("\n".join(IDS))
    source, ledger = open_source(tmp_path / "ids.txt", ReadingSettings()), tmp_path / "purge.db"
    refusing = Answers(OK, Reply(429, {"Retry-After": "3000"}, b""))
    batch = {"size": 10}
    first = await job(refusing, source, ledger, batch=batch, flow={"concurrency": 1}).run()
    assert (first.ended, first.acknowledged) == (Ended.QUOTA, 10)
    running = job(Answers(OK), source, ledger, batch=batch, flow={"wait": True})
    task = asyncio.create_task(running.run())
    await until(running, lambda now: now.pause_seconds)
    now = running.snapshot()
    assert 2_900 < now.pause_seconds < 3_600
    assert why_it_waits(now, Pace()).startswith("paused until ")
    running.stop("enough")
    assert (await task).ended is Ended.SIGNAL
