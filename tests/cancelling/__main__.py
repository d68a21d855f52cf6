"""``python -m tests.cancelling --seeds 200``: so many jobs, cancelled at every step; exit code 1 if one breaks."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial

from tests.cancelling.campaign import cancel_everywhere
from tests.simulation.everywhere import play_all


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cancelling", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many jobs")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--most-steps", type=int, help="cancel at no later step of a job")
    parser.add_argument("--at-step", type=int, help="cancel at this step alone")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--alone", action="store_true", help="only jobs whose outcomes nobody reads as they come")
    only.add_argument("--read", action="store_true", help="only jobs whose outcomes somebody reads")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    how = {"most_steps": options.most_steps, "at_step": options.at_step}
    play = partial(cancel_everywhere, **how, alone=not options.read, read=not options.alone)
    return not play_all(play, seeds, options.jobs, "cancelled", partial(print, flush=True))


if __name__ == "__main__":
    sys.exit(main())
