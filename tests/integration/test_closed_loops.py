"""An event loop that is closed with a job in it leaves a ledger that the same process can go on with."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from bulkdelete.emulator import Emulator, Faults
from tests.integration.test_resuming import TABLE_ID, ids

CALLS = """
import asyncio, gc, sys, threading
from bulkdelete import BulkDeleter

when, base_url, table_id, ledger, *ids = sys.argv[1:]
opening, is_closed = threading.Event(), threading.Event()

def hook(event, arguments):
    if event == when:
        opening.set()
        is_closed.wait()

async def begin():
    deleter = BulkDeleter(base_url=base_url, api_key="emulator-key")
    task = asyncio.create_task(deleter.delete(table_id, ids, ledger=ledger))
    while not deleter.in_flight and not opening.is_set():
        await asyncio.sleep(0.01)
    if not opening.is_set():
        await asyncio.sleep(0.1)  # its intent is on disk, and nobody writes

async def go_on():
    async with BulkDeleter(base_url=base_url, api_key="emulator-key") as deleter:
        again = deleter.delete(table_id, ids, ledger=ledger) if opening.is_set() else deleter.resume(ledger)
        return await again

sys.addaudithook(hook)
loop = asyncio.new_event_loop()
loop.run_until_complete(begin())
loop.close()
del loop
is_closed.set()
for thread in threading.enumerate():
    if thread.name.startswith("asyncio"):
        thread.join()
while gc.collect():  # what its coroutines bring back as they are closed goes the next time
    pass
report = asyncio.run(go_on())
print(report.ended, report.acknowledged)
"""


@pytest.mark.parametrize("when", ["in flight", "fcntl.flock", "sqlite3.connect"])
async def test_a_ledger_whose_event_loop_was_closed_is_free_again(tmp_path, when):
    async with Emulator(faults=Faults(script=["drip"] * (when == "in flight"), drip_seconds=3600)) as emulator:
        emulator.load(TABLE_ID, ids(20))
        words = [sys.executable, "-c", CALLS, when, emulator.base_url, TABLE_ID, str(tmp_path / "a.db"), *ids(20)]
        done = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "complete 20\n", done.stderr
