"""Running the real command against a server, and what the operating system says of the finished process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TABLE_ID = "673af861ed69656ac0895b07"
KEY = "benchmark"
ROWS_A_WRITE = 100_000
CLIENT, SERVER = 0, -1
"""The cores that they are pinned to: the first and the last."""


@dataclass(frozen=True)
class Ended:
    """A process that ended: what it printed, and CPU and wall seconds and peak memory as the kernel counted."""

    printed: str
    exit_code: int
    cpu_seconds: float
    wall_seconds: float
    peak_mib: float
    started: float


@dataclass(frozen=True)
class Run:
    """A finished run of the command, and its report."""

    report: dict[str, Any]
    ended: Ended


@contextmanager
def on_core(which: int) -> Iterator[None]:
    """Keep this process, and those that it starts, on one core meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(before)[which]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class NullServer:
    """A running null server; ``seen`` is filled when it has stopped."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None  # noqa: S101 - it was opened as a pipe
        self.base_url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        self.seen: dict[str, Any] = {}

    def stop(self) -> None:
        """End the process and keep what it saw."""
        printed, _ = self._process.communicate(timeout=30)
        self.seen = json.loads(printed)


@contextmanager
def null_server(delay_seconds: float = 0.0) -> Iterator[NullServer]:
    """Run a null server in a process of its own, on the last core where there are several."""
    words = [sys.executable, "-m", "benchmarks.null_server", str(delay_seconds)]
    with on_core(SERVER):
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    server = NullServer(process)
    try:
        yield server
    finally:
        server.stop()


def event_loops() -> list[str]:
    """Return the event loops that are measured by turns: asyncio's, and uvloop's where that is installed."""
    return ["asyncio", "uvloop"] if find_spec("uvloop") else ["asyncio"]


def ids(count: int) -> Iterator[str]:
    """Give *count* different 18-digit ids, in no order."""
    return (str(541_000_000_000_000_000 + number * 7_919 % 999_999_999_989) for number in range(count))


def write_ids(path: Path, rows: int) -> None:
    """Write *rows* different 18-digit ids, in no order, one a line."""
    with path.open("w") as file:
        for first in range(0, rows, ROWS_A_WRITE):
            numbers = range(first, min(first + ROWS_A_WRITE, rows))
            file.writelines(f"{541_000_000_000_000_000 + number * 7_919 % 999_999_999_989}\n" for number in numbers)


def environment() -> dict[str, str]:
    """Return ours, but that compiled modules may be kept: who has installed a program does not compile it each time."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Launched:
    """A program that was started; what the kernel says of it is not mixed with what it says of us."""

    def __init__(
        self,
        words: Sequence[str],
        stdout: int | IO[bytes],
        stderr: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        told, telling = os.pipe()
        with os.fdopen(telling, "wb"):
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(__file__).with_name("launching.py")), str(telling), *words],
                stdout=stdout,
                stderr=stderr,
                env={**environment(), **(env or {})},
                pass_fds=[telling],
                text=True,
            )
        self._told = os.fdopen(told)
        self.pid = int(self._told.readline())

    def wait(self, printed: str = "") -> Ended:
        """Return what the kernel says of it, once it has ended."""
        with self._told:
            seen = json.loads(self._told.read())
        self.process.wait()
        return Ended(printed, **seen)


def ended(words: Sequence[str], env: Mapping[str, str] | None = None) -> Ended:
    """Run a program to its end; its standard error is ours."""
    launched = Launched(words, subprocess.PIPE, env=env)
    assert launched.process.stdout is not None  # noqa: S101 - it was opened as a pipe
    with launched.process.stdout:
        return launched.wait(launched.process.stdout.read())


def words_of(source: Path, base_url: str, *options: str) -> list[str]:
    """Return the words of ``bulkdelete run`` on *source*; it finds :data:`KEY` in its environment."""
    words = [sys.executable, "-m", "bulkdelete", "run", str(source), "--table-id", TABLE_ID, "--base-url", base_url]
    return [*words, "--yes", "--quiet", "--json", *options]


def run(source: Path, base_url: str, *options: str) -> Run:
    """Run ``bulkdelete run`` on *source*, on the first core where there are several; raise unless it ran well."""
    with on_core(CLIENT):
        done = ended(words_of(source, base_url, *options), {"BULKDELETE_API_KEY": KEY})
    if done.exit_code not in {0, 75}:
        raise RuntimeError(f"the command ended with exit code {done.exit_code}: {done.printed}")
    return Run(json.loads(done.printed), done)
