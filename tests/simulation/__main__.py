"""``python -m tests.simulation --seeds 100000``: so many histories; exit code 1 where a promise is broken."""

from __future__ import annotations

import argparse
import os
import sys
import time
from functools import partial

from tests.hanging import in_processes
from tests.simulation.campaign import Failure, play_seed, play_seeds
from tests.simulation.every_step import Way
from tests.simulation.everywhere import play_all, strike_everywhere
from tests.simulation.figures import Figures
from tests.simulation.loop import Trace

MOST_SHOWN = 5
SHARE = 50
CUT = Way("cut", "python -m tests.simulation --every-cut --seeds 1 --first")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many histories")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="replay this one, and print all that happens")
    parser.add_argument("--digests", type=int, nargs="+", help="only print the digests of what happens with these")
    parser.add_argument("--every-cut", action="store_true", help="cut the first run of each seed at every step instead")
    parser.add_argument("--most-steps", type=int, help="with --every-cut: cut at no later step of a job")
    parser.add_argument("--at-step", type=int, help="with --every-cut: cut at this step alone")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    options = parser.parse_args()
    if options.seed is not None:
        return _replay(options.seed)
    if options.digests is not None:
        for seed in options.digests:
            print(play_seed(seed).trace.digest)
        return 0
    if options.every_cut:
        play = partial(strike_everywhere, ways=[CUT], most_steps=options.most_steps, at_step=options.at_step)
        seeds = range(options.first, options.first + options.seeds)
        return not play_all(play, seeds, options.jobs, "cut", partial(print, flush=True))
    began = time.monotonic()
    total, failures = Figures(), []
    shares = [
        range(first, min(first + SHARE, options.first + options.seeds))
        for first in range(options.first, options.first + options.seeds, SHARE)
    ]
    for figures, found in in_processes(play_seeds, shares, options.jobs):
        total.add(figures)
        for failure in found[: max(0, MOST_SHOWN - len(failures))]:
            print(failure, flush=True)
        failures += found
        if any(one.hangs for one in found):
            break
    seconds = time.monotonic() - began
    print(f"{total.histories} histories in {seconds:.1f} s with {options.jobs} processes: {total.told()}")
    print(f"{len(failures)} seeds broke a promise: {' '.join(str(one.seed) for one in failures[:50])}")
    return 1 if failures else 0


def _replay(seed: int) -> int:
    played = play_seed(seed, Trace(kept=True))
    for line in played.trace.lines or ():
        print(line)
    print(f"trace {played.trace.digest}")
    if isinstance(played.outcome, Failure):
        print(played.outcome)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
