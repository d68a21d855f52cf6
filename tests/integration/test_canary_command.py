"""The command that looks at a canary ends with the job, with all that it has started, whenever that is cancelled."""

from __future__ import annotations

import asyncio
import time

import pytest

from bulkdelete.cli.canary import _run
from tests.acceptance.test_canary import is_running


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
