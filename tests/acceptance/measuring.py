"""What a command cost: its own processor time and its peak of memory, as the system counts them for one process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from tests.acceptance.command import LONGEST_SECONDS, Finished

if TYPE_CHECKING:
    import resource

    from tests.acceptance.command import Command


async def measured(command: Command, stdin: bytes = b"") -> tuple[Finished, resource.struct_rusage]:
    """Run *command* to its end; return how it ended, and what it used."""
    return await asyncio.to_thread(_measured, command, stdin)


def _measured(command: Command, stdin: bytes) -> tuple[Finished, resource.struct_rusage]:
    outputs = [command.folder / f".{name}" for name in ("stdin", "stdout", "stderr")]
    outputs[0].write_bytes(stdin)
    with outputs[0].open("rb") as given, outputs[1].open("wb") as out, outputs[2].open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "bulkdelete", *command.words],
            cwd=command.folder, env=command.env, stdin=given, stdout=out, stderr=said,
        )  # fmt: skip
        late = threading.Timer(LONGEST_SECONDS, process.kill)
        late.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            late.cancel()
    return Finished(process.returncode, outputs[1].read_text(), outputs[2].read_text()), usage
