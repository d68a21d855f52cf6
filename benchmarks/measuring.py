"""Running the real command against the null server, and what the operating system says of the finished process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLE_ID = "673af861ed69656ac0895b07"
ROWS_A_WRITE = 100_000


@dataclass(frozen=True)
class Run:
    """A finished run of the command: its report, and CPU and wall seconds and peak memory as the kernel counted."""

    report: dict[str, Any]
    cpu_seconds: float
    wall_seconds: float
    peak_mib: float
    started: float


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
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(process.pid, cores[-1:])
    server = NullServer(process)
    try:
        yield server
    finally:
        server.stop()


def write_ids(path: Path, rows: int) -> None:
    """Write *rows* different 18-digit ids, in no order, one a line."""
    with path.open("w") as file:
        for first in range(0, rows, ROWS_A_WRITE):
            numbers = range(first, min(first + ROWS_A_WRITE, rows))
            file.writelines(f"{541_000_000_000_000_000 + number * 7_919 % 999_999_999_989}\n" for number in numbers)


def run(source: Path, base_url: str, *options: str) -> Run:
    """Run ``bulkdelete run`` on *source*, on the first core where there are several; raise unless it ran well."""
    words = [sys.executable, "-m", "bulkdelete", "run", str(source), "--table-id", TABLE_ID, "--base-url", base_url]
    started = time.time()
    process = subprocess.Popen(
        [*words, "--yes", "--quiet", "--json", *options],
        stdout=subprocess.PIPE,
        env={**os.environ, "BULKDELETE_API_KEY": "benchmark"},
        text=True,
    )
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(process.pid, cores[:1])
    assert process.stdout is not None  # noqa: S101 - it was opened as a pipe
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.time() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, 75}:
        raise RuntimeError(f"the command ended with exit code {process.returncode}: {printed}")
    return Run(json.loads(printed), usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, started)


def machine() -> str:
    """Return the machine's size in a few words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, Python {sys.version.split()[0]}"
