"""Where a key could be read while the command runs, and who may read what it writes."""

from __future__ import annotations

import asyncio
import os
import stat
from typing import TYPE_CHECKING

import psutil
import pytest

from bulkdelete.emulator import Emulator, Faults
from tests.acceptance.command import CANARY_KEY, TABLE_ID, Command, fates, finished, ids, killed, write
from tests.secrets import assert_nowhere

if TYPE_CHECKING:
    from pathlib import Path

SLOW = Faults(latency_seconds=0.05)
TELLS = """#!/bin/sh
for pid in $$ $PPID; do tr '\\0' ' ' < /proc/$pid/cmdline >> told; echo >> told; done
env >> told-env
sleep 0.3 &
for pid in $(cat /proc/$$/task/*/children); do tr '\\0' ' ' < /proc/$pid/cmdline >> told; done
wait
"""


@pytest.fixture
async def emulator():
    async with Emulator(record_requests=True, faults=SLOW) as emulator:
        emulator.add_key(CANARY_KEY)
        emulator.load(TABLE_ID, ids(4_000))
        yield emulator


@pytest.fixture
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def purge(folder, emulator, *words, key: str | None = CANARY_KEY) -> Command:
    job = (
        "run",
        "--table-id",
        TABLE_ID,
        "--base-url",
        emulator.base_url,
        "--ledger",
        "job/purge.db",
        "--yes",
        "--json",
    )
    return Command(folder, *job, *words, key=key)


def executable(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o700)
    return path


async def test_no_command_line_of_ours_or_of_a_child_holds_the_key(tmp_path, emulator):
    (tmp_path / "job").mkdir()
    write(tmp_path / "ids.txt", ids(4_000))
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text(CANARY_KEY)
    executable(tmp_path / "give-key", f"{TELLS}cat secret/key\n")
    executable(tmp_path / "check", f"{TELLS}cat > /dev/null\n")
    (tmp_path / "purge.toml").write_text(
        'api_key_command = ["./give-key"]\n[canary]\nrecords = 10\ncheck_command = ["./check"]\n'
        "[batch]\nsize = 100\n[flow]\nconcurrency = 1\n"
    )
    async with purge(tmp_path, emulator, "ids.txt", "-c", "purge.toml", key=None).started(anew=True) as process:
        seen: set[str] = set()
        communicating = asyncio.ensure_future(finished(process))
        while not communicating.done():
            seen |= command_lines(process.pid)
            await asyncio.sleep(0.005)
        done = await communicating
    assert done.code == 0, done.stderr
    assert any("give-key" in line for line in seen)
    assert any("sleep" in line for line in seen | {(tmp_path / "told").read_text()})
    told = [tmp_path / "told", tmp_path / "told-env", tmp_path / "job"]
    assert_nowhere(CANARY_KEY, told, [*seen, done.everything])


async def test_the_check_of_a_canary_gets_no_key_in_its_environment(tmp_path, emulator):
    (tmp_path / "job").mkdir()
    write(tmp_path / "ids.txt", ids(20))
    executable(tmp_path / "check", f"{TELLS}cat > report\n")
    (tmp_path / "purge.toml").write_text('[canary]\nrecords = 10\ncheck_command = ["./check"]\n')
    done = await purge(tmp_path, emulator, "ids.txt", "-c", "purge.toml").run()
    assert done.code == 0, done.stderr
    assert "PATH=" in (tmp_path / "told-env").read_text()
    assert_nowhere(CANARY_KEY, [tmp_path], [done.everything])


async def test_a_key_in_place_of_its_file_s_name_gets_into_no_plan_and_no_ledger(tmp_path, emulator):
    write(tmp_path / "ids.txt", ids(5))
    (tmp_path / "job").mkdir()
    (tmp_path / "purge.toml").write_text(f'api_key_file = "{CANARY_KEY}"\n')
    words = ("ids.txt", "--table-id", TABLE_ID, "--base-url", emulator.base_url, "-c", "purge.toml")
    planned = await Command(tmp_path, "plan", *words, "-o", "plan.json", key=None).run()
    assert planned.code == 0, planned.everything
    refused = await purge(tmp_path, emulator, "ids.txt", "-c", "purge.toml", key=None).run()
    done = await purge(tmp_path, emulator, "ids.txt", "-c", "purge.toml").run()
    assert (refused.code, done.code) == (2, 0), done.everything
    (tmp_path / "purge.toml").unlink()
    assert_nowhere(CANARY_KEY, [tmp_path], [planned.everything, refused.everything, done.everything])


def command_lines(pid: int) -> set[str]:
    lines = set()
    try:
        for process in [(ours := psutil.Process(pid)), *ours.children(recursive=True)]:
            lines.add(" ".join(process.cmdline()))
    except psutil.Error:
        pass
    return lines


async def test_what_a_job_writes_is_for_its_owner_only_whatever_the_umask(tmp_path, emulator, open_umask):
    (tmp_path / "job").mkdir()
    os.umask(0)
    rows = "".join(f"{record}\n" for record in ids(4_000)).encode()
    write(tmp_path / "ids.txt", ids(4_000))
    given = {"ids.txt", "job"}
    planned = await Command(
        tmp_path, *("plan", "ids.txt", "--table-id", TABLE_ID, "--base-url", emulator.base_url, "-o", "plan.json")
    ).run()
    assert planned.code == 0, planned.stderr
    async with purge(tmp_path, emulator, "-", "--batch-size", "100", "--concurrency", "1").started(rows) as process:
        assert process.stdin
        process.stdin.write(rows)
        process.stdin.close()
        while emulator.requests < 5:
            await asyncio.sleep(0.01)
        while_running = open_to_others(tmp_path, given)
        names = {file.name for file in (tmp_path / "job").iterdir()}
        await killed(process)
    assert {"purge.db", "purge.db-wal", "purge.db-shm", "purge.db.spool"} <= names, names
    assert not while_running
    assert not open_to_others(tmp_path, given)
    done = await purge(tmp_path, emulator, "-", "--batch-size", "100").run(b"")
    assert fates(done.report) == {"acknowledged": 4_000}
    assert_nowhere(CANARY_KEY, [tmp_path], [planned.everything, done.everything])
    assert not open_to_others(tmp_path, given)


async def test_what_the_demo_keeps_and_the_emulators_file_with_its_keys_are_for_their_owner_only(tmp_path, open_umask):
    done = await Command(tmp_path, "demo", "--records", "2000", "--keep", "a/b/kept", key=None).run()
    assert done.code == 0, done.stderr
    assert (tmp_path / "a/b/kept/ids.csv").exists()
    assert not open_to_others(tmp_path, set())
    async with Emulator(tmp_path / "emulator.db") as emulator:
        emulator.add_key(CANARY_KEY)
        assert not open_to_others(tmp_path, set())


def open_to_others(folder: Path, given: set[str]) -> list[str]:
    """Return what others than its owner may use below *folder*, apart from what was *given*."""
    found = []
    for path in folder.rglob("*"):
        mode = stat.S_IMODE(path.lstat().st_mode)
        if path.name not in given and mode != (0o700 if path.is_dir() else 0o600):
            found.append(f"{path}: {mode:o}")
    return found
