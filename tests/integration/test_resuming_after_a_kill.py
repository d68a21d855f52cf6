"""A service that is killed in the middle of its durable calls, and started again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from itertools import chain
from pathlib import Path

import pytest

from bulkdelete import BulkDeleter, Ended, LedgerFolder, LedgerState, SourceRefused
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


CALL_WITH_A_SET = """
import asyncio, sys
from bulkdelete import BulkDeleter, Settings
async def main(base_url, api_key, ledger, *ids):
    settings = Settings.from_mapping({"batch": {"size": 5}})
    async with BulkDeleter(base_url=base_url, api_key=api_key, settings=settings) as deleter:
        report = await deleter.delete("%s", set(ids), ledger=ledger, limit=10)
        print(report.ended, report.acknowledged)
asyncio.run(main(*sys.argv[1:]))
"""


async def test_the_same_call_with_a_set_in_another_process_goes_on_with_it(tmp_path):
    said = []
    async with Emulator(record_requests=True) as emulator:
        emulator.load(TABLE_ID, ids(0)[:20])
        for seed in "1", "2", "3":  # each has an order of its own for a set of texts
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", CALL_WITH_A_SET % TABLE_ID, emulator.base_url, emulator.api_key),
                *(tmp_path / "erase.db", *ids(0)[:20]),
                env={**os.environ, "PYTHONHASHSEED": seed},
                stdout=asyncio.subprocess.PIPE,
            )
            said.append((await process.communicate())[0].decode().split())
        sent = [entry["record_id"] for request in emulator.log for entry in request.entries]
    assert said == [["limit", "10"], ["complete", "20"], ["complete", "20"]]
    assert sorted(sent) == sorted(ids(0)[:20])


KILLED_AS_THE_LEDGER_IS_MADE = """
import asyncio, os, signal, sys
from bulkdelete import BulkDeleter
from bulkdelete.ledger import opening
opening.check_identity = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
async def main(base_url, ledger):
    async with BulkDeleter(base_url=base_url, api_key="a-key") as deleter:
        await deleter.delete("%s", ["1"], ledger=ledger)
asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_ledger_whose_process_died_as_it_made_it_says_to_make_the_call_again(tmp_path):
    folder = LedgerFolder(tmp_path)
    async with Emulator() as emulator:
        emulator.load(TABLE_ID, ids(0)[:5])
        words = ("-c", KILLED_AS_THE_LEDGER_IS_MADE % TABLE_ID, emulator.base_url, folder.path_for("a"))
        killed = await asyncio.create_subprocess_exec(sys.executable, *words)
        assert await killed.wait() == -signal.SIGKILL
        kept = await folder.ledger("a")
        assert (kept.state, "Make the call again" in kept.why) == (LedgerState.NEVER_BEGUN, True), kept.why
        async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
            with pytest.raises(SourceRefused, match="Make the call again with its records and this ledger"):
                await deleter.resume(kept.path)
            report = await deleter.delete(TABLE_ID, ids(0)[:5], ledger=kept.path)
    assert (report.ended, report.acknowledged) == (Ended.COMPLETE, 5)
