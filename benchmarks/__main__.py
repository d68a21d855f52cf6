"""Measure one thing: prints a table; nothing is left behind."""

from __future__ import annotations

import sys

from benchmarks import bare, fairness, flow, holds, latency, loop_lag, resume, small_calls, throughput, verify

BENCHMARKS = {
    "throughput": lambda: throughput.main([10], times=5),
    "bare": bare.main,
    "small_calls": small_calls.main,
    "memory": lambda: throughput.main([1, 10, 50], times=1),
    "latency": latency.main,
    "fairness": fairness.main,
    "loop_lag": loop_lag.main,
    "resume": resume.main,
    "verify": verify.main,
    "holds": holds.main,
    "flow": flow.main,
}

if __name__ == "__main__":
    chosen = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in chosen if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}")
    for name in chosen:
        print(f"== {name}")
        BENCHMARKS[name]()
