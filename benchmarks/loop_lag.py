"""How long does a large job keep the event loop from everybody else who is in it?

A service awaits a job of a million rows, from a text or a CSV file, with a ledger and 64 permits; beside it a probe
sleeps for 5 ms again and again, and notes how much later it wakes up. The server answers at once, so that the job has
always something to do, or after 50 ms. The service may use both cores, or shares the first one with nobody.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import CLIENT, TABLE_ID, event_loops, null_server, on_core, write_ids
from benchmarks.results import Case, Measured

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.suite import Size

ROWS = 1_000_000
PERMITS = 64
PROBE_SECONDS = 0.005
GOAL = "the goal is 15 ms at p99"
WITHOUT_UVLOOP = "uvloop is not installed"


def measure(size: Size) -> Iterator[Measured]:
    """Give the 50th, 99th and 100th percentile of the lag, and the rows a second, of each kind of job."""
    loops = event_loops()
    rows, note = size.of(ROWS, step=1000), GOAL if len(loops) > 1 else f"{GOAL}; {WITHOUT_UVLOOP}"
    with tempfile.TemporaryDirectory() as folder:
        text, delimited = Path(folder) / "ids.txt", Path(folder) / "ids.csv"
        write_ids(text, rows)
        delimited.write_text("name,record_id\n" + "".join(f"somebody,{one}\n" for one in text.read_text().split()))
        for source, delay_ms, cores, loop in product((text, delimited), (0, 50), ("both", "one"), loops):
            turns = [_turn(source, delay_ms / 1000, cores, loop) for _ in range(size.times)]
            case: Case = {"source": source.suffix, "answer_ms": delay_ms, "cores": cores, "loop": loop}
            for name, share in (("p50", 0.5), ("p99", 0.99), ("longest", 1.0)):
                yield Measured(case, f"lag, {name}", "ms", [_at(sorted(lags), share) for lags, _ in turns], note)
            yield Measured(case, "rate", "rows/s", [rate for _, rate in turns], note)


def _at(lags: list[float], share: float) -> float:
    return lags[min(len(lags) - 1, int(share * len(lags)))]


def _turn(source: Path, delay_seconds: float, cores: str, loop: str) -> tuple[list[float], float]:
    """Return the lags, in ms, and the rows a second, of a job in a process of its own."""
    ledger = source.with_suffix(".db")
    with null_server(delay_seconds) as server, on_core(CLIENT) if cores == "one" else nullcontext():
        words = [sys.executable, "-m", "benchmarks.loop_lag", str(source), server.base_url, str(ledger), loop]
        printed = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
    for file in ledger.parent.glob(f"{ledger.name}*"):
        file.unlink()
    seen = json.loads(printed)
    return seen["lags"], seen["rate"]


async def _service(source: str, base_url: str, ledger: str) -> None:
    from bulkdelete import BulkDeleter, open_source  # noqa: PLC0415 - in the process that is measured
    from bulkdelete.settings import Settings, SourceSettings  # noqa: PLC0415

    loop, lags = asyncio.get_running_loop(), []
    settings = Settings.from_mapping({"flow": {"concurrency": PERMITS}})
    how = SourceSettings(column="record_id") if source.endswith(".csv") else None
    async with BulkDeleter(base_url=base_url, api_key="benchmark", settings=settings) as deleter:
        gc.collect()  # as in a service that has run for a while: what was imported is not looked through again
        began = loop.time()
        job = asyncio.create_task(deleter.delete(TABLE_ID, open_source(source, how), ledger=ledger))
        while not job.done():
            due = loop.time() + PROBE_SECONDS
            await asyncio.sleep(PROBE_SECONDS)
            lags.append(max(0.0, loop.time() - due) * 1000)
        report = await job
    if report.acknowledged != report.rows:
        raise RuntimeError(f"the job ended otherwise: {report}")
    print(json.dumps({"lags": lags, "rate": report.rows / (loop.time() - began)}))


def _serve(source: str, base_url: str, ledger: str, loop: str) -> None:
    factory = import_module("uvloop").new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_service(source, base_url, ledger))


if __name__ == "__main__":
    _serve(*sys.argv[1:])
