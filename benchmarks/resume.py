"""How soon does a resumed job of ten million rows, 90 % done, send its first request?"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.measuring import machine, null_server, run, write_ids


def main(rows: int = 10_000_000) -> None:
    """Print the seconds from the start of the process to the first request that the server saw."""
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        source, ledger = Path(folder) / "ids.txt", Path(folder) / "purge.db"
        write_ids(source, rows)
        with null_server() as server:  # the base URL is part of a job's identity: one server for both runs
            run(source, server.base_url, "--ledger", str(ledger), "--limit", str(rows * 9 // 10))
            size = ledger.stat().st_size
            resumed = run(source, server.base_url, "--ledger", str(ledger))
        first = server.seen["first_after_quiet"]
        print(f"{rows:,} rows, 90 % done: first request after {first - resumed.started:.2f} s")
        print(f"ledger: {size / (rows * 9 // 10 / 1000):.0f} bytes a batch")
