"""A signal before the job has begun ends the command, also as PID 1 of a container, and nothing is sent after it."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.acceptance.command import finished, ids, purge, serving, write_csv

NUMBERS = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT]
IN_A_CONTAINER = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child")
AS_PID_1 = f"""
import os, sys
words = {IN_A_CONTAINER!r}
os.execvp(words[0], [*words, sys.executable, "-m", "bulkdelete", *sys.argv[1:]])
"""
IGNORING = "import signal, sys; signal.signal(signal.{}, signal.SIG_IGN); from bulkdelete.cli import main; main()"
SLOW_IMPORT = """
import sys
class Slow:
    @staticmethod
    def find_spec(name, *_):
        if name == {!r}:
            open("pipe").read()
sys.meta_path.insert(0, Slow)
from bulkdelete.cli import main
main()
"""


@pytest.fixture
async def emulator():
    async with serving(ids(50)) as emulator:
        yield emulator


@pytest.fixture
def folder(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    write_csv(tmp_path / "ids.csv", ids(50))
    (tmp_path / "key.toml").write_text('api_key_command = ["cat", "pipe"]\n')
    return tmp_path


def can_be_pid_1():
    try:
        return subprocess.run([*IN_A_CONTAINER, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


async def signalled(command, number, *, as_pid_1=False):
    """Send *number* to *command* while it waits for somebody to write to the pipe, then give it a key there."""
    async with command.started(anew=True) as process:
        async with asyncio.timeout(30):
            writer = await asyncio.to_thread((command.folder / "pipe").open, "w")
        os.kill(child_of(process.pid) if as_pid_1 else process.pid, number)
        with suppress(BrokenPipeError), writer:
            writer.write("a-key")
        return await finished(process)


def child_of(pid):
    [child] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


@pytest.mark.parametrize("number", NUMBERS)
async def test_while_the_key_is_read(folder, emulator, number):
    done = await signalled(purge(folder, emulator, "ids.csv", "-c", "key.toml", key=None), number)
    assert (done.code, emulator.requests) == (128 + number, 0), done.everything


@pytest.mark.parametrize("number", NUMBERS)
async def test_a_command_that_prints_the_key_does_not_outlive_it_and_that_is_told(folder, emulator, number):
    (folder / "key.toml").write_text('api_key_command = ["sh", "-c", "exec 9> pipe; sleep 60; true"]\n')
    command = purge(folder, emulator, "ids.csv", "-c", "key.toml", key=None)
    async with command.started(anew=True) as process:
        async with asyncio.timeout(30):
            held = await asyncio.to_thread((folder / "pipe").open)  # by the command, and by what it starts
        process.send_signal(number)
        done = await finished(process)
        with held:
            assert await asyncio.to_thread(select.select, [held], [], [], 5) == ([held], [], [])  # nobody has it open
    said = "interrupted: nothing is running any more"
    assert (done.code, emulator.requests) == (128 + number, 0)
    assert done.report == {"ended": "refused", "reason": said, "exit_code": done.code}
    assert done.stderr.splitlines()[-1] == said


@pytest.mark.skipif(not can_be_pid_1(), reason="no namespace of processes can be made here")
@pytest.mark.parametrize("number", NUMBERS)
async def test_as_pid_1_whose_signals_the_kernel_drops_unless_they_are_heeded(folder, emulator, number):
    command = purge(folder, emulator, "ids.csv", "-c", "key.toml", key=None, program=("-c", AS_PID_1))
    done = await signalled(command, number, as_pid_1=True)
    assert (done.code, emulator.requests) == (128 + number, 0), done.everything


@pytest.mark.parametrize("module", ["click", "bulkdelete.cli.run", "pydantic_core", "aiohttp"])
@pytest.mark.parametrize("number", NUMBERS)
async def test_during_the_imports(folder, emulator, number, module):
    command = purge(folder, emulator, "ids.csv", program=("-c", SLOW_IMPORT.format(module)))
    done = await signalled(command, number)
    assert (done.code, done.everything, emulator.requests) == (128 + number, "", 0)


@pytest.mark.parametrize("number", NUMBERS)
async def test_one_that_is_ignored_as_nohup_has_it_stays_so(folder, emulator, number):
    program = ("-c", IGNORING.format(number.name))
    words = ("ids.csv", "-c", "key.toml", "--limit", 0)
    done = await signalled(purge(folder, emulator, *words, key=None, program=program), number)
    assert (done.code, done.report["ended"]) == (75, "limit"), done.everything
