"""What does a million records cost the client in CPU time, and in memory, however long the source is?

The real command with ledger, retries and limiter on, from a text file to a null server on loopback.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from benchmarks.measuring import Run, machine, null_server, run, write_ids


def main(millions: list[float], times: int) -> None:
    """Print CPU-seconds and seconds per million records and the peak memory, for sources of so many million rows."""
    print(f"{machine()}; {times} runs each, medians")
    print("million rows   CPU s/million   (min..max)      s/million   peak MiB")
    with tempfile.TemporaryDirectory() as folder:
        for million in millions:
            source = Path(folder) / f"{million}.txt"
            write_ids(source, int(million * 1_000_000))
            runs = [_once(source, Path(folder) / f"{million}.{turn}.db") for turn in range(times)]
            source.unlink()
            cpu = sorted(one.cpu_seconds / million for one in runs)
            wall = statistics.median(one.wall_seconds / million for one in runs)
            peak = statistics.median(one.peak_mib for one in runs)
            spread = f"({cpu[0]:.3f}..{cpu[-1]:.3f})"
            print(f"{million:12g} {statistics.median(cpu):15.3f}   {spread:15} {wall:9.3f} {peak:10.1f}", flush=True)


def _once(source: Path, ledger: Path) -> Run:
    with null_server() as server:
        finished = run(source, server.base_url, "--ledger", str(ledger))
    for file in ledger.parent.glob(f"{ledger.name}*"):
        file.unlink()
    return finished
