"""The jobs whose ledgers are kept, and how they are made: by the command and by calls, against the emulator."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bulkdelete.emulator import Emulator, Faults
from bulkdelete.ledger.schema import SCHEMA_VERSION
from tests.acceptance.command import CANARY_KEY, TABLE_ID, finished, ids, killed, purge, write, write_csv
from tests.old_ledgers.calls import CALLS, LAUNCHER, CallMaker, fill

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.acceptance.command import Command, Finished

HERE = Path(__file__).parent
PORT = 47_365
JOBS = ("finished", "interrupted", "stopped")

INVALID, HELD, DUPLICATE, POISONED = {3: "a b"}, (5, 41), {16: 12}, (8, 51)
ROWS = 80
SOURCE = ids(ROWS)
for row, record in {**INVALID, **{row: SOURCE[earlier] for row, earlier in DUPLICATE.items()}}.items():
    SOURCE[row] = record

_RETRY: Final = "[retry]\nmax_attempts = 2\nfirst_backoff_seconds = 0.01\n"
_QUOTA: Final = "\n[flow]\nrequests_per_day = 1000\n"
_STOPPED: Final = """
[codes]
50000 = "too_large"

[stop]
max_records = 150

[canary]
records = 10
check_command = ["true"]
"""
_OF_SCHEMA_1: Final = ("ids.csv", "-c", "purge.toml", "--batch-size", 10)
_WORDS: Final = (*_OF_SCHEMA_1, "--holds", "held.txt", "--concurrency", 1)


def words_of(version: int) -> tuple[object, ...]:
    """Return the words of today's command that go on with a job of *version*, which knew no holds before 2."""
    return _WORDS if version > 1 else (*_OF_SCHEMA_1, "--concurrency", 1)


def jobs_of(version: int) -> tuple[str, ...]:
    """Return the names of the jobs that are kept of *version*; 1 knew no resume, and its calls are not kept."""
    return (*JOBS, *CALLS) if version > 1 else JOBS


def kept_of(version: int) -> Path:
    return HERE / f"schema_{version}"


KEPT: Final = kept_of(SCHEMA_VERSION)


def version_of(tree: Path | None) -> int:
    """Return the schema version that the bulkdelete in *tree* writes, or that of this one."""
    if tree is None:
        return SCHEMA_VERSION
    asked = [sys.executable, "-c", "from bulkdelete.ledger.schema import SCHEMA_VERSION as it; print(it)"]
    return int(subprocess.run(asked, cwd=tree, check=True, capture_output=True, text=True).stdout)


@dataclass(frozen=True)
class _Maker:
    """Runs the command of *tree*, or of this one, in a job's *folder* at an *emulator*."""

    version: int
    tree: Path | None
    folder: Path
    emulator: Emulator

    def command(self, *more: object, kill_at: tuple[object, ...] = ("never", "", 0)) -> Command:
        words = words_of(self.version) if self.version > 1 else (*_OF_SCHEMA_1, "--permits", 1)
        made = purge(self.folder, self.emulator, *words, *more, program=(LAUNCHER, *kill_at))
        if self.tree is not None:
            made.env["PYTHONPATH"] = str(self.tree.absolute())
        return made

    async def finish(self) -> None:
        done = await self.command().run()
        _require(done, 1)
        (self.folder / "report.json").write_text(json.dumps(done.report, indent=1) + "\n")

    async def interrupt(self) -> None:
        """Leave a batch unresolved and one half split: the first run is limited, the second killed within a split."""
        _require(await self.command("--limit", 20).run(), 75)
        self.emulator.faults = Faults(script=["50000"] * 4)
        if self.version > 1:
            _require(await self.command(kill_at=("record part", "before", 4)).run(), -9)
        else:  # its steps have other names: killed between two requests, of which one takes long
            self.emulator.faults = Faults(script=["50000"] * 2, latency_seconds=0.4)
            await self._until_requests(8, signal.SIGKILL)

    async def stop(self) -> None:
        """Leave batches pending, one unresolved, and what the job learnt: a signal comes while much is queued."""
        script = ["50000", *["ok"] * 8, *["502"] * 4] if self.version > 1 else ["ok"] * 4 + ["50000"] * 2
        self.emulator.faults = Faults(script=script, latency_seconds=0.4)
        await self._until_requests(len(script), signal.SIGINT)

    async def _until_requests(self, requests: int, then: signal.Signals) -> None:
        before = self.emulator.requests
        async with self.command().started() as process:
            while self.emulator.requests < before + requests and process.returncode is None:
                await asyncio.sleep(0.01)
            if then is signal.SIGKILL:
                await killed(process)
                await asyncio.sleep(self.emulator.faults.latency_seconds)  # what it sent last is answered to nobody
            else:
                process.send_signal(then)
                _require(await finished(process), 130)


async def make(working_in: Path, version: int, names: Iterable[str], tree: Path | None) -> None:
    """Make the jobs *names*, in folders below *working_in*, whose names their ledgers keep."""
    for name in names:
        folder = working_in / name
        folder.mkdir(parents=True)
        # a job is known by its base URL: each has an address of its own, so that tests may serve them side by side
        host = f"127.83.{version}.{jobs_of(version).index(name) + 1}"
        async with Emulator(port=PORT, host=host) as emulator:
            emulator.add_key(CANARY_KEY)
            if name in CALLS:
                fill(emulator)
                await CallMaker(folder, emulator).make(name)
            else:
                await _make_by_command(name, version, tree, folder, emulator)
            write(folder / "in_the_table.txt", [*emulator.remaining(TABLE_ID)])
        for file in ("purge.db.lock", "purge.db-shm"):
            (folder / file).unlink(missing_ok=True)
        shutil.copytree(folder, kept_of(version) / name)


async def _make_by_command(name: str, version: int, tree: Path | None, folder: Path, emulator: Emulator) -> None:
    write_csv(folder / "ids.csv", SOURCE)
    settings = _RETRY + (_QUOTA if version > 1 else "") + (_STOPPED if version > 1 and name == "stopped" else "")
    (folder / "purge.toml").write_text(settings)
    if version > 1:
        write(folder / "held.txt", [SOURCE[row] for row in HELD])
    emulator.load(TABLE_ID, SOURCE)
    emulator.poison(TABLE_ID, [SOURCE[row] for row in POISONED])
    maker = _Maker(version, tree, folder, emulator)
    await {"finished": maker.finish, "interrupted": maker.interrupt, "stopped": maker.stop}[name]()


def _require(done: Finished, code: int) -> None:
    if done.code != code:
        raise AssertionError(f"it ended with {done.code}, and not {code}: {done.everything}")
