"""Jobs that are not killed but starved, stopped, misled or robbed of their files; each ends as if nothing had been."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import struct
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bulkdelete.emulator import Emulator, Faults
from tests.acceptance.command import CANARY_KEY, Command, fates, finished, ids, killed, purge, serving
from tests.crashes import oracle
from tests.crashes.campaign import MOST_TWICE, At, job_of, lay_out

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.acceptance.command import Finished, Process

HOST, PORT = "127.83.9.1", 47_366
CLOCK = Path(__file__).with_name("clock.py")
TWO_DAYS_SECONDS, HALF_A_DAY_SECONDS, DAY_MS = 2 * 86_400, 43_200, 86_400_000
PAGE_BYTES = 4096
LOG_HEADER_BYTES, FRAME_BYTES = 32, 24 + PAGE_BYTES
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


def runs(ledger: Path) -> list[tuple[int, int | None]]:
    with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as reader:
        return reader.execute("SELECT started_ms, ended_ms FROM run ORDER BY id").fetchall()


async def test_a_clock_that_was_set_back_for_two_days_changes_no_fate(one):
    assert await one.is_killed_after(0.02, 5)
    await one.looked_at(await one.command(CLOCK, -TWO_DAYS_SECONDS).run())
    assert one.done
    (killed_run, _), (later, _) = runs(one.folder / "purge.db")
    assert later < killed_run - DAY_MS


async def test_a_clock_that_is_set_back_for_half_a_day_while_the_job_runs_changes_no_fate(one):
    now = one.folder / "now"
    async with one.command(CLOCK, f"{-HALF_A_DAY_SECONDS}@{now}").started() as process:
        await one.sends(4, process)
        now.touch()
        await one.looked_at(await finished(process))
    assert one.done
    ((began, ended),) = runs(one.folder / "purge.db")
    assert ended < began - DAY_MS / 3


async def test_a_torn_last_page_of_the_write_ahead_log_costs_no_more_than_a_repetition(one):
    assert await one.is_killed_at(At("COMMIT", "after", 12))
    before = await one.checked()
    one.loses_its_last_commit()
    log = one.folder / "purge.db-wal"
    whole = log.read_bytes()
    for torn_bytes in (1, 2000, FRAME_BYTES - 1):
        for rest in (b"", b"\xaa" * torn_bytes):
            log.write_bytes(whole[:-torn_bytes] + rest)
            torn = await one.checked()
            assert torn.acknowledged <= before.acknowledged
            assert len(before.acknowledged - torn.acknowledged) <= MOST_TWICE
    await one.looked_at(await one.command().run())
    assert one.done


async def test_pages_that_a_checkpoint_was_writing_may_be_torn(one):
    assert await one.is_killed_at(At("checkpoint", "before", 1))
    ledger, log = one.folder / "purge.db", (one.folder / "purge.db-wal").read_bytes()
    main = bytearray(ledger.read_bytes())
    torn = {struct.unpack_from(">I", log, at)[0] - 1 for at in range(LOG_HEADER_BYTES, len(log), FRAME_BYTES)}
    torn = [page for page in sorted(torn) if page < len(main) // PAGE_BYTES]
    assert len(torn) > 3
    for page in torn:
        middle, end = page * PAGE_BYTES + PAGE_BYTES // 2, (page + 1) * PAGE_BYTES
        main[middle:end] = bytes(PAGE_BYTES // 2)
    ledger.write_bytes(main)
    await one.checked()
    await one.looked_at(await one.command().run())
    assert one.done


@pytest.mark.parametrize("files", ["purge.db*", "purge.db-wal"])
async def test_of_a_ledger_that_is_read_only_nothing_is_sent(one, files):
    assert await one.is_killed_after(0.02, 5)
    asked = one.emulator.requests
    as_they_were = {file: file.stat().st_mode for file in one.folder.glob(files)}
    for file, mode in as_they_were.items():
        file.chmod(mode & ~0o222)
    refused = await one.command("-c", WITHOUT_PRIVILEGES).run()
    for file, mode in as_they_were.items():
        file.chmod(mode)
    assert refused.code == 2, refused.everything
    assert one.emulator.requests == asked
    assert "Nothing was sent" in refused.stderr
    assert "Traceback" not in refused.stderr
    await one.checked()


async def test_in_a_folder_that_is_read_only_no_job_begins(one):
    one.folder.chmod(0o500)
    refused = await one.command("-c", WITHOUT_PRIVILEGES).run()
    one.folder.chmod(0o700)
    assert refused.code == 2, refused.everything
    assert not one.emulator.requests
    assert "Nothing was sent" in refused.stderr
    assert "Traceback" not in refused.stderr


async def test_in_a_folder_that_becomes_read_only_while_it_sends_a_job_is_done_and_says_what_stays(tmp_path):
    records = ids(100)
    async with serving(records) as emulator:
        emulator.faults = Faults(latency_seconds=0.05)
        words = ("-", "--batch-size", 10, "--concurrency", 1)
        async with purge(tmp_path, emulator, *words, program=("-c", WITHOUT_PRIVILEGES)).started(b"") as process:
            process.stdin.write("\n".join(records).encode())
            process.stdin.close()
            async with asyncio.timeout(30):
                while not emulator.requests and process.returncode is None:
                    await asyncio.sleep(0.001)
            tmp_path.chmod(0o500)
            done = await finished(process)
            tmp_path.chmod(0o700)
        assert (done.code, done.report["ended"]) == (0, "complete"), done.everything
        assert fates(done.report) == {"acknowledged": 100}
        assert "purge.db.spool, the copy of the records of this job, could not be removed, and stays: " in done.stderr
        assert (tmp_path / "purge.db.spool").exists()
        again = await purge(tmp_path, emulator, *words).run(b"")
        assert (again.code, fates(again.report), emulator.requests) == (0, {"acknowledged": 100}, 10)
        assert not (tmp_path / "purge.db.spool").exists()


async def test_of_four_commands_that_begin_at_once_one_works_and_the_others_are_refused(one):
    one.emulator.faults = Faults(latency_seconds=0.3)
    *others, worked = sorted(await asyncio.gather(*(one.command().run() for _ in range(4))), key=by_requests)
    for refused in others:
        assert refused.code == 75, refused.everything
        assert "is writing this ledger. Nothing was sent" in refused.stderr
    sent = [record for request in one.emulator.log for record in request.applied]
    assert len(sent) == len(set(sent)), "a record was sent by two"
    await one.looked_at(worked)
    assert one.done


def by_requests(ended: Finished) -> int:
    return ended.report.get("requests", 0)


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Process]:
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
