"""Does the engine keep every permit busy, whatever the server's latency is?

Answers a second, from the second second on, against permits / latency; the latency is the one that the server kept,
from the last byte of a request to its answer: a millisecond or two more than it was asked for.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.measuring import machine, null_server, run, write_ids

SECONDS = 8


def main() -> None:
    """Print the share of permits / latency that the client reaches, for each latency and number of permits."""
    print(machine())
    print("latency ms   as kept   permits   batches/s   of permits/latency")
    with tempfile.TemporaryDirectory() as folder:
        for latency_seconds in (0.05, 0.2):
            for permits in (16, 64):
                source = Path(folder) / "ids.txt"
                write_ids(source, int(permits / latency_seconds * 1000 * SECONDS))
                rate, kept = _rate(source, latency_seconds, permits)
                asked, share = latency_seconds * 1000, rate * kept / permits
                print(f"{asked:10g} {kept * 1000:9.1f} {permits:9d} {rate:11.1f} {share:15.1%}", flush=True)


def _rate(source: Path, latency_seconds: float, permits: int) -> tuple[float, float]:
    ledger = source.with_suffix(".db")
    with null_server(latency_seconds) as server:
        run(source, server.base_url, "--ledger", str(ledger), "--concurrency", str(permits))
    for file in source.parent.glob(f"{ledger.name}*"):
        file.unlink()
    answers: dict[int, int] = {int(tenth): count for tenth, count in server.seen["answers"].items()}
    tenths = range(10, max(answers) - 4)  # without the first second, and without the end, where work runs out
    rate = sum(answers.get(tenth, 0) for tenth in tenths) / len(tenths) * 10
    return rate, server.seen["latency_seconds"]
