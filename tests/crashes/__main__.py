"""``python -m tests.crashes --kills 500``: the crash campaign, and its figures.

With ``--adversity`` it kills nothing: it plays the tests of what else may befall a job, also the long ones.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
import traceback
from typing import TYPE_CHECKING

import pytest

from tests.crashes.campaign import (
    HITS,
    SEED_VARIABLE,
    Figures,
    StepNotReachedError,
    killed_at_every_step,
    killed_so_often,
)
from tests.crashes.launcher import STEPS

if TYPE_CHECKING:
    from collections.abc import Sequence

ADVERSITY = ("tests/crashes", "--ignore", "tests/crashes/test_crashes.py", "tests/acceptance/test_dying.py")


async def campaign(kills: int, seed: int, steps: Sequence[str], hits: Sequence[int], figures: Figures) -> int:
    """Kill jobs *kills* times at random moments, then at all *hits* of every one of *steps*; return the exit code."""
    try:
        await killed_so_often(figures, seed, kills)
        for hit in hits:
            await killed_at_every_step(figures, seed, steps, hit)
    except Exception as error:  # noqa: BLE001 - whatever it is, its last line is the command that plays it again
        is_found = isinstance(error, AssertionError) and not isinstance(error, StepNotReachedError)
        what = "a promise was broken" if is_found else "it failed"
        sys.stdout.write(f"{what} after {figures.crashes} crashes: {error}\n{traceback.format_exc()}")
        return 1
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.crashes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=500, help="so many kills at random moments; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--steps", nargs="*", choices=STEPS, default=STEPS, help="kill at these too; default: all")
    parser.add_argument("--hits", nargs="+", type=int, default=HITS, help="of each step; default: 1 and 7")
    parser.add_argument("--adversity", nargs="*", metavar="TEST", help="play these tests instead; default: all")
    given = parser.parse_args()
    if given.adversity is not None:
        os.environ[SEED_VARIABLE] = str(given.seed)
        sys.exit(pytest.main([*(given.adversity or ADVERSITY), "-m", "campaign or not campaign"]))
    figures, began = Figures(), time.monotonic()
    code = asyncio.run(campaign(given.kills, given.seed, given.steps, given.hits, figures))
    sys.stdout.write(f"{figures}; {time.monotonic() - began:.0f} s\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
