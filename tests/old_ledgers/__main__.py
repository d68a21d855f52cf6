"""``python -m tests.old_ledgers FOLDER``: make the ledgers that are kept of a schema version, where none are yet.

Those of version 1 are of commit d240337, the last that wrote it: ``--of`` a tree of it.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from tests.old_ledgers.making import jobs_of, kept_of, make, version_of


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.old_ledgers", description=__doc__)
    parser.add_argument("folder", type=Path, help="a new folder to work in, whose name the ledgers will keep")
    parser.add_argument("--of", type=Path, help="an older tree of bulkdelete, whose command writes them")
    given = parser.parse_args()
    version = version_of(given.of)
    missing = [name for name in jobs_of(version) if not (kept_of(version) / name).exists()]
    if not missing:
        parser.error(f"{kept_of(version)} is there: what is kept of a version is never made again")
    given.folder.mkdir()
    asyncio.run(make(given.folder.absolute(), version, missing, given.of))


if __name__ == "__main__":
    main()
