"""A ledger that is removed, replaced or mounted by itself: no job goes on without a record of what it does."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from bulkdelete.emulator import Faults
from tests.acceptance.command import Command, fates, finished, ids, purge, serving, write

if TYPE_CHECKING:
    from pathlib import Path

IDS = ids(2_000)
SLOWLY = ("ids.txt", "--batch-size", 10, "--concurrency", 1)
LEDGER_FILES = ("purge.db", "purge.db-wal", "purge.db-shm", "purge.db.lock")


@pytest.fixture
async def emulator(tmp_path):
    async with serving(IDS) as emulator:
        emulator.faults = Faults(latency_seconds=0.02)
        write(tmp_path / "ids.txt", IDS)
        yield emulator


async def until_it_sends(emulator, process):
    async with asyncio.timeout(30):
        while not emulator.requests and process.returncode is None:
            await asyncio.sleep(0.001)


def remove(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).unlink()


def remove_all(folder: Path) -> None:
    remove(folder, *LEDGER_FILES)


def remove_the_ledger(folder: Path) -> None:
    remove(folder, "purge.db")


def move_the_ledger(folder: Path) -> None:
    (folder / "purge.db").rename(folder / "moved.db")


def replace_the_ledger(folder: Path) -> None:
    shutil.copy(folder / "purge.db", folder / "copy.db")
    (folder / "copy.db").replace(folder / "purge.db")


def remove_the_log(folder: Path) -> None:
    remove(folder, "purge.db-wal")


def replace_the_lock(folder: Path) -> None:
    remove(folder, "purge.db.lock")
    (folder / "purge.db.lock").touch()


@pytest.mark.parametrize(
    ("rob", "said"),
    [
        (remove_all, "the ledger was removed or replaced while the job ran: what was sent after that is not recorded"),
        (remove_the_ledger, "the ledger was removed or replaced while the job ran"),
        (move_the_ledger, "If it was moved away, move all its files back"),
        (replace_the_ledger, "the ledger was removed or replaced while the job ran"),
        (remove_the_log, "purge.db-wal was removed or replaced while the job ran"),
        (replace_the_lock, "purge.db.lock was removed or replaced while the job ran"),
    ],
)
async def test_a_job_whose_ledger_is_taken_away_sends_no_more_and_says_so(tmp_path, emulator, rob, said):
    async with purge(tmp_path, emulator, *SLOWLY).started() as process:
        await until_it_sends(emulator, process)
        rob(tmp_path)
        robbed = await finished(process)
    report = robbed.report
    assert (robbed.code, report["ended"], report["ledger_digest"]) == (3, "storage", ""), robbed.everything
    assert "Traceback" not in robbed.stderr
    for told in (said, "Nothing more was sent"):
        assert told in robbed.stderr
        assert told in report["reason"]
    assert fates(report)["unresolved"] > 0
    assert emulator.requests < len(IDS) / 10 / 2


async def test_a_ledger_that_was_moved_back_and_one_whose_log_was_removed_go_on(tmp_path, emulator):
    async with purge(tmp_path, emulator, *SLOWLY).started() as process:
        await until_it_sends(emulator, process)
        remove(tmp_path, "purge.db-wal")
        assert (await finished(process)).code == 3
    async with purge(tmp_path, emulator, *SLOWLY).started() as process:
        there = emulator.requests
        async with asyncio.timeout(30):
            while emulator.requests == there and process.returncode is None:
                await asyncio.sleep(0.001)
        (tmp_path / "away").mkdir()
        for name in LEDGER_FILES[:3]:
            (tmp_path / name).rename(tmp_path / "away" / name)
        assert (await finished(process)).code == 3
    for file in (tmp_path / "away").iterdir():
        file.rename(tmp_path / file.name)
    done = await purge(tmp_path, emulator, "ids.txt").run()
    assert (done.code, fates(done.report)) == (0, {"acknowledged": 2_000}), done.everything


async def test_a_second_job_takes_the_place_of_one_whose_files_are_gone_and_is_left_alone_by_it(tmp_path, emulator):
    emulator.faults = Faults(latency_seconds=2)
    async with purge(tmp_path, emulator, *SLOWLY).started() as process:
        await until_it_sends(emulator, process)
        remove_all(tmp_path)
        async with purge(tmp_path, emulator, "ids.txt").started() as second:
            assert (await finished(process)).code == 3
            done = await finished(second)
    assert (done.code, fates(done.report)) == (0, {"acknowledged": 2_000}), done.everything
    (tmp_path / "report.json").write_text(done.stdout)
    verified = await Command(tmp_path, "verify", "purge.db", "--report", "report.json", "--source", "ids.txt").run()
    assert verified.code == 0, verified.everything


async def test_a_job_that_is_stopped_by_a_signal_says_too_that_its_ledger_is_gone(tmp_path, emulator):
    emulator.faults = Faults(latency_seconds=1)
    async with purge(tmp_path, emulator, *SLOWLY).started() as process:
        await until_it_sends(emulator, process)
        process.send_signal(signal.SIGTERM)
        remove_all(tmp_path)
        robbed = await finished(process)
    assert (robbed.code, robbed.report["ended"], robbed.report["ledger_digest"]) == (143, "signal", "")
    assert robbed.report["reason"].count("the ledger was removed or replaced while the job ran") == 1


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
