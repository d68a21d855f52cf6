"""Jobs of calls from Python, of a pipe and of several files, whose ledgers are kept beside those of the command."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bulkdelete import Filter, Settings
from bulkdelete.emulator import Faults
from tests.acceptance.command import TABLE_ID, Command, ids, killed, purge, write_csv

if TYPE_CHECKING:
    from bulkdelete.emulator import Emulator
    from tests.acceptance.command import Finished

HERE = Path(__file__).parent
LAUNCHER = HERE / "launcher.py"
CALLS: Final = ("iterable", "piped", "files")
RECORDS: Final = ids(40)
EMAILS: Final = [f"{number}@example.com" for number in range(len(RECORDS))]
POISONED: Final = 15
_NO_IDS: Final[dict[int, object]] = {
    5: 7,
    **{row: Filter("email", EMAILS[row]) for row in (9, 13, POISONED, 31, 38)},
    14: Filter("email", EMAILS[13]),
}
ITEMS: Final = [_NO_IDS.get(row, record) for row, record in enumerate(RECORDS)]
"""What the iterable gives: row 5 is no record, row 14 a duplicate, and some rows are filters."""
NEVER_NAMED: Final = (5, 14)
FILES: Final = {"a.csv": RECORDS[:15], "b.csv": RECORDS[15:]}

_SETTINGS: Final = {
    "batch": {"size": 4},
    "retry": {"max_attempts": 2, "first_backoff_seconds": 0.01},
    "flow": {"concurrency": 1},
}
COMMON: Final = ("--batch-size", 4, "--concurrency", 1, "-c", "purge.toml")
WORDS: Final = {
    "piped": ("-", "--no-sanity-check", *COMMON),
    "files": (*FILES, "--column", "record_id", *COMMON),
}


def settings_of(base_url: str) -> Settings:
    """Return the settings of every call."""
    return Settings.from_mapping({"base_url": base_url, **_SETTINGS})


def fill(emulator: Emulator, records: list[str] = RECORDS) -> None:
    """Put those of :data:`RECORDS` into the table, each with its e-mail address, and poison one."""
    emulator.create_table(TABLE_ID, unique_columns=("email",))
    emulator.load(TABLE_ID, records, values=[{"email": EMAILS[RECORDS.index(record)]} for record in records])
    emulator.poison(TABLE_ID, [RECORDS[POISONED]])


@dataclass(frozen=True)
class CallMaker:
    """Makes the jobs of :data:`CALLS` in a job's *folder* at an *emulator*."""

    folder: Path
    emulator: Emulator

    async def make(self, name: str) -> None:
        """Make the job *name*, and leave it unfinished."""
        (self.folder / "purge.toml").write_text("[retry]\nmax_attempts = 2\nfirst_backoff_seconds = 0.01\n")
        await {"iterable": self._iterable, "piped": self._piped, "files": self._files}[name]()

    async def _iterable(self) -> None:
        """End the call by its limit; resume it, and kill that after a filter was rejected."""
        await self._call("delete", 8)
        self.emulator.faults = Faults(script=["50000"], latency_seconds=0.4)
        before = self.emulator.requests
        async with self._calling("resume", 0).started() as process:
            while self.emulator.requests < before + 10 and process.returncode is None:
                await asyncio.sleep(0.01)
            assert process.returncode is None, "it ended before it was killed"
            process.send_signal(signal.SIGKILL)
            await killed(process)
            await asyncio.sleep(self.emulator.faults.latency_seconds)  # what it sent last is answered to nobody

    async def _piped(self) -> None:
        self.emulator.faults = Faults(script=["ok", "ok", *["502"] * 4])
        given = "".join(f"{record}\n" for record in RECORDS).encode()
        _require(await self._command("piped", "--limit", 12).run(given))

    async def _files(self) -> None:
        for name, records in FILES.items():
            write_csv(self.folder / name, records)
        _require(await self._command("files", "--limit", 12).run())
        self.emulator.faults = Faults(script=[*["ok"] * 5, *["502"] * 8])
        await self._call("resume", 12)

    def _command(self, name: str, *more: object) -> Command:
        return purge(self.folder, self.emulator, *WORDS[name], *more, program=(LAUNCHER, "never", "", 0))

    def _calling(self, what: str, limit: int) -> Command:
        words = (what, self.folder / "purge.db", self.emulator.base_url, limit)
        made = Command(self.folder, *words, program=(LAUNCHER, "call"))
        made.env["PYTHONPATH"] = str(HERE.parents[1])
        return made

    async def _call(self, what: str, limit: int) -> None:
        done = await self._calling(what, limit).run()
        assert (done.code, done.stdout) == (0, "limit\n"), done.everything


def _require(done: Finished) -> None:
    assert done.code == 75, done.everything
