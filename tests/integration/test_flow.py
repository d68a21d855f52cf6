"""Flow control against the real emulator on a real socket: limits found, quotas kept, outages waited out."""

from __future__ import annotations

import asyncio
import time

import pytest

from bulkdelete import BulkDeleter, Ended, Settings
from bulkdelete.emulator import Emulator, Faults, Switches
from bulkdelete.ledger import read_ledger
from bulkdelete.ledger.facts import LIMIT, SPENT

TABLE_ID = "673af861ed69656ac0895b07"
IDS = [str(541_278_230_707_963_208 + 37 * number) for number in range(4_000)]


async def purge(emulator, ids, ledger=None, **sections):
    chosen = Settings.from_mapping({"base_url": emulator.base_url, "batch": {"size": 20}, **sections})
    async with BulkDeleter(api_key=emulator.api_key, settings=chosen) as deleter:
        return await deleter.delete(TABLE_ID, ids, ledger=ledger)


@pytest.mark.parametrize(
    "switches",
    [
        pytest.param(Switches(capacity=4, beyond_capacity="queue"), id="queue"),
        pytest.param(Switches(capacity=4, beyond_capacity="thrash"), id="thrash"),
        pytest.param(Switches(capacity=2, beyond_capacity="cliff"), id="cliff that refuses with 429"),
        pytest.param(Switches(capacity=2, beyond_capacity="cliff", cliff_answer="50000"), id="cliff with 50000"),
    ],
)
async def test_a_server_of_any_kind_is_used_and_not_run_over(switches):
    async with Emulator(switches=switches, faults=Faults(latency_seconds=0.01)) as emulator:
        emulator.load(TABLE_ID, IDS)
        report = await purge(emulator, IDS)
        assert (report.ended, report.acknowledged) == (Ended.COMPLETE, len(IDS))
        assert emulator.count(TABLE_ID) == 0
        wasted = report.requests - len(IDS) // 20
        assert wasted <= 0.3 * report.requests


async def test_random_failures_are_no_reason_to_go_slowly():
    async with Emulator(faults=Faults(seed=3, internal_error_rate=0.1, latency_seconds=0.01)) as emulator:
        emulator.load(TABLE_ID, IDS)
        report = await purge(emulator, IDS, retry={"first_backoff_seconds": 0.05})
        assert (report.ended, report.acknowledged) == (Ended.COMPLETE, len(IDS))


async def test_an_outage_of_some_seconds_costs_few_requests_and_no_batch():
    async with Emulator(faults=Faults(latency_seconds=0.01)) as emulator:
        emulator.load(TABLE_ID, IDS)
        job = asyncio.create_task(purge(emulator, IDS))
        while emulator.requests < 20:
            await asyncio.sleep(0.01)
        before = emulator.requests
        emulator.faults = Faults(internal_error_rate=1.0)
        await asyncio.sleep(4)
        during = emulator.requests - before
        emulator.faults = Faults()
        report = await job
        assert (report.ended, report.acknowledged) == (Ended.COMPLETE, len(IDS))
        assert during < 80


async def test_our_own_quota_is_kept_to_in_every_second():
    async with Emulator(record_requests=True) as emulator:
        emulator.load(TABLE_ID, IDS)
        began = time.monotonic()
        report = await purge(emulator, IDS[:400], flow={"requests_per_second": 10})
        assert report.acknowledged == 400
        assert report.requests == 20
        assert 1.0 <= time.monotonic() - began < 4


async def test_the_servers_headers_are_obeyed_before_it_refuses(tmp_path):
    async with Emulator(switches=Switches(requests_per_hour=15)) as emulator:
        emulator.load(TABLE_ID, IDS)
        report = await purge(emulator, IDS, tmp_path / "purge.db", flow={"max_pause_seconds": 0})
        assert report.ended is Ended.QUOTA
        assert emulator.answers == {0: 15}
        assert report.acknowledged == 15 * 20
        assert report.resume_at_unix_seconds > time.time()
        again = await purge(emulator, IDS, tmp_path / "purge.db", flow={"max_pause_seconds": 0})
        assert (again.ended, again.requests) == (Ended.QUOTA, 0)
        assert emulator.requests == 15


async def test_a_resume_knows_what_was_spent_of_its_own_quota_and_the_last_good_limit(tmp_path):
    async with Emulator() as emulator:
        emulator.load(TABLE_ID, IDS)
        flow = {"requests_per_hour": 30, "max_pause_seconds": 0}
        for sent in (10, 20, 30):
            report = await _next_ten(emulator, tmp_path / "purge.db", flow)
            assert emulator.requests == sent, report
        over = await _next_ten(emulator, tmp_path / "purge.db", flow)
        assert over.ended is Ended.QUOTA
        assert emulator.requests == 30
    with read_ledger(tmp_path / "purge.db") as reader:
        assert float(reader.facts[LIMIT]) >= 1
        assert SPENT in reader.facts


async def _next_ten(emulator, ledger, flow):
    return await purge(emulator, IDS, ledger, flow=flow, stop={"limit": 200})
