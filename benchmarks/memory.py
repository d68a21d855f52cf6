"""How much memory does a job take at its peak, however long its source is, and how large is its ledger?

The real command with ledger, retries and limiter on, from text files of 1, 10 and 100 million rows; and a call on a
billion rows that a function makes, once: its memory is looked at every second, and told on its way. How large the
ledger is where a tenth of the requests fail, and a hundredth of the batches hold a record that the API refuses, the
emulator shows, with batches of ten records.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import bare
from benchmarks.fast_server import FastServer, fast_server
from benchmarks.measuring import CLIENT, TABLE_ID, ended, ids, on_core, run, write_ids
from benchmarks.results import Case, Measured
from bulkdelete import BulkDeleter, Settings
from bulkdelete.emulator import Emulator, Faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.measuring import Ended
    from benchmarks.suite import Size

ROWS = (1_000_000, 10_000_000, 100_000_000)
GENERATED = 1_000_000_000
ROWS_A_BATCH = 1000
TOLD_AT = (10, 25, 50, 75, 90, 100)
ONCE = "measured once: it takes half an hour"
TROUBLED_BATCHES = 20_000
TROUBLED = Settings.from_mapping(
    {"batch": {"size": 10}, "retry": {"first_backoff_seconds": 0.01}, "flow": {"concurrency": 8}}
)
REFUSED_EVERY = 100
FAILING = Faults(seed=7, internal_error_rate=0.1)


def measure(size: Size) -> Iterator[Measured]:
    """Give the peak memory for each number of rows, and the size of its ledger."""
    with tempfile.TemporaryDirectory() as folder, fast_server() as server:
        for rows in ROWS:
            yield from from_file(Path(folder), server, size.of(rows, step=ROWS_A_BATCH), size.times)
        yield from_trouble(Path(folder), size.of(TROUBLED_BATCHES, step=REFUSED_EVERY), size.times)
        yield from from_function(Path(folder), server, size.of(GENERATED, step=ROWS_A_BATCH))


def from_file(folder: Path, server: FastServer, rows: int, times: int) -> Iterator[Measured]:
    """Give what the command takes for a file of so many *rows*."""
    case: Case = {"rows": rows, "source": "file", "server": server.name}
    source = folder / "ids.txt"
    write_ids(source, rows)
    runs, sizes = [], []
    for _ in range(times):
        ledger = folder / "ids.db"
        runs.append(run(source, server.base_url, "--ledger", str(ledger)).ended)
        sizes.append(_taken_away(ledger, rows // ROWS_A_BATCH))
    yield from _told(case, rows, runs, sizes)


def from_function(folder: Path, server: FastServer, rows: int) -> Iterator[Measured]:
    """Give what a call takes for so many *rows* that a function makes, and its memory on the way."""
    case: Case = {"rows": rows, "source": "function", "server": server.name}
    ledger = folder / "generated.db"
    with on_core(CLIENT):
        done = ended([sys.executable, "-m", "benchmarks.generated", str(rows), server.base_url, str(ledger)])
    said = json.loads(done.printed)
    if said["acknowledged"] != rows:
        raise RuntimeError(f"of {rows:,} rows {said['acknowledged']:,} are acknowledged")
    yield from _told(case, rows, [done], [_taken_away(ledger, rows // ROWS_A_BATCH)], ONCE)
    for percent in TOLD_AT:
        on_the_way: Case = {**case, "done": f"{percent} %"}
        mib, limit = next((mib, limit) for settled, mib, limit in said["resident"] if settled * 100 >= rows * percent)
        yield Measured(on_the_way, "resident memory", "MiB", [mib], ONCE)
        yield Measured(on_the_way, "limit", "attempts", [limit], ONCE)


def from_trouble(folder: Path, batches: int, times: int) -> Measured:
    """Give the size of a ledger in whose job requests failed and records were refused."""
    case: Case = {"batches": batches, "source": "list", "server": "emulator, 10 % fail, 1 % of batches refused"}
    sizes = []
    for _ in range(times):
        ledger = folder / "troubled.db"
        asyncio.run(_in_trouble(ledger, list(ids(batches * TROUBLED.batch.size))))
        sizes.append(_taken_away(ledger, batches))
    return Measured(case, "ledger", "bytes/batch", sizes)


async def _in_trouble(ledger: Path, records: list[str]) -> None:
    refused = records[:: TROUBLED.batch.size * REFUSED_EVERY]
    async with Emulator(faults=FAILING) as api:
        api.poison(TABLE_ID, refused)
        async with BulkDeleter(base_url=api.base_url, api_key=api.api_key, settings=TROUBLED) as deleter:
            report = await deleter.delete(TABLE_ID, records, ledger=ledger, max_failures=len(records))
    if (report.rejected, report.remaining) != (len(refused), 0) or not report.retries:
        raise RuntimeError(f"that was not the trouble that was meant: {report}")


def _told(case: Case, rows: int, runs: list[Ended], sizes: list[float], note: str = "") -> Iterator[Measured]:
    yield Measured(case, "peak memory", "MiB", [one.peak_mib for one in runs], note)
    yield Measured(case, "ledger", "bytes/batch", sizes, note)
    yield Measured(case, *bare.CPU, [one.cpu_seconds / rows * 1e6 for one in runs], note)


def _taken_away(ledger: Path, batches: int) -> float:
    """Remove a ledger, with what lies beside it, and return how many bytes a batch it had."""
    size_bytes = ledger.stat().st_size
    for file in ledger.parent.glob(f"{ledger.name}*"):
        file.unlink()
    return size_bytes / batches
