"""``python -m tests.cancelling --seeds 200``: so many jobs, cancelled at every step; exit code 1 if one breaks."""

from __future__ import annotations

import argparse
import os
import sys
import time
from multiprocessing import get_context

from tests.cancelling.campaign import cancel_everywhere


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cancelling", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many jobs")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    options = parser.parse_args()
    began, total, broken = time.monotonic(), 0, []
    with get_context("spawn").Pool(options.jobs) as pool:
        seeds = range(options.first, options.first + options.seeds)
        for seed, cancelled, said in pool.imap_unordered(cancel_everywhere, seeds):
            total += cancelled
            if said:
                print(said, flush=True)
                broken.append(seed)
    print(f"{options.seeds} jobs, {total} times cancelled and run again, in {time.monotonic() - began:.1f} s")
    print(f"{len(broken)} jobs broke a promise: {' '.join(map(str, broken[:50]))}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
