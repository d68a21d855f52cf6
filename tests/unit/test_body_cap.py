"""HTTP 413: what is cut already becomes smaller before it is sent, the next run knows it, and no record is to blame."""

from __future__ import annotations

import asyncio
import math

import pytest

from bulkdelete.errors import FatalAnswer
from bulkdelete.records import Ended
from tests.api_model import OK, ApiModel
from tests.unit.scripted import TOO_LARGE
from tests.unit.test_engine import job

RECORDS = [f"{number + 10**17}" for number in range(40_000)]
AT_ONCE = 8


class Proxied(ApiModel):
    """Refuses bodies of more than *most_bytes* as too large, as a proxy before the API does."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__()
        self.most_bytes = most_bytes
        self.bodies: list[int] = []

    async def post(self, body, api_key, request_id, path, leaves):
        self.bodies.append(len(body))
        await asyncio.sleep(0.001)
        if len(body) > self.most_bytes:
            leaves()
            return TOO_LARGE
        return await super().post(body, api_key, request_id, path, leaves)

    @property
    def refused(self) -> int:
        return sum(body > self.most_bytes for body in self.bodies)


async def test_what_is_cut_already_is_made_smaller_without_asking_once_a_body_was_too_large():
    api = Proxied(20_000)
    report = await job(api, RECORDS, batch={"size": 1000}, flow={"concurrency": AT_ONCE}).run()
    assert (report.ended, report.acknowledged, report.rejected) == (Ended.COMPLETE, 40_000, 0)
    assert max(api.bodies[2 * AT_ONCE :]) <= 20_000
    assert api.refused <= AT_ONCE


async def test_what_waits_for_its_turn_is_made_smaller_as_well():
    api = Proxied(10**6)
    running = asyncio.create_task(job(api, RECORDS, batch={"size": 1000}, flow={"concurrency": AT_ONCE}).run())
    while len(api.acknowledged) < 5_000:
        await asyncio.sleep(0)
    api.most_bytes, before = 20_000, len(api.bodies)
    report = await running
    assert (report.ended, report.acknowledged) == (Ended.COMPLETE, 40_000)
    refused = [body for body in api.bodies[before - AT_ONCE :] if body > 20_000]
    assert len(refused) <= 3 * AT_ONCE


@pytest.mark.parametrize("stored", [False, True], ids=["rows not cut yet", "ranges cut already"])
async def test_the_next_run_knows_how_large_a_body_may_be(tmp_path, stored):
    ledger = tmp_path / "a.db"
    api = Proxied(20_000)
    if stored:
        api.hang_from = 30
        running = asyncio.create_task(job(api, RECORDS, ledger, flow={"cancel_grace_seconds": 0}).run())
        while len(api.requests) < 30:
            await asyncio.sleep(0.001)
        running.cancel()
        await asyncio.wait({running})
        api.hang_from = None
    else:
        await job(api, RECORDS, ledger, stop={"limit": 5_000}).run()
    assert api.refused
    api.bodies.clear()
    report = await job(api, RECORDS, ledger).run()
    assert (report.ended, report.acknowledged) == (Ended.COMPLETE, 40_000)
    assert not api.refused


@pytest.mark.no_cover  # long, and reaches nothing that others do not
@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_server_that_finds_single_records_too_large_ends_the_job_soon_and_rejects_none(tmp_path, size):
    api, records = Proxied(0), RECORDS[: max(2_000, 40 * size)]
    ledger = tmp_path / "a.db"
    with pytest.raises(FatalAnswer, match=r"single records.*HTTP 413.*body limit.*the same command") as raised:
        await job(api, records, ledger, batch={"size": size}, splitting={}).run()
    report = raised.value.report
    assert (report.ended, report.rejected, report.acknowledged) == (Ended.FATAL_ANSWER, 0, 0)
    assert len(api.bodies) <= 30
    api.most_bytes = 10**6
    api.bodies.clear()
    again = await job(api, records, ledger, batch={"size": size}).run()
    assert (again.ended, again.acknowledged) == (Ended.COMPLETE, len(records))
    cut_before, cut_now = report.batches, math.ceil((len(records) - report.rows) / size)
    assert len(api.bodies) <= cut_before + cut_now + 1  # what was cut while bodies had to be small stays so


async def test_a_server_that_finds_everything_too_large_in_the_midst_of_a_job_ends_it_and_rejects_none(tmp_path):
    api = Proxied(10**6)
    flow = {"concurrency": AT_ONCE}
    running = asyncio.create_task(job(api, RECORDS, tmp_path / "a.db", flow=flow).run())
    while len(api.acknowledged) < 5_000:
        await asyncio.sleep(0)
    api.most_bytes, before = 0, len(api.bodies)
    with pytest.raises(FatalAnswer) as raised:
        await running
    assert raised.value.report.rejected == 0
    assert len(api.bodies) - before <= 4 * AT_ONCE + 30


class OneTooMany(ApiModel):
    """Finds one record too large, alone and with others."""

    async def post(self, body, api_key, request_id, path, leaves):
        if b"100000000000000007" in body:
            leaves()
            return TOO_LARGE
        return OK


async def test_a_record_that_is_too_large_alone_is_unresolved_and_the_rest_acknowledged():
    report = await job(OneTooMany(), RECORDS[:3_000]).run()
    assert (report.ended, report.acknowledged, report.unresolved) == (Ended.COMPLETE, 2_999, 1)
    assert report.rejected == 0
