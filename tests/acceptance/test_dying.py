"""What happens when it dies at 3 a.m.: signals, SIGKILL, and the same command again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from bulkdelete.emulator import Emulator, Faults
from tests.acceptance.command import CANARY_KEY, TABLE_ID, Command, fates, finished, ids, killed, write_csv

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.command import Process

ROWS = 40_000
both_loops = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


def purge(folder: Path, emulator: Emulator, *more: object) -> Command:
    words = ("run", "ids.csv", "--table-id", TABLE_ID, "--base-url", emulator.base_url, "--ledger", "purge.db")
    at_once = () if "--concurrency" in more else ("--concurrency", 4)
    return Command(folder, *words, *at_once, "--yes", "--json", *more)


@pytest.fixture
async def slow(tmp_path):
    async with Emulator(faults=Faults(latency_seconds=0.05)) as emulator:
        emulator.add_key(CANARY_KEY)
        emulator.load(TABLE_ID, ids(ROWS) + ids(500, first=700_000_000_000_000_000))
        write_csv(tmp_path / "ids.csv", ids(ROWS))
        yield emulator


async def until_it_sends(emulator: Emulator, process: Process, requests: int) -> None:
    async with asyncio.timeout(30):
        while emulator.requests < requests and process.returncode is None:
            await asyncio.sleep(0.002)


async def resumed(folder: Path, emulator: Emulator, *more: object) -> None:
    """Run the same command to its end and assert the same fates as one uninterrupted run has."""
    last = await purge(folder, emulator, *more).run()
    assert last.code == 0, last.stderr
    assert fates(last.report) == {"acknowledged": ROWS}
    assert sorted(emulator.remaining(TABLE_ID)) == sorted(ids(500, first=700_000_000_000_000_000))


@both_loops
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
async def test_a_signal_drains_and_the_same_command_goes_on(tmp_path, slow, number, code, loop):
    async with purge(tmp_path, slow, "--event-loop", loop).started() as process:
        await until_it_sends(slow, process, 6)
        process.send_signal(number)
        stopped = await finished(process)
    assert stopped.code == code, stopped.stderr
    assert "bulkdelete run ids.csv" in stopped.stderr
    counts = fates(stopped.report)
    assert counts["acknowledged"] == slow.requests * 1_000
    assert "unresolved" not in counts
    await resumed(tmp_path, slow, "--event-loop", loop)


@both_loops
async def test_a_second_sigint_ends_it_at_once_and_the_same_command_goes_on(tmp_path, slow, loop):
    await slow_down(slow)
    async with purge(tmp_path, slow, "--event-loop", loop).started() as process:
        await until_it_sends(slow, process, 1)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        async with asyncio.timeout(30):
            while b"again" not in await process.stderr.readline():
                pass
        process.send_signal(signal.SIGINT)
        stopped = await finished(process)
    assert stopped.code == 130, stopped.stderr
    verified = await Command(tmp_path, "verify", "purge.db", "--digest", stopped.report["ledger_digest"]).run()
    assert verified.code == 0, verified.everything
    await slow_down(slow, 0.01)
    await resumed(tmp_path, slow, "--event-loop", loop)


@both_loops
async def test_killed_it_goes_on_with_the_same_command(tmp_path, slow, loop):
    async with purge(tmp_path, slow, "--event-loop", loop).started() as process:
        await until_it_sends(slow, process, 6)
        await killed(process)
    await resumed(tmp_path, slow, "--event-loop", loop)


async def slow_down(emulator: Emulator, latency_seconds: float = 20.0) -> None:
    emulator.faults = Faults(latency_seconds=latency_seconds)


async def test_what_is_in_doubt_after_a_kill_is_some_more_than_was_on_the_wire_and_not_all_that_was_read(
    tmp_path, slow
):
    await slow_down(slow)
    async with purge(tmp_path, slow, "--concurrency", "adaptive").started() as process:
        await until_it_sends(slow, process, 1)
        await asyncio.sleep(0.5)  # what it cuts in half a second would be the whole file
        await killed(process)
    status = await Command(tmp_path, "status", "purge.db", "--json").run()
    assert 1_000 <= json.loads(status.stdout)["unresolved"] <= 30_000


async def test_a_second_process_on_the_same_ledger_is_refused(tmp_path, slow):
    await slow_down(slow, 0.5)
    async with purge(tmp_path, slow).started() as process:
        await until_it_sends(slow, process, 2)
        second = await purge(tmp_path, slow).run()
        assert second.code == 75
        assert str(process.pid) in second.stderr
        status = await Command(tmp_path, "status", "purge.db").run()
        assert status.code == 0
        assert str(process.pid) in status.stdout
        first = await finished(process)
    assert first.code == 0


async def test_the_key_appears_nowhere(tmp_path):
    async with Emulator(faults=Faults(script=["50000", "drop_after", "502"], unauthorized_after=12)) as emulator:
        emulator.add_key(CANARY_KEY)
        emulator.load(TABLE_ID, ids(ROWS))
        write_csv(tmp_path / "ids.csv", ids(ROWS))
        stopped = await purge(tmp_path, emulator).run()
        assert stopped.code == 3, stopped.stderr
        assert CANARY_KEY not in stopped.everything
        for words in (("status", "purge.db"), ("failures", "purge.db")):
            assert CANARY_KEY not in (await Command(tmp_path, *words).run()).everything
        for file in tmp_path.glob("purge.db*"):
            assert CANARY_KEY.encode() not in file.read_bytes(), file


async def test_a_full_disk_ends_it_with_3_and_the_same_command_goes_on(tmp_path, slow):
    command = purge(tmp_path, slow)
    limited = Command(tmp_path, *command.words, most_file_bytes=40_960)
    stopped = await limited.run()
    assert stopped.code == 3, stopped.everything
    assert "Traceback" not in stopped.stderr
    assert stopped.report["ended"] == "storage"
    assert stopped.report["ledger_digest"] == ""
    fates(stopped.report)
    await resumed(tmp_path, slow)


@both_loops
async def test_sigterm_is_heard_while_standard_input_is_still_coming(tmp_path, slow, loop):
    words = ("run", "-", "--table-id", TABLE_ID, "--base-url", slow.base_url, "--ledger", "purge.db", "--yes", "--json")
    async with Command(tmp_path, *words, "--event-loop", loop).started(stdin=b"") as process:
        assert process.stdin is not None
        process.stdin.write(b"541278230707963208\n")
        async with asyncio.timeout(30):
            while not list(tmp_path.glob("purge.db.spool*")):
                await asyncio.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 143
    assert slow.requests == 0


async def test_with_stderr_closed_it_still_works_and_reports(tmp_path, slow):
    command = purge(tmp_path, slow, "--limit", 2_000)
    shell = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        f'exec {sys.executable} -m bulkdelete "$@" 2>&-',
        "sh",
        *command.words,
        cwd=tmp_path,
        env={**os.environ, "BULKDELETE_API_KEY": CANARY_KEY},
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await shell.communicate()
    assert shell.returncode == 75
    assert json.loads(printed)["acknowledged"] == 2_000
