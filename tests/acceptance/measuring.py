"""What a command cost: its own processor time and its peak of memory, as the system counts them for one process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.acceptance.command import LONGEST_SECONDS, Finished

if TYPE_CHECKING:
    from tests.acceptance.command import Command

_BETWEEN: Final = """
import resource, subprocess, sys
code = subprocess.call([sys.executable, "-m", "bulkdelete", *sys.argv[2:]])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as file:
    file.write(f"{used.ru_maxrss} {used.ru_utime + used.ru_stime}")
sys.exit(code)
"""
"""A small process between the test's and the command's: the system counts the memory of who forks to who is forked."""


class Used(NamedTuple):
    kibibytes: int
    cpu_seconds: float


async def measured(command: Command, stdin: bytes = b"") -> tuple[Finished, Used]:
    """Run *command* to its end; return how it ended, and what it used."""
    return await asyncio.to_thread(_measured, command, stdin)


def _measured(command: Command, stdin: bytes) -> tuple[Finished, Used]:
    outputs = [command.folder / f".{name}" for name in ("stdin", "stdout", "stderr", "usage")]
    outputs[0].write_bytes(stdin)
    with outputs[0].open("rb") as given, outputs[1].open("wb") as out, outputs[2].open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", _BETWEEN, outputs[3], *command.words],
            cwd=command.folder, env=command.env, stdin=given, stdout=out, stderr=said, start_new_session=True,
        )  # fmt: skip
        late = threading.Timer(LONGEST_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
        late.start()
        code = process.wait()
        late.cancel()
    assert code >= 0, f"it took more than {LONGEST_SECONDS} s"
    kibibytes, cpu_seconds = outputs[3].read_text().split()
    return Finished(code, outputs[1].read_text(), outputs[2].read_text()), Used(int(kibibytes), float(cpu_seconds))
