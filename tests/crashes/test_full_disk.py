"""The disk is full: from the start on, or from some moment of a run on, also in the middle of a commit."""

from __future__ import annotations

import random
import resource
from contextlib import suppress

import pytest

from tests.acceptance.command import CANARY_KEY, Command, fates, finished
from tests.crashes.conftest import SEED
from tests.secrets import assert_nowhere

SIZE_OF_A_NEW_LEDGER_BYTES = 32_768
FRAME_BYTES = 24 + 4096
"""What a page takes in the write-ahead log: a frame's head, and the page."""
RUNS = 5
MOST_REQUESTS = 5
FEWEST_FULL = 3


def fill_up(pid: int, size_bytes: int) -> None:
    """Let no file of process *pid* grow beyond *size_bytes*."""
    with suppress(ProcessLookupError):
        hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size_bytes, hard))


@pytest.mark.parametrize("job", [0, *(pytest.param(number, marks=pytest.mark.campaign) for number in range(1, 10))])
async def test_a_disk_that_fills_up_at_any_byte_of_a_run_loses_nothing(one, job):
    chance = random.Random(f"{SEED}/{job}")
    log = one.folder / "purge.db-wal"
    full = 0
    for _ in range(RUNS):
        if one.done:
            break
        async with one.command().started() as process:
            await one.sends(chance.randint(1, MOST_REQUESTS), process)
            if process.returncode is None:
                fill_up(process.pid, log.stat().st_size + chance.randrange(3 * FRAME_BYTES))
            stopped = await finished(process)
        if stopped.code != 3:
            await one.looked_at(stopped)
            continue
        full += 1
        assert stopped.report["ended"] == "storage", stopped.everything
        assert "make room or mend the disk, and run the same command again" in stopped.stderr
        assert "Traceback" not in stopped.stderr
        assert_nowhere(CANARY_KEY, one.folder.glob("purge.*"), [stopped.everything])
        seen = await one.checked()
        assert fates(stopped.report).get("acknowledged", 0) <= len(seen.acknowledged)
    assert full >= FEWEST_FULL


@pytest.mark.parametrize(("size_bytes", "code"), [(0, 2), (5_000, 2), (33_000, 3), (90_001, 3)])
async def test_on_a_disk_that_is_full_from_the_start_a_job_stops_before_it_sends_what_it_cannot_keep(
    one, size_bytes, code
):
    stopped = await Command(one.folder, *one.command().words, most_file_bytes=size_bytes).run()
    assert stopped.code == code, stopped.everything
    assert "Traceback" not in stopped.stderr
    assert f"Nothing {'more ' if size_bytes > SIZE_OF_A_NEW_LEDGER_BYTES else ''}was sent" in stopped.stderr
    assert bool(one.emulator.requests) == (size_bytes > 2 * SIZE_OF_A_NEW_LEDGER_BYTES)
    await one.checked()
