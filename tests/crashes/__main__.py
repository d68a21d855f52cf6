"""``python -m tests.crashes --kills 500``: the crash campaign, and its figures."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
import traceback

from tests.crashes.campaign import Figures, killed_at_every_step, killed_at_random_moments, uninterrupted


async def campaign(kills: int, seed: int, figures: Figures) -> int:
    """Kill jobs *kills* times at random moments, then at every step; return the exit code."""
    await uninterrupted(figures, seed)
    number = seed
    step = "--steps"
    try:
        while figures.crashes < kills:
            number, step = number + 1, ""
            await killed_at_random_moments(figures, number, kills - figures.crashes)
        number, step = seed, "--steps"
        await killed_at_every_step(figures, seed)
    except Exception:  # noqa: BLE001 - whatever it is, the seed plays it again
        traceback.print_exc()
        again = f"--seed {seed} --kills 0" if step else f"--seed {number - 1} --kills 30"
        sys.stdout.write(f"it failed after {figures.crashes} crashes; again: python -m tests.crashes {again}\n")
        return 1
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.crashes", description=__doc__)
    parser.add_argument("--kills", type=int, default=500, help="so many kills at random moments; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    given = parser.parse_args()
    figures, began = Figures(), time.monotonic()
    code = asyncio.run(campaign(given.kills, given.seed, figures))
    if not code:
        sys.stdout.write(f"{figures}; {time.monotonic() - began:.0f} s\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
