"""``python -m tests.cancelling --seeds 200``: so many jobs, cancelled at every step; exit code 1 if one breaks."""

from __future__ import annotations

import argparse
import os
import sys
import time
from functools import partial

from tests.cancelling.campaign import Figures, cancel_everywhere
from tests.hanging import in_processes


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cancelling", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many jobs")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--most-steps", type=int, help="cancel at no later step of a job")
    options = parser.parse_args()
    began, total, broken = time.monotonic(), Figures(), []
    seeds = range(options.first, options.first + options.seeds)
    for figures in in_processes(partial(cancel_everywhere, most_steps=options.most_steps), seeds, options.jobs):
        total.add(figures)
        if figures.said:
            print(figures.said, flush=True)
            broken.append(figures.seed)
            if figures.hangs:
                break
    print(f"{options.seeds} jobs, {total.told()}, in {time.monotonic() - began:.1f} s")
    print(f"{len(broken)} jobs broke a promise: {' '.join(map(str, broken[:50]))}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
