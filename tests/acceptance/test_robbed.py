"""A ledger that is mounted by itself: no job goes on without a record of what it does."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from bulkdelete.emulator import Faults
from tests.acceptance.command import Command, ids, purge, serving, write

if TYPE_CHECKING:
    from pathlib import Path

IDS = ids(2_000)
SLOWLY = ("ids.txt", "--batch-size", 10, "--concurrency", 1)


@pytest.fixture
async def emulator(tmp_path):
    async with serving(IDS) as emulator:
        emulator.faults = Faults(latency_seconds=0.02)
        write(tmp_path / "ids.txt", IDS)
        yield emulator


def run_mounted(folder: Path, *words: str, **keywords: Any) -> subprocess.CompletedProcess[str]:
    """Run *words* in a mount namespace of their own, where purge.db lies at "da ta/purge.db" too."""
    own = ("unshare", "-m" if os.geteuid() == 0 else "-rm")
    mount = 'mount --bind purge.db "da ta/purge.db" && exec "$@"'
    shell = [*own, "sh", "-c", mount, "sh", *words]
    return subprocess.run(shell, cwd=folder, check=False, capture_output=True, text=True, timeout=60, **keywords)


@pytest.fixture
def mounted(tmp_path):
    """Give what runs a command where the ledger is mounted by itself; skip where nobody may mount."""
    (tmp_path / "da ta").mkdir()
    for there in (tmp_path / "da ta" / "purge.db", tmp_path / "purge.db"):
        there.touch()
    if shutil.which("unshare") is None or run_mounted(tmp_path, "true").returncode:
        pytest.skip("nothing can be mounted here")
    (tmp_path / "purge.db").unlink()
    return lambda command: run_mounted(tmp_path, sys.executable, "-m", "bulkdelete", *command.words, env=command.env)


async def test_a_ledger_that_is_mounted_by_itself_is_refused_and_can_be_read(tmp_path, emulator, mounted):
    first = await purge(tmp_path, emulator, *SLOWLY, "--limit", 10).run()
    assert first.code == 75, first.everything
    refused = await asyncio.to_thread(mounted, purge(tmp_path, emulator, *SLOWLY, "--ledger", "da ta/purge.db"))
    assert refused.returncode == 2, refused.stderr
    assert "Nothing was sent, and the ledger is as it was. Mount its folder instead" in refused.stderr
    assert emulator.requests == 1
    assert not (tmp_path / "da ta" / "purge.db.lock").exists()
    told = await asyncio.to_thread(mounted, Command(tmp_path, "status", "da ta/purge.db", "--json"))
    assert told.returncode == 0, told.stderr
    again = await purge(tmp_path, emulator, *SLOWLY, "--limit", 10).run()
    assert (again.code, again.report["acknowledged"]) == (75, 20)
