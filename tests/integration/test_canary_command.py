"""The command that looks at a canary ends with the job, with all that it has started, whenever that is cancelled."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
import time
import tracemalloc

import pytest

from bulkdelete.cli import talking
from bulkdelete.cli.canary import _ask, _run
from tests.acceptance.test_canary import is_running

pytestmark = pytest.mark.both_loops


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 10])
async def test_a_command_that_looks_ends_with_all_that_it_has_started(tmp_path, steps):
    looking = tmp_path / "looking"
    words = ("sh", "-c", f"sleep 60 & echo $! > {looking}.new; mv {looking}.new {looking}; wait")
    task = asyncio.create_task(_run(words, "a report"))
    for _ in range(steps):
        await asyncio.sleep(0)
    until = time.monotonic() + 1
    while not looking.exists() and time.monotonic() < until:  # the loop does not see yet that it has begun
        time.sleep(0.01)  # noqa: ASYNC251 - nothing else is to run
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    if looking.exists():
        async with asyncio.timeout(30):
            while is_running(int(looking.read_text())):
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("script", ["exit", "cat > /dev/stderr", "cat /dev/stdin > /dev/stdout"])
async def test_a_command_may_leave_the_report_unread_and_open_its_streams_by_name(capfd, script, log_format):
    with talking.logged(log_format, "warning"):
        assert await _run(("sh", "-c", script), "the report " * 50_000)
    assert ("the report" in capfd.readouterr().err) == (script != "exit")


@pytest.mark.no_cover  # long, and reaches nothing that others do not
async def test_what_a_command_says_without_end_is_told_in_part_and_takes_no_memory(capfd):
    tracemalloc.start()
    with talking.logged("json", "warning"):
        assert await _run(("sh", "-c", "yes ' all is well' | head -c 50000000; exit 0"), "the report")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    said = capfd.readouterr().err
    assert "all is well" in said
    assert "sh said more than 65,536 bytes: the rest is not shown" in said
    assert "ended with exit code 0" in said
    assert peak < 8_000_000


async def test_asking_leaves_the_terminal_as_it_is_for_the_shell(monkeypatch):
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "w") as person, os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        asked = asyncio.create_task(_ask("Is this right? "))
        await asyncio.sleep(0)
        assert os.get_blocking(terminal.fileno())
        print("yes", file=person, flush=True)
        assert await asked == "yes"
        assert os.get_blocking(terminal.fileno())
