"""``python -m bulkdelete.emulator`` as another process: its address, its end, and its data after a kill."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from bulkdelete.emulator import Emulator, serve
from tests.integration.asking import TABLE_ID, ask, by_id, ids


@dataclass
class Served:
    process: asyncio.subprocess.Process
    base_url: str
    api_key: str


MODULE = ("bulkdelete.emulator",)
COMMAND = ("bulkdelete", "emulator", "--port", "0")


@asynccontextmanager
async def served(*words: object, program: tuple[str, ...] = MODULE):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *program, *map(str, words)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(30):
            said = (await process.stdout.readline() + await process.stdout.readline()).decode()
        url, key = re.search(r"(http://\S+)", said), re.search(r"BULKDELETE_API_KEY=(\S+)", said)
        assert url, said + (await process.stderr.read()).decode()
        yield Served(process, url[1], key[1])
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_says_where_it_is_and_ends_in_order_on_a_signal(number):
    async with served() as emulator:
        assert emulator.api_key == "emulator-key"
        assert (await ask(emulator, by_id("1"))).code == 403106
        emulator.process.send_signal(number)
        async with asyncio.timeout(30):
            _, stderr = await emulator.process.communicate()
        assert (emulator.process.returncode, stderr) == (0, b"")


async def test_what_it_answered_is_still_so_after_it_was_killed(tmp_path):
    path = tmp_path / "emulator.db"
    async with Emulator(path) as emulator:
        emulator.load(TABLE_ID, ids(3_000))
    async with served("--database", path) as emulator:
        assert (await ask(emulator, by_id(*ids(1_000)))).code == 0
        emulator.process.kill()
        await emulator.process.wait()
    async with Emulator(path) as emulator:
        assert list(emulator.remaining(TABLE_ID)) == ids(3_000)[1_000:]


@pytest.mark.parametrize("program", [MODULE, COMMAND], ids=" ".join)
async def test_it_takes_its_configuration_from_a_file_and_refuses_a_wrong_one(tmp_path, program):
    config = tmp_path / "emulator.toml"
    config.write_text('[switches]\nempty_request = "ok"\n[faults]\nfail_first = 1\n')
    path = tmp_path / "emulator.db"
    async with Emulator(path) as emulator:
        emulator.create_table(TABLE_ID)
    async with served("--config", config, "--database", path, program=program) as emulator:
        assert [(await ask(emulator, [])).code for _ in range(2)] == [50000, 0]
    config.write_text("[faults]\nfail_frist = 1\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *program, "--config", config), stderr=asyncio.subprocess.PIPE
    )
    _, stderr = await process.communicate()
    assert process.returncode == 2
    assert b"faults.fail_frist is unknown; did you mean fail_first?" in stderr


async def test_serving_ends_when_it_is_cancelled(capsys):
    emulator = Emulator()
    serving = asyncio.create_task(serve(emulator))
    said = ""
    async with asyncio.timeout(10):
        while "BULKDELETE_API_KEY" not in said:
            await asyncio.sleep(0)
            said += capsys.readouterr().out
    assert emulator.base_url in said
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    with pytest.raises(RuntimeError):
        emulator.count(TABLE_ID)
