"""A standard error that nobody reads holds nothing up: no request, no deadline and no signal."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager, suppress
from time import monotonic

import pytest

from bulkdelete.emulator import Faults
from tests.acceptance.command import Finished, ended, fates, ids, purge, serving, write
from tests.acceptance.terminal import at_terminal

CTRL_S, CTRL_Q = b"\x13", b"\x11"
IN_TIME_SECONDS = 15


@pytest.fixture
async def emulator(tmp_path):
    write(tmp_path / "ids.txt", ids(400))
    async with serving(ids(400)) as emulator:
        emulator.faults = Faults(latency_seconds=0.05)
        yield emulator


def talkative(folder, emulator, *words):
    words = ("--batch-size", 4, "--concurrency", 1, "--log-level", "debug", *words)
    return purge(folder, emulator, "ids.txt", *words)


@asynccontextmanager
async def into_a_full_pipe(command):
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writes, b"." * 4096)
    os.set_blocking(writes, True)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bulkdelete", *command.words),
        cwd=command.folder,
        env=command.env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=writes,
    )
    os.close(writes)
    try:
        async with ended(process):
            yield process
    finally:
        os.close(reads)


async def until_sent(emulator, requests):
    async with asyncio.timeout(30):
        while emulator.requests < requests:
            await asyncio.sleep(0.01)


async def in_time(process):
    began = monotonic()
    code, printed = await asyncio.wait_for(printed_by(process), IN_TIME_SECONDS)
    return Finished(code, printed, ""), monotonic() - began


async def printed_by(process):
    printed, _ = await process.communicate()
    return process.returncode, printed.decode()


async def test_a_job_goes_on_to_its_end(tmp_path, emulator):
    async with into_a_full_pipe(talkative(tmp_path, emulator)) as process:
        done, _ = await in_time(process)
    assert (done.code, fates(done.report)) == (0, {"acknowledged": 400})


async def test_a_deadline_is_kept(tmp_path, emulator):
    async with into_a_full_pipe(talkative(tmp_path, emulator, "--max-duration", 1)) as process:
        done, _ = await in_time(process)
    assert (done.code, done.report["ended"]) == (75, "duration")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_a_signal_is_heard_and_the_next_run_goes_on(tmp_path, emulator, number):
    async with into_a_full_pipe(talkative(tmp_path, emulator)) as process:
        await until_sent(emulator, 5)
        process.send_signal(number)
        stopped, seconds = await in_time(process)
    assert (stopped.code, stopped.report["ended"]) == (128 + number, "signal")
    assert seconds < 5
    emulator.faults = Faults()
    done = await talkative(tmp_path, emulator).run()
    assert (done.code, fates(done.report)) == (0, {"acknowledged": 400})
    assert emulator.requests == 100


@pytest.mark.parametrize("quietly", [(), ("--quiet",)])
async def test_after_ctrl_s_at_a_terminal_a_signal_is_heard(tmp_path, emulator, quietly):
    async with at_terminal(talkative(tmp_path, emulator, *quietly)) as terminal:
        await until_sent(emulator, 5)
        terminal.press(CTRL_S)
        await until_sent(emulator, 20)  # a terminal that is stopped stops nothing
        terminal.process.terminate()
        stopped, _ = await in_time(terminal.process)
    assert (stopped.code, stopped.report["ended"]) == (143, "signal")


async def test_what_was_not_shown_after_ctrl_s_is_shown_after_ctrl_q(tmp_path, emulator):
    async with at_terminal(talkative(tmp_path, emulator, "--quiet")) as terminal:
        await until_sent(emulator, 5)
        terminal.press(CTRL_S)
        await until_sent(emulator, 20)
        terminal.press(CTRL_Q)
        done, _ = await in_time(terminal.process)
        await terminal.until_shown("the job ended: complete")
    assert done.code == 0
    assert all(f"rows {row} to {row + 3} are acknowledged" in terminal.shown for row in range(0, 400, 4))
