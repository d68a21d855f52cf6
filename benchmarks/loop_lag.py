"""How long does a large job keep the event loop from everybody else who is in it?

A service awaits a job of a million rows, from a text or a CSV file, with a ledger and 64 permits; beside it a probe
sleeps for 5 ms again and again, and notes how much later it wakes up. The server answers at once, so that the job has
always something to do, or after 50 ms. The service may use both cores, or shares the first one with nobody.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
from importlib import import_module
from importlib.util import find_spec
from itertools import product
from pathlib import Path

from benchmarks.measuring import TABLE_ID, machine, null_server, write_ids

ROWS = 1_000_000
TURNS = 5
PERMITS = 64
PROBE_SECONDS = 0.005
GOAL_MS = 15.0


def main() -> None:
    """Print the 50th, 99th and 100th percentile of the lag, in milliseconds, of each kind of job."""
    loops = ["asyncio", "uvloop"] if find_spec("uvloop") else ["asyncio"]
    print(f"{machine()}; {ROWS:,} rows, {PERMITS} permits, {TURNS} turns; lags in ms; the goal is {GOAL_MS:g} at p99")
    if len(loops) == 1:
        print("uvloop is not installed: without it only")
    print("source   answer ms   cores   loop         p50     p99 (min..max)       longest   rows/s")
    with tempfile.TemporaryDirectory() as folder:
        text, delimited = Path(folder) / "ids.txt", Path(folder) / "ids.csv"
        write_ids(text, ROWS)
        delimited.write_text("name,record_id\n" + "".join(f"somebody,{one}\n" for one in text.read_text().split()))
        kinds = product((text, delimited), (0.0, 0.05), ("both", "one"), loops)
        for source, delay_seconds, cores, loop in kinds:
            turns = [_turn(source, delay_seconds, cores, loop) for _ in range(TURNS)]
            lags, rates = [sorted(lags) for lags, _ in turns], [rate for _, rate in turns]
            p50, p99 = (statistics.median(_at(one, share) for one in lags) for share in (0.5, 0.99))
            spread = f"{p99:.1f} ({min(_at(one, 0.99) for one in lags):.1f}..{max(_at(one, 0.99) for one in lags):.1f})"
            longest, rate = max(one[-1] for one in lags), statistics.median(rates)
            kind = f"{source.suffix:8} {delay_seconds * 1000:9g}   {cores:5}   {loop:8}"
            print(f"{kind} {p50:7.2f}     {spread:20} {longest:7.1f} {rate:8.0f}", flush=True)


def _at(lags: list[float], share: float) -> float:
    return lags[min(len(lags) - 1, int(share * len(lags)))]


def _turn(source: Path, delay_seconds: float, cores: str, loop: str) -> tuple[list[float], float]:
    """Return the lags, in ms, and the rows a second, of a job in a process of its own."""
    ledger = source.with_suffix(".db")
    with null_server(delay_seconds) as server:
        words = [sys.executable, "-m", "benchmarks.loop_lag", str(source), server.base_url, str(ledger), cores, loop]
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
    if report.acknowledged != ROWS:
        raise RuntimeError(f"the job ended otherwise: {report}")
    print(json.dumps({"lags": lags, "rate": ROWS / (loop.time() - began)}))


def _serve(source: str, base_url: str, ledger: str, cores: str, loop: str) -> None:
    if cores == "one":
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    factory = import_module("uvloop").new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_service(source, base_url, ledger))


if __name__ == "__main__":
    _serve(*sys.argv[1:])
