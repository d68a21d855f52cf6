"""A service that is killed in the middle of its durable calls, and started again."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from itertools import chain
from pathlib import Path

from bulkdelete import LedgerFolder
from bulkdelete.emulator import Emulator, Faults
from tests.integration.service import RECORDS, TABLE_ID, ids

SERVICE = Path(__file__).with_name("service.py")
BATCH, WORKERS = 50, 4


def service(emulator: Emulator, folder: Path, what: str) -> asyncio.subprocess.Process:
    words = (SERVICE, emulator.base_url, emulator.api_key, folder, what)
    return asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)


async def test_a_killed_service_goes_on_with_an_iterable_and_a_file_and_sends_exactly_their_records(tmp_path):
    (tmp_path / "ids.txt").write_text("\n".join(ids(RECORDS)))
    records, others = ids(0) + ids(RECORDS), ids(9 * RECORDS)
    async with Emulator(record_requests=True, faults=Faults(latency_seconds=0.05)) as emulator:
        emulator.load(TABLE_ID, records + others)
        process = await service(emulator, tmp_path, "call")
        async with asyncio.timeout(30):
            while len(emulator.log) < 12:  # of 60
                await asyncio.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        assert 0 < emulator.count(TABLE_ID) - len(others) < len(records)
        left = await LedgerFolder(tmp_path).ledgers()
        assert [(one.name, one.state, one.last_ended) for one in left] == [
            ("file", "resumable", None),
            ("streamed", "resumable", None),
        ]
        emulator.faults = Faults()
        said, _ = await (await service(emulator, tmp_path, "start")).communicate()
        came = json.loads(said)
        for name, invalid in (("file", 0), ("streamed", 1)):
            assert came[name] == [RECORDS + invalid, RECORDS, invalid]
        assert set(emulator.remaining(TABLE_ID)) == set(others)
        sent = [entry["record_id"] for request in emulator.log for entry in request.entries]
    assert set(sent) == set(records)
    assert len(sent) - len(records) <= 2 * WORKERS * BATCH, "more was sent again than the workers of both calls had"
    assert not {*chain.from_iterable(request.applied for request in emulator.log)} & set(others)
    assert [one.state for one in await LedgerFolder(tmp_path).ledgers()] == ["complete"] * 2
    assert not [*tmp_path.glob("*.spool*")]
