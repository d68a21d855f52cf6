"""What does it cost to start: ``import bulkdelete`` on top of ``import aiohttp``, and ``bulkdelete --help``?

CPU time of a process of its own for each; the least of several is what repeats, so each is started several times. What
an import adds is measured within the process that has imported aiohttp before. ``import bulkdelete.api`` is what the
first use of ``BulkDeleter`` imports.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks.measuring import ended
from benchmarks.results import Measured

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.measuring import Ended
    from benchmarks.suite import Size

STARTS = 4
"""So many starts make one value, the least."""
PROGRAMS = {
    "python": ["-c", "pass"],
    "import aiohttp": ["-c", "import aiohttp"],
    "bulkdelete --help": [
        "-c",
        "import sys; sys.argv = ['bulkdelete', '--help']; import bulkdelete.cli; bulkdelete.cli.main()",
    ],
}
ADDED = "bulkdelete", "bulkdelete.api"
"""What is imported on top of aiohttp."""


def measure(size: Size) -> Iterator[Measured]:
    """Give the CPU milliseconds of each program from its start to its end, and what each import adds to aiohttp's."""
    for name in PROGRAMS:
        yield Measured({"program": name}, "CPU", "ms", [cpu_ms(name) for _ in range(size.times)])
    for name in ADDED:
        yield Measured({"added by": f"import {name}"}, "CPU", "ms", [added_ms(name) for _ in range(size.times)])


def cpu_ms(name: str, starts: int = STARTS) -> float:
    """Return the least CPU time of so many starts of a program."""
    return min(_started(PROGRAMS[name]).cpu_seconds for _ in range(starts)) * 1000


def added_ms(module: str, starts: int = STARTS) -> float:
    """Return the least CPU time that importing *module* adds to importing aiohttp, of so many starts."""
    clock = "time.process_time()"
    program = f"import time, aiohttp; began = {clock}; import {module}; print({clock} - began)"
    return min(float(_started(["-c", program]).printed) for _ in range(starts)) * 1000


def _started(words: Sequence[str]) -> Ended:
    done = ended([sys.executable, *words], {"PYTHONHASHSEED": "0"})
    if done.exit_code:
        raise RuntimeError(f"{words} ended with an error: {done}")
    return done
