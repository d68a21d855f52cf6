"""What does a million records cost the client, and how near does it come to what the machine can post at all?

The real command with ledger, retries and limiter on, from a text file of ten million rows. By turns with it, wrk posts
the same bodies from the same core, which is the physical limit, and aiohttp does.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import bare, wrk
from benchmarks.fast_server import fast_server
from benchmarks.measuring import Run, run, write_ids
from benchmarks.results import Measured

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.suite import Size

ROWS = 10_000_000


def measure(size: Size) -> Iterator[Measured]:
    """Give CPU seconds per million records, batches a second and the share of wrk's, and the peak memory."""
    rows, posted, runs = size.of(ROWS, step=1000), [], []
    with tempfile.TemporaryDirectory() as folder, fast_server() as server:
        source = Path(folder) / "ids.txt"
        write_ids(source, rows)
        for _ in range(size.times):
            posted.append(bare.both(server.base_url, size))
            runs.append(once(source, server.base_url))
    rates = [rows / 1000 / one.ended.wall_seconds for one in runs]
    limits = [limit.rate for limit, _ in posted if limit is not None]
    case, note = {"client": "bulkdelete", "server": server.name}, "" if limits else wrk.ABSENT
    yield Measured(case, *bare.CPU, [one.ended.cpu_seconds / rows * 1e6 for one in runs], note)
    yield Measured(case, *bare.RATE, rates, note)
    yield Measured(case, "peak memory", "MiB", [one.ended.peak_mib for one in runs], note)
    if limits:
        shares = [rate / limit * 100 for rate, limit in zip(rates, limits, strict=True)]
        yield Measured(case, "share of wrk's rate", "%", shares, note)
    yield from bare.told(server.name, posted)


def once(source: Path, base_url: str) -> Run:
    """Run the command on *source* with a ledger, which is removed again."""
    ledger = source.with_suffix(".db")
    finished = run(source, base_url, "--ledger", str(ledger))
    for file in ledger.parent.glob(f"{ledger.name}*"):
        file.unlink()
    return finished
