"""A process that is forked while a ledger is open, as a pool of processes is, keeps nobody from it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from bulkdelete.errors import LedgerLocked
from bulkdelete.ledger import open_ledger
from tests.unit.test_ledger import IDENTITY, opened

ROOT = Path(__file__).parents[2]

FORK = """
import asyncio, os, sys
from bulkdelete.ledger import open_ledger, read_ledger
from tests.unit.test_ledger import IDENTITY

path, when = sys.argv[1:]

def fork():
    if not os.fork():
        os.close(1)
        sys.stdin.read()  # until the test lets it end
        os._exit(0)

def hook(event, arguments):
    if when == "at every lock" and event == "fcntl.flock":
        fork()

async def main():
    ledger = await open_ledger(path, IDENTITY)
    if when == "while it is open":
        fork()
    with read_ledger(path) as reader:
        assert reader.running() == os.getpid()
    if when == "before it is closed":
        fork()
    if when != "while it is open":
        await ledger.close(None)
        with read_ledger(path) as reader:
            assert reader.running() is None
    print("ready", flush=True)
    sys.stdin.read()

sys.addaudithook(hook)
asyncio.run(main())
"""


@pytest.mark.parametrize("when", ["while it is open", "at every lock", "before it is closed"])
def test_a_ledger_is_free_though_what_was_forked_lives_on(tmp_path, when):
    path = tmp_path / "a.db"
    words = [sys.executable, "-c", FORK, str(path), when]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        if when == "while it is open":
            with pytest.raises(LedgerLocked, match=rf"process {process.pid}\b"):
                asyncio.run(open_ledger(path, IDENTITY))
            process.kill()
            process.wait()

        async def again():
            async with opened(path) as ledger:
                assert ledger.totals.rows == 0

        asyncio.run(again())
        process.stdin.close()
