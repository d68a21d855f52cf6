"""Jobs that are not killed but starved, stopped, misled or robbed of their files; each ends as if nothing had been."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bulkdelete.emulator import Emulator
from tests.acceptance.command import CANARY_KEY, Command, finished, killed
from tests.crashes import oracle
from tests.crashes.campaign import At, job_of, lay_out

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HOST, PORT = "127.83.9.1", 47_366
CLOCK = Path(__file__).with_name("clock.py")
TWO_DAYS_SECONDS = 2 * 86_400
WITHOUT_PRIVILEGES = """
import ctypes, sys
from bulkdelete.cli import main
if sys.platform == "linux":
    version_3 = (ctypes.c_uint32 * 2)(0x20080522, 0)
    assert ctypes.CDLL(None).capset(version_3, (ctypes.c_uint32 * 6)()) == 0
main()
"""


@pytest.mark.parametrize("seconds", [1.5, pytest.param(60, marks=pytest.mark.campaign)])
async def test_a_process_that_was_stopped_goes_on_when_it_is_continued(one, seconds):
    one.settings("[http]\nanswer_timeout_seconds = 0.5\n")
    async with one.command().started() as process:
        await one.sends(3, process)
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        process.send_signal(signal.SIGCONT)
        await one.looked_at(await finished(process))
    assert one.done


async def test_a_clock_that_was_set_back_for_two_days_changes_no_fate(one):
    assert await one.is_killed_after(0.02, 5)
    await one.looked_at(await one.command(CLOCK, -TWO_DAYS_SECONDS).run())
    assert one.done


@pytest.mark.parametrize("torn", ["cut in its last page", "garbled in its last page"])
async def test_a_torn_last_page_of_the_write_ahead_log_costs_no_more_than_a_repetition(one, torn):
    assert await one.is_killed_at(At("COMMIT", "after", 12))
    log = one.folder / "purge.db-wal"
    whole = log.read_bytes()
    log.write_bytes(whole[:-2000] if torn.startswith("cut") else whole[:-2000] + b"\xaa" * 2000)
    await one.checked()
    await one.looked_at(await one.command().run())
    assert one.done


@pytest.mark.parametrize("files", ["purge.db*", "purge.db", "purge.db-wal"])
async def test_of_a_ledger_that_is_read_only_nothing_is_sent(one, files):
    assert await one.is_killed_after(0.02, 5)
    asked = one.emulator.requests
    for file in one.folder.glob(files):
        file.chmod(0o444)
    refused = await one.command("-c", WITHOUT_PRIVILEGES).run()
    assert refused.code in {2, 3}, refused.everything
    assert one.emulator.requests == asked
    assert "Nothing was sent" in refused.stderr
    assert "Traceback" not in refused.stderr
    for file in one.folder.glob(files):
        file.chmod(0o600)
    await one.checked()


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The emulator as a process of its own, ready."""
    words = (
        "--database",
        "emulator.db",
        "--key",
        CANARY_KEY,
        "--host",
        HOST,
        "--port",
        PORT,
        "--config",
        "served.toml",
    )
    async with Command(folder, "emulator", *words).started() as process:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            while b"ready" not in await process.stdout.readline():
                assert process.returncode is None
        yield process


async def test_an_emulator_that_is_killed_and_started_again_costs_no_row(tmp_path):
    (tmp_path / "served.toml").write_text("[faults]\nlatency_seconds = 0.05\n")
    async with Emulator(tmp_path / "emulator.db") as emulator:
        lay_out(tmp_path, emulator)
    async with served(tmp_path) as server:
        command = job_of(tmp_path, f"http://{HOST}:{PORT}")
        async with command.started() as process:
            with closing(sqlite3.connect(f"{(tmp_path / 'emulator.db').as_uri()}?mode=ro", uri=True)) as database:
                async with asyncio.timeout(30):
                    while counted(database) > oracle.ROWS and process.returncode is None:
                        await asyncio.sleep(0.005)
            await killed(server)
            async with served(tmp_path):
                done = await finished(process)
    assert done.code == 1, done.everything
    assert done.report["retries"] > 0
    async with Emulator(tmp_path / "emulator.db") as emulator:
        counts = oracle.Counts()
        oracle.check_end(oracle.look(tmp_path / "purge.db", counts), emulator, counts)


def counted(database: sqlite3.Connection) -> int:
    return database.execute("SELECT count(*) FROM records").fetchone()[0]
