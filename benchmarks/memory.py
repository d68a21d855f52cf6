"""How much memory does a job take at its peak, however long its source is?

The real command with ledger, retries and limiter on, from text files of 1, 10 and 50 million rows.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.fast_server import fast_server
from benchmarks.measuring import write_ids
from benchmarks.results import Case, Measured
from benchmarks.throughput import once

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.suite import Size

ROWS = (1_000_000, 10_000_000, 50_000_000)


def measure(size: Size) -> Iterator[Measured]:
    """Give the peak memory for each number of rows."""
    with tempfile.TemporaryDirectory() as folder, fast_server() as server:
        for rows in ROWS:
            source = Path(folder) / "ids.txt"
            case: Case = {"rows": size.of(rows, step=1000), "server": server.name}
            write_ids(source, size.of(rows, step=1000))
            peaks = [once(source, server.base_url).ended.peak_mib for _ in range(size.times)]
            yield Measured(case, "peak memory", "MiB", peaks)
