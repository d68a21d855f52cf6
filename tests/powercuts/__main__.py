"""The long campaign: ``python -m tests.powercuts --images 200000``."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import count, repeat
from pathlib import Path
from typing import TYPE_CHECKING

from tests.powercuts.campaign import AS_SET, judged_again, played
from tests.powercuts.histories import images_of
from tests.powercuts.judging import MEMORY, OF_A_CAMPAIGN, Found
from tests.powercuts.keeping import left_by_the_dead

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MOST_SHOWN = 5


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.powercuts", description=__doc__)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--synchronous", choices=("full", "normal"), default=AS_SET)
    parser.add_argument("--history", type=int, nargs="+", metavar="NUMBER", help="only these histories of the seed")
    parser.add_argument("--judge", type=Path, help="judge again an image that an earlier campaign kept")
    given = parser.parse_args()
    if given.judge is not None:
        fault = judged_again(given.judge)
        print(fault or "sound")
        return bool(fault)
    numbers = given.history or [*histories_of(given.images)]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="powercuts-") as folder:
        found = campaign(given.seed, numbers, given.synchronous, given.jobs, Path(folder))
        print(
            f"synchronous={given.synchronous}: {found.images} images of {len(numbers)} histories in",
            f"{time.monotonic() - began:.0f} s; {found.lost} of {found.acknowledged} acknowledged operations lost,",
            f"{len(found.faults)} images or histories unsound",
        )
        for fault in found.faults[:_MOST_SHOWN]:
            print(fault)
    return bool(found.faults)


def campaign(seed: int, numbers: Sequence[int], synchronous: str, jobs: int, folder: Path) -> Found:
    """Play histories *numbers* of *seed* in so many processes, which keep in *folder* what they judge."""
    found = Found()
    play = partial(played, folder=folder, synchronous=synchronous)
    try:
        with ProcessPoolExecutor(jobs) as pool:
            for one in pool.map(play, repeat(seed), numbers):
                found.add(one)
    except BrokenProcessPool:
        known = {fault.image for fault in found.faults if fault.image is not None}
        for at_hand in Path(MEMORY or tempfile.gettempdir()).glob(f"{OF_A_CAMPAIGN}{os.getpid()}-*"):
            shutil.rmtree(at_hand)
        found.faults += [left for left in left_by_the_dead(folder) if left.image not in known]
    return found


def histories_of(images: int) -> Iterator[int]:
    """Yield so many numbers of histories that there are *images* of them."""
    for number in count():
        if images <= 0:
            return
        yield number
        images -= images_of(number)


if __name__ == "__main__":
    sys.exit(main())
