"""What does a million records cost the client, and how near does it come to what the machine can post at all?

The real command with ledger, retries and limiter on, from a text file of ten million rows, on asyncio and on uvloop. By
turns with it, wrk posts the same bodies from the same core, which is the physical limit, and aiohttp does, on both.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import bare, wrk
from benchmarks.fast_server import fast_server
from benchmarks.measuring import Ended, Run, event_loops, run, write_ids
from benchmarks.results import Case, Measured

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.suite import Size

ROWS = 10_000_000


def measure(size: Size) -> Iterator[Measured]:
    """Give, on each event loop: CPU seconds per million records, batches a second and peak memory, and wrk's share."""
    rows, posted = size.of(ROWS, step=1000), []
    runs: dict[str, list[Ended]] = {loop: [] for loop in event_loops()}
    with tempfile.TemporaryDirectory() as folder, fast_server() as server:
        source = Path(folder) / "ids.txt"
        write_ids(source, rows)
        for _ in range(size.times):
            posted.append(bare.turn(server.base_url, size))
            for loop, done in runs.items():
                done.append(once(source, server.base_url, "--event-loop", loop).ended)
    limits = [one[bare.WRK].rate for one in posted if bare.WRK in one]
    for loop, done in runs.items():
        yield from _told({"client": "bulkdelete", "server": server.name, "loop": loop}, rows, done, limits)
    cpu_seconds = {loop: [one.cpu_seconds for one in done] for loop, done in runs.items()}
    yield from bare.saved({"client": "bulkdelete", "server": server.name}, cpu_seconds)
    yield from bare.told(server.name, posted)


def _told(case: Case, rows: int, runs: Sequence[Ended], limits: Sequence[float]) -> Iterator[Measured]:
    rates, note = [rows / 1000 / one.wall_seconds for one in runs], "" if limits else wrk.ABSENT
    yield Measured(case, *bare.CPU, [one.cpu_seconds / rows * 1e6 for one in runs], note)
    yield Measured(case, *bare.RATE, rates, note)
    yield Measured(case, "peak memory", "MiB", [one.peak_mib for one in runs], note)
    if limits:
        shares = [rate / limit * 100 for rate, limit in zip(rates, limits, strict=True)]
        yield Measured(case, "share of wrk's rate", "%", shares, note)


def once(source: Path, base_url: str, *options: str) -> Run:
    """Run the command on *source* with a ledger, which is removed again."""
    ledger = source.with_suffix(".db")
    finished = run(source, base_url, "--ledger", str(ledger), *options)
    for file in ledger.parent.glob(f"{ledger.name}*"):
        file.unlink()
    return finished
