"""What does it cost to start: ``import bulkdelete`` on top of ``import aiohttp``, and ``bulkdelete --help``?

CPU time of a process of its own for each; the least of several is what repeats, so each is started several times.
``import bulkdelete.api`` is what the first use of ``BulkDeleter`` imports.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks.measuring import ended
from benchmarks.results import Measured

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.suite import Size

STARTS = 4
"""So many starts make one value, the least."""
PROGRAMS = {
    "python": ["-c", "pass"],
    "import aiohttp": ["-c", "import aiohttp"],
    "import bulkdelete": ["-c", "import bulkdelete"],
    "import aiohttp, bulkdelete": ["-c", "import aiohttp, bulkdelete"],
    "import aiohttp, bulkdelete.api": ["-c", "import aiohttp, bulkdelete.api"],
    "bulkdelete --help": [
        "-c",
        "import sys; sys.argv = ['bulkdelete', '--help']; import bulkdelete.cli; bulkdelete.cli.main()",
    ],
}


def measure(size: Size) -> Iterator[Measured]:
    """Give the CPU milliseconds of each, from the start of the process to its end."""
    for name in PROGRAMS:
        yield Measured({"program": name}, "CPU", "ms", [cpu_ms(name) for _ in range(size.times)])


def cpu_ms(name: str, starts: int = STARTS) -> float:
    """Return the least CPU time of so many starts of a program."""
    runs = [ended([sys.executable, *PROGRAMS[name]], {"PYTHONHASHSEED": "0"}) for _ in range(starts)]
    if any(one.exit_code for one in runs):
        raise RuntimeError(f"{name} ended with an error: {runs}")
    return min(one.cpu_seconds for one in runs) * 1000
