"""``bulkdelete demo``: the whole job on this machine, from an emulator with a million records to the proof."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from bulkdelete.cli import demo_records, exits, loops, once
from bulkdelete.cli.reporting import duration
from bulkdelete.cli.waiting import signals_to
from bulkdelete.emulator import Emulator, Faults
from bulkdelete.errors import SettingsError

if TYPE_CHECKING:
    import signal
    from collections.abc import AsyncIterator, Iterator

    from bulkdelete.settings import EventLoop

TABLE_ID: Final = "673af861ed69656ac0895b07"
_BLOCK_RECORDS: Final = 20_000


@click.command("demo", cls=once.Command)
@click.option("--records", type=click.IntRange(1, 100_000_000), default=1_000_000, show_default=True)
@click.option("--keep", metavar="DIR", help="A new folder where the files stay: database, ids and ledger.")
@click.option("--faults/--no-faults", default=True, show_default=True, help="Let one request in fifty go wrong.")
@loops.loop_option
@click.pass_context
def command(ctx: click.Context, *, records: int, keep: str | None, faults: bool, event_loop: EventLoop) -> None:
    """Purge a million records from an emulated API and prove that exactly those are gone."""
    with _folder(keep) as folder:
        demo = _Demo(folder, records, event_loop, kept=keep is not None)
        ctx.exit(loops.run(lambda: demo.run(_faults(wanted=faults)), event_loop))


class _Demo:
    """One demonstration in *folder*; every step says what it does in a line on stderr."""

    def __init__(self, folder: Path, records: int, event_loop: EventLoop, *, kept: bool) -> None:
        self._folder = folder
        self._records = records
        self._event_loop = event_loop
        self._kept = kept
        self._ids = folder / "ids.csv"
        self._ledger = folder / "purge.bulkdelete.db"
        self._child: asyncio.subprocess.Process | None = None
        self._signal: signal.Signals | None = None

    async def run(self, faults: Faults) -> int:
        """Go through it all; return the exit code."""
        began = time.monotonic()
        with signals_to(self._receive):
            async with Emulator(self._folder / "emulator.db", faults) as emulator:
                _say(f"1. an emulator of the API runs at {emulator.base_url}, on a SQLite file of its own")
                await self._prepare(emulator)
                code = await self._purge(emulator)
                proved = self._signal is None and self._prove(emulator)
        if self._signal is not None:
            files = f"; its files are in {self._folder}" if self._kept else ", and its files are removed"
            _say(f"the demonstration was stopped{files}")
            return exits.SIGNAL_BASE + self._signal
        click.echo(f"ledger: {self._ledger}{'' if self._kept else ' (removed now; --keep DIR keeps it)'}")
        click.echo(f"the whole demonstration took {duration(time.monotonic() - began)}")
        return code if code or proved else exits.PERSON_NEEDED

    async def _prepare(self, emulator: Emulator) -> None:
        async for block in self._blocks(demo_records.everything(self._records)):
            emulator.load(TABLE_ID, block)
        survivors = demo_records.survivors(self._records)
        _say(f"2. its table {TABLE_ID} holds {self._records:,} records to delete and {survivors:,} that must survive")
        self._ids.touch(mode=0o600)
        with self._ids.open("w", encoding="ascii") as file:
            file.write("record_id\n")
            async for block in self._blocks(demo_records.doomed(self._records)):
                file.write("\n".join(block) + "\n")
        _say(f"3. {self._ids.name} lists the {self._records:,} ids, {self._ids.stat().st_size / 1e6:.1f} MB")

    async def _purge(self, emulator: Emulator) -> int:
        if self._signal is not None:
            return exits.DONE
        words = ["run", str(self._ids), "--table-id", TABLE_ID, "--column", "record_id"]
        words += ["--base-url", emulator.base_url, "--ledger", str(self._ledger), "--yes"]
        if self._event_loop != "auto":
            words += ["--event-loop", self._event_loop]
        _say(f"4. the real command deletes them:\n   bulkdelete {' '.join(words)}")
        self._child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "bulkdelete.cli.demo_purge", *words),
            stdin=asyncio.subprocess.DEVNULL,
            env={**os.environ, "BULKDELETE_API_KEY": emulator.api_key},
            start_new_session=True,  # Ctrl-C comes to us alone, and is handed on once
        )
        code = await self._child.wait()
        return code if code >= 0 else exits.SIGNAL_BASE - code

    def _prove(self, emulator: Emulator) -> bool:
        _say("5. the emulator's own database is compared, id by id, with what must be left")
        must_survive = set(demo_records.survivors_of(self._records))
        left = wrong = 0
        for record in emulator.remaining(TABLE_ID):
            left += 1
            wrong += record not in must_survive
        counts = f"{self._records + len(must_survive) - left:,} records are gone and {left:,} are left"
        if wrong or left != len(must_survive):
            click.echo(f"NOT proved: {counts}, of them {wrong:,} that should be gone")
            return False
        click.echo(f"proved: {counts}, exactly the {len(must_survive):,} that must survive")
        return True

    def _receive(self, number: signal.Signals) -> None:
        self._signal = number
        if self._child is not None and self._child.returncode is None:
            self._child.send_signal(number)

    async def _blocks(self, records: Iterator[str]) -> AsyncIterator[list[str]]:
        """Yield *records* in blocks, with a moment for signals between them."""
        while self._signal is None and (block := list(islice(records, _BLOCK_RECORDS))):
            yield block
            await asyncio.sleep(0)


@contextmanager
def _folder(keep: str | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="bulkdelete-demo-") as folder:
            yield Path(folder)
        return
    kept = Path(keep)
    try:
        _make(kept)
        if any(kept.iterdir()):
            raise SettingsError(f"{keep}: the folder is not empty; name a new one")
    except OSError as error:
        raise SettingsError(f"{keep}: the folder cannot be made: {error.strerror}") from None
    yield kept


def _make(folder: Path) -> None:
    """Make *folder*, and those that it is in, for their owner only."""
    if not folder.parent.exists():
        _make(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def _faults(*, wanted: bool) -> Faults:
    if not wanted:
        return Faults()
    return Faults(seed=1, internal_error_rate=0.01, drop_before_rate=0.005, drop_after_rate=0.005)


def _say(line: str) -> None:
    click.echo(line, err=True)
