"""The installed command as a subprocess: its exit code, what it printed, and a way to send it signals."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from bulkdelete.emulator import Emulator
from tests.acceptance import forked
from tests.secrets import assert_nowhere

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

TABLE_ID = "673af861ed69656ac0895b07"
CANARY_KEY = "canary-7f3a91-never-print-me"
LONGEST_SECONDS = 60
Process: TypeAlias = asyncio.subprocess.Process | forked.Process
AS_A_MODULE = ("-m", "bulkdelete")


@dataclass(frozen=True)
class Finished:
    code: int
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        return json.loads(self.stdout)

    @property
    def everything(self) -> str:
        return self.stdout + self.stderr


class Command:
    """``bulkdelete`` with *words*, run in *folder* with the canary key in its environment; *program* launches it."""

    def __init__(
        self,
        folder: Path,
        *words: object,
        key: str | None = CANARY_KEY,
        most_file_bytes: int | None = None,
        program: Sequence[object] = AS_A_MODULE,
    ) -> None:
        self.folder = folder
        self._program = [str(word) for word in program]
        self._most_file_bytes = most_file_bytes
        self.words = [str(word) for word in words]
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("BULKDELETE_")}
        if most_file_bytes is not None:  # coverage's own file would be cut too
            self.env = {name: value for name, value in self.env.items() if not name.startswith("COVERAGE_")}
        if key is not None:
            self.env["BULKDELETE_API_KEY"] = key

    @asynccontextmanager
    async def started(self, stdin: bytes | None = None, *, anew: bool = False) -> AsyncIterator[Process]:
        """Start it, *anew* or, where that makes no difference, forked from a process that has imported it."""
        if self._may_be_forked and not anew:
            words = [*self._program, *self.words]
            with closing(await forked.start(words, self.folder, self.env, is_fed=stdin is not None)) as child:
                async with ended(child):
                    yield child
            return
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._program,
            *self.words,
            cwd=self.folder,
            env=self.env,
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=self._limit_files if self._most_file_bytes is not None else None,
        )
        async with ended(process):
            yield process

    @property
    def _may_be_forked(self) -> bool:
        is_plain = self._program == [*AS_A_MODULE] or self._program[0] in forked.SCRIPTS
        return is_plain and self._most_file_bytes is None and forked.may_be_forked(self.env)

    def _limit_files(self) -> None:
        assert self._most_file_bytes is not None
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._most_file_bytes, self._most_file_bytes))

    async def run(self, stdin: bytes | None = None) -> Finished:
        """Run it to its end."""
        async with self.started(stdin) as process:
            return await finished(process, stdin)


@asynccontextmanager
async def ended(process: Process) -> AsyncIterator[None]:
    """Kill *process* afterwards, where it has not ended."""
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def finished(process: Process, stdin: bytes | None = None) -> Finished:
    async with asyncio.timeout(LONGEST_SECONDS):
        stdout, stderr = await process.communicate(stdin)
    assert process.returncode is not None
    assert_nowhere(CANARY_KEY, texts=(stdout, stderr))
    return Finished(process.returncode, stdout.decode(), stderr.decode())


async def killed(process: Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGKILL)
    await process.communicate()


def ids(count: int, first: int = 541_278_230_707_963_208) -> list[str]:
    return [str(first + 37 * number) for number in range(count)]


def write_csv(path: Path, records: list[str]) -> Path:
    path.write_text("record_id\n" + "".join(f"{record}\n" for record in records))
    return path


def write(path: Path, records: list[str]) -> Path:
    path.write_text("".join(f"{record}\n" for record in records))
    return path


def purge(folder: Path, emulator: Emulator, *words: object, **keywords: Any) -> Command:
    """``bulkdelete run`` of the table at *emulator*, with its ledger in *folder*, but for what *words* say of them."""
    job = {"--table-id": TABLE_ID, "--base-url": emulator.base_url, "--ledger": "purge.db"}
    return Command(folder, "run", *but_for(words, job), "--yes", "--json", *words, **keywords)


def but_for(words: Sequence[object], options: Mapping[str, object]) -> list[object]:
    """Return *options* as words of a command, but for those that *words* give: each is given once."""
    return [word for option, value in options.items() if option not in words for word in (option, value)]


@asynccontextmanager
async def serving(records: list[str]) -> AsyncIterator[Emulator]:
    """An emulator that takes the canary key and holds *records*."""
    async with Emulator(record_requests=True) as emulator:
        emulator.add_key(CANARY_KEY)
        emulator.load(TABLE_ID, records)
        yield emulator


def fates(report: dict[str, Any]) -> dict[str, int]:
    names = ("acknowledged", "rejected", "invalid", "held", "duplicate", "unresolved", "pending")
    assert sum(report[name] for name in names) == report["rows"]
    return {name: report[name] for name in names if report[name]}
