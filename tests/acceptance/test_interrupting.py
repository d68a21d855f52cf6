"""Ctrl-C is heard while a command waits, whichever of its threads the signal reaches, and ends it in order."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
from pathlib import Path

import pytest

from tests.acceptance.command import TABLE_ID, Command, finished, ids, write_csv

_LIBC = ctypes.CDLL(None, use_errno=True)
pytestmark = pytest.mark.skipif(not hasattr(_LIBC, "tgkill"), reason="Linux's way to signal one thread")
RUN = ("run", "ids.csv", "--table-id", TABLE_ID, "--base-url", "http://127.0.0.1:9", "--yes", "-c", "key.toml")
PLAN = ("plan", "ids.csv", "--table-id", TABLE_ID, "--holds", "pipe")


@pytest.fixture
def folder(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    write_csv(tmp_path / "ids.csv", ids(10))
    (tmp_path / "key.toml").write_text('api_key_file = "pipe"\n')
    return tmp_path


async def interrupted(folder, *words):
    """Send SIGINT to a thread other than the main one, which is asleep in its event loop, as the kernel may choose."""
    async with Command(folder, *words, key=None).started() as process:
        async with asyncio.timeout(30):
            writer = await asyncio.to_thread((folder / "pipe").open, "w")  # the command has begun to read
        with writer:
            reading, *_ = [tid for tid in threads_of(process.pid) if tid != process.pid]
            assert _LIBC.tgkill(process.pid, reading, signal.SIGINT) == 0, os.strerror(ctypes.get_errno())
            return await finished(process)


def threads_of(pid):
    return sorted(int(task.name) for task in Path(f"/proc/{pid}/task").iterdir())


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(
    "words", [PLAN, RUN, ("emulator", "--port", 0, "--load", f"{TABLE_ID}=pipe")], ids=lambda words: words[0]
)
async def test_it_is_heard_whichever_thread_the_signal_reaches(folder, words, loop):
    done = await interrupted(folder, *words, "--event-loop", loop)
    assert done.code == 130
    assert done.stderr.splitlines()[-1] == "interrupted: nothing is running any more"
    assert "Traceback" not in done.stderr


async def test_as_json_it_is_one_line_of_json_after_that_about_the_event_loop(folder):
    done = await interrupted(folder, *PLAN, "--log-format", "json")
    assert done.code == 130
    assert ["interrupted" in json.loads(line)["message"] for line in done.stderr.splitlines()] == [False, True]
