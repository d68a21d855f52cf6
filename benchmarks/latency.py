"""Does the engine keep every permit busy, whatever the server's latency is?

Answers a second, from the second second on, against permits / latency; the latency is the one that the server kept,
from the last byte of a request to its answer: a millisecond or two more than it was asked for.
"""

from __future__ import annotations

import tempfile
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import null_server, run, write_ids
from benchmarks.results import Measured

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.suite import Size

SECONDS = 8
AT_BOTH_ENDS = 10, 4
"""So many tenths of a second do not count: at the end, work runs out."""


def measure(size: Size) -> Iterator[Measured]:
    """Give the share of permits / latency that the client reaches, for each latency and number of permits."""
    with tempfile.TemporaryDirectory() as folder:
        for latency_ms, permits in product((50, 200), (16, 64)):
            source = Path(folder) / "ids.txt"
            seconds = max(3.0, SECONDS * size.share)
            write_ids(source, int(permits / latency_ms * 1000 * 1000 * seconds))
            turns = [_rate(source, latency_ms / 1000, permits) for _ in range(size.times)]
            case = {"latency_ms": latency_ms, "permits": permits}
            yield Measured(case, "latency as kept", "ms", [kept * 1000 for _, kept in turns])
            yield Measured(case, "rate", "batches/s", [rate for rate, _ in turns])
            yield Measured(
                case, "share of permits / latency", "%", [rate * kept / permits * 100 for rate, kept in turns]
            )


def _rate(source: Path, latency_seconds: float, permits: int) -> tuple[float, float]:
    ledger = source.with_suffix(".db")
    with null_server(latency_seconds) as server:
        run(source, server.base_url, "--ledger", str(ledger), "--concurrency", str(permits))
    for file in source.parent.glob(f"{ledger.name}*"):
        file.unlink()
    answers: dict[int, int] = {int(tenth): count for tenth, count in server.seen["answers"].items()}
    tenths = range(AT_BOTH_ENDS[0], max(answers) - AT_BOTH_ENDS[1])
    rate = sum(answers.get(tenth, 0) for tenth in tenths) / len(tenths) * 10
    return rate, server.seen["latency_seconds"]
