"""The two jobs whose ledgers are kept, and how they are made: by the command, against the emulator."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from bulkdelete.emulator import Emulator, Faults
from bulkdelete.ledger.schema import SCHEMA_VERSION
from tests.acceptance.command import CANARY_KEY, TABLE_ID, ids, purge, write, write_csv

if TYPE_CHECKING:
    from tests.acceptance.command import Command, Finished

HERE = Path(__file__).parent
KEPT = HERE / f"schema_{SCHEMA_VERSION}"
LAUNCHER = HERE / "launcher.py"
PORT = 47_365
HOSTS = {"finished": f"127.83.{SCHEMA_VERSION}.1", "interrupted": f"127.83.{SCHEMA_VERSION}.2"}
"""A job is known by its base URL: each ledger has an address of its own, so that tests may serve them side by side."""

INVALID, HELD, DUPLICATE, POISONED = {3: "a b"}, (5, 41), {16: 12}, (8, 51)
ROWS = 80
SETTINGS = """
[retry]
max_attempts = 2
first_backoff_seconds = 0.01

[flow]
requests_per_day = 1000
"""
WORDS = ("ids.csv", "--holds", "held.txt", "-c", "purge.toml", "--batch-size", 10, "--concurrency", 1)
SOURCE = ids(ROWS)
for row, record in {**INVALID, **{row: SOURCE[earlier] for row, earlier in DUPLICATE.items()}}.items():
    SOURCE[row] = record
FATES = {"acknowledged": ROWS - 6, "rejected": 2, "invalid": 1, "held": 2, "duplicate": 1}
STAY = sorted({SOURCE[row] for row in (*INVALID, *HELD, *POISONED)})


def command(folder: Path, emulator: Emulator, *more: object, kill_at: tuple[object, ...] = ("never", "", 0)) -> Command:
    return purge(folder, emulator, *WORDS, *more, program=(LAUNCHER, *kill_at))


async def make(working_in: Path) -> None:
    """Make both, in folders below *working_in*, whose names their ledgers keep; refuse to replace what is kept."""
    for name, run in (("finished", _finish), ("interrupted", _interrupt)):
        folder = working_in / name
        folder.mkdir(parents=True)
        write_csv(folder / "ids.csv", SOURCE)
        write(folder / "held.txt", [SOURCE[row] for row in HELD])
        (folder / "purge.toml").write_text(SETTINGS.lstrip())
        async with Emulator(port=PORT, host=HOSTS[name]) as emulator:
            emulator.add_key(CANARY_KEY)
            emulator.load(TABLE_ID, SOURCE)
            emulator.poison(TABLE_ID, [SOURCE[row] for row in POISONED])
            await run(folder, emulator)
            write(folder / "in_the_table.txt", [*emulator.remaining(TABLE_ID)])
        for file in ("purge.db.lock", "purge.db-shm"):
            (folder / file).unlink(missing_ok=True)
        shutil.copytree(folder, KEPT / name)


async def _finish(folder: Path, emulator: Emulator) -> None:
    done = await command(folder, emulator).run()
    _require(done, 1)
    (folder / "report.json").write_text(json.dumps(done.report, indent=1) + "\n")


async def _interrupt(folder: Path, emulator: Emulator) -> None:
    """Leave a batch unresolved and one half split: the first run is limited, the second killed at its fourth part."""
    _require(await command(folder, emulator, "--limit", 20).run(), 75)
    emulator.faults = Faults(script=["50000"] * 4)
    _require(await command(folder, emulator, kill_at=("record part", "before", 4)).run(), -9)


def _require(done: Finished, code: int) -> None:
    if done.code != code:
        raise AssertionError(f"it ended with {done.code}, and not {code}: {done.everything}")
