"""Does the engine keep every permit busy, whatever the server's latency is?

Answers a second, from the second second on, against permits / latency.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.measuring import machine, null_server, run, write_ids

SECONDS = 8


def main() -> None:
    """Print the share of permits / latency that the client reaches, for each latency and number of permits."""
    print(machine())
    print("latency ms   permits   batches/s   of permits/latency")
    with tempfile.TemporaryDirectory() as folder:
        for latency_seconds in (0.05, 0.2):
            for permits in (16, 64):
                batches_a_second = permits / latency_seconds
                source = Path(folder) / "ids.txt"
                write_ids(source, int(batches_a_second * 1000 * SECONDS))
                rate = _rate(source, latency_seconds, permits)
                share = rate / batches_a_second
                print(f"{latency_seconds * 1000:10g} {permits:9d} {rate:11.1f} {share:15.1%}", flush=True)


def _rate(source: Path, latency_seconds: float, permits: int) -> float:
    ledger = source.with_suffix(".db")
    with null_server(latency_seconds) as server:
        run(source, server.base_url, "--ledger", str(ledger), "--permits", str(permits))
    for file in source.parent.glob(f"{ledger.name}*"):
        file.unlink()
    answers: dict[int, int] = {int(tenth): count for tenth, count in server.seen["answers"].items()}
    tenths = range(10, max(answers) - 4)  # without the first second, and without the end, where work runs out
    return sum(answers.get(tenth, 0) for tenth in tenths) / len(tenths) * 10
