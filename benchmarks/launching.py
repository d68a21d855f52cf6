"""Runs a program from a process that is small, and tells what the kernel says of it.

Linux counts for the peak memory of a program what the process that started it has ever had: a benchmark that holds
results itself would measure those. Run as a script of its own, with the number of a descriptor and the program's words:
writes there the process id and, once the program has ended, a line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time


def launch(told: int, words: list[str]) -> None:
    """Start *words*, tell its process id, wait for its end and tell of that."""
    started = time.time()
    process = os.fork()
    if not process:
        os.close(told)
        try:
            os.execvp(words[0], words)  # noqa: S606 - the benchmarks' own words
        finally:
            os._exit(127)
    os.write(told, b"%d\n" % process)
    _, status, usage = os.wait4(process, 0)
    seen = {
        "exit_code": os.waitstatus_to_exitcode(status),
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "wall_seconds": time.time() - started,
        "peak_mib": usage.ru_maxrss / 1024,
        "started": started,
    }
    os.write(told, json.dumps(seen).encode())


if __name__ == "__main__":
    launch(int(sys.argv[1]), sys.argv[2:])
