"""``bulkdelete demo``: the whole job on one machine, proven from the emulator's own database."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress

import pytest

from bulkdelete.errors import LedgerError
from bulkdelete.ledger import read_ledger
from tests.acceptance.command import LONGEST_SECONDS, Command, finished


async def test_the_demo_proves_what_it_did_and_leaves_nothing_behind(tmp_path):
    finished = await Command(tmp_path, "demo", "--records", 20_000).run()
    assert finished.code == 0, finished.everything
    assert "proved" in finished.everything
    assert "20,000" in finished.everything
    assert not list(tmp_path.iterdir())


async def test_the_demo_keeps_its_files_where_it_is_told_to(tmp_path):
    finished = await Command(tmp_path, "demo", "--records", 5_000, "--keep", "kept").run()
    assert finished.code == 0, finished.everything
    assert any("bulkdelete.db" in file.name or file.suffix == ".db" for file in (tmp_path / "kept").iterdir())


@pytest.mark.parametrize("keep", [(), ("--keep", "kept")], ids=["removed", "kept"])
async def test_a_demo_that_is_stopped_gives_no_command_that_needs_what_is_gone(tmp_path, keep):
    command = Command(tmp_path, "demo", "--records", 100_000, *keep)
    command.env["TMPDIR"] = str(tmp_path)
    async with command.started() as process:
        communicating = asyncio.create_task(finished(process))
        await until_some_are_acknowledged(tmp_path)
        process.send_signal(signal.SIGINT)
        stopped = await communicating
    assert stopped.code == 130, stopped.everything
    assert "signal, it was asked to stop" in stopped.stdout
    before, _, after = stopped.everything.partition("4. the real command deletes them:")
    assert "bulkdelete run" not in before + after.split("\n", 2)[2], stopped.everything
    assert "bulkdelete failures" not in stopped.everything
    assert "to go on" not in stopped.everything
    if keep:
        assert "the demonstration was stopped; its files are in kept" in stopped.stderr
        assert (await Command(tmp_path, "status", "kept/purge.bulkdelete.db").run()).code == 0
    else:
        assert "the demonstration was stopped, and its files are removed" in stopped.stderr
        assert not list(tmp_path.iterdir())


async def until_some_are_acknowledged(folder):
    async with asyncio.timeout(LONGEST_SECONDS):
        while True:
            for ledger in folder.glob("*/purge.bulkdelete.db"):
                with suppress(LedgerError), read_ledger(ledger) as reader:
                    if reader.totals().acknowledged:
                        return
            await asyncio.sleep(0.02)
