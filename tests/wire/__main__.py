"""The long campaign of wire chaos: ``python -m tests.wire --share 0.1``."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shlex
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TYPE_CHECKING

from tests.wire.campaign import A_GROUP, Found, all_cases, play_share
from tests.wire.cases import Case

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

A_SHARE = 4 * A_GROUP


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.wire", description=__doc__)
    made.add_argument("--share", type=float, default=1.0, help="play so much of all cases, from 0 to 1")
    made.add_argument("--seed", type=int, default=0, help="draws them")
    made.add_argument("--holding", default="", help="play only the cases whose name holds this")
    made.add_argument("--only", type=Case.named, action="append", help="play the case of this name; may be given again")
    made.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    return made


def main(words: Sequence[str] | None = None) -> int:
    options = parser().parse_args(words)
    began = time.monotonic()
    found = Found()
    try:
        for part in _played(asyncio.run(chosen(options)), options.jobs):
            if part.failures:
                print(f"{part.told()}\n", flush=True)
            found.add(part)
    except Exception:  # noqa: BLE001 - a process that died is a failure of what it played
        print(f"{traceback.format_exc()}\nagain: python -m tests.wire {shlex.join(words or sys.argv[1:])}")
        return 1
    print(found.figures(time.monotonic() - began))
    return 1 if found.failures or found.proves_little else 0


async def chosen(options: argparse.Namespace) -> list[Case]:
    if options.only:
        return options.only
    cases = [case for case in await all_cases() if options.holding in str(case)]
    return random.Random(options.seed).sample(cases, round(options.share * len(cases)))


def _played(cases: list[Case], jobs: int) -> Iterator[Found]:
    shares = [cases[first : first + A_SHARE] for first in range(0, len(cases), A_SHARE)]
    if len(shares) == 1:
        yield play_share(cases)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for future in as_completed([pool.submit(play_share, share) for share in shares]):
            yield future.result()


if __name__ == "__main__":
    sys.exit(main())
