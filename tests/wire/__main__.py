"""The long campaign of wire chaos: ``python -m tests.wire --share 0.1``."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time

from tests.wire.campaign import all_cases, figures, play_all


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.wire", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="play so much of all cases, from 0 to 1")
    parser.add_argument("--seed", type=int, default=0, help="draws them")
    parser.add_argument("--only", default="", help="play only the cases whose name holds this")
    options = parser.parse_args()
    began = time.monotonic()
    found = asyncio.run(_played(options.share, options.seed, options.only))
    for name, failure in found.failures.items():
        print(f"{failure}\nagain: python -m tests.wire --only '{name}'\n")
    print(figures(found, began))
    return 1 if found.failures or not found.played else 0


async def _played(share: float, seed: int, only: str):
    cases = [case for case in await all_cases() if only in str(case)]
    return await play_all(random.Random(seed).sample(cases, round(share * len(cases))))


if __name__ == "__main__":
    sys.exit(main())
