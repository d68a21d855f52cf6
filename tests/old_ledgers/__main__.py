"""``python -m tests.old_ledgers FOLDER``: make the ledgers that are kept of this schema version, where none are yet."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from tests.old_ledgers.making import KEPT, make


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.old_ledgers", description=__doc__)
    parser.add_argument("folder", type=Path, help="a new folder to work in, whose name the ledgers will keep")
    given = parser.parse_args()
    if KEPT.exists():
        parser.error(f"{KEPT} is there: what is kept of a version is never made again")
    given.folder.mkdir()
    asyncio.run(make(given.folder.absolute()))


if __name__ == "__main__":
    main()
