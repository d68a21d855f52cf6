"""The long campaign: ``python -m tests.powercuts --images 200000``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import count, repeat
from pathlib import Path
from typing import TYPE_CHECKING

from tests.powercuts.campaign import AS_SET, Found, judged_again, kept, played
from tests.powercuts.histories import images_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.powercuts", description=__doc__)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--synchronous", choices=("full", "normal"), default=AS_SET)
    parser.add_argument("--judge", type=Path, help="judge again an image that an earlier campaign kept")
    given = parser.parse_args()
    if given.judge is not None:
        fault = judged_again(given.judge)
        print(fault or "sound")
        return bool(fault)
    began, found = time.monotonic(), Found()
    numbers = [*histories_of(given.images)]
    play = partial(played, synchronous=given.synchronous)
    with ProcessPoolExecutor(given.jobs) as pool:
        for one in pool.map(play, repeat(given.seed), numbers):
            found.add(one)
    seconds = time.monotonic() - began
    print(
        f"synchronous={given.synchronous}: {found.images} images of {len(numbers)} histories in {seconds:.0f} s;",
        f"{found.lost} of {found.acknowledged} acknowledged operations lost, {len(found.faults)} images unsound",
    )
    for fault, image, history in found.faults[:5]:
        print(f"{fault}\n  python -m tests.powercuts --judge {kept(history, image)}")
    return bool(found.faults)


def histories_of(images: int) -> Iterator[int]:
    """Yield so many numbers of histories that there are *images* of them."""
    for number in count():
        if images <= 0:
            return
        yield number
        images -= images_of(number)


if __name__ == "__main__":
    sys.exit(main())
