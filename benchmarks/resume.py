"""How soon does a resumed job of ten million rows, 90 % done, send its first request?"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import null_server, run, write_ids
from benchmarks.results import Case, Measured

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.suite import Size

ROWS = 10_000_000


def measure(size: Size) -> Iterator[Measured]:
    """Give the seconds from the start of the process to the first request, and the ledger's size."""
    rows = size.of(ROWS, step=10_000)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "ids.txt"
        write_ids(source, rows)
        turns = [_resumed(source, Path(folder) / f"{turn}.db", rows * 9 // 10) for turn in range(size.times)]
    case: Case = {"rows": rows, "done": "90 %"}
    yield Measured(case, "first request after", "s", [seconds for seconds, _ in turns])
    yield Measured(case, "ledger", "bytes/batch", [float(size_bytes) for _, size_bytes in turns])


def _resumed(source: Path, ledger: Path, done: int) -> tuple[float, float]:
    with null_server() as server:  # the base URL is part of a job's identity: one server for both runs
        run(source, server.base_url, "--ledger", str(ledger), "--limit", str(done))
        size_bytes = ledger.stat().st_size
        resumed = run(source, server.base_url, "--ledger", str(ledger))
    first: float = server.seen["first_after_quiet"]
    return first - resumed.ended.started, size_bytes / (done / 1000)
