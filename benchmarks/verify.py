"""How long do a look at a ledger of a million batches, every check and the digest take, and what memory do they need?

The ledger is written through SQL: a million acknowledged batches, every hundredth of them split, with a rejected row.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import ended
from benchmarks.results import Case, Measured
from bulkdelete.ledger import schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.measuring import Ended
    from benchmarks.suite import Size

BATCHES = 1_000_000
SPLIT = 100
INSERT = """
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :batches - 1)
INSERT INTO batch (first_row, end_row, records, invalid, held, duplicate, digest, state, changed_ms, attempts)
SELECT i * 1000, i * 1000 + 1000, 1000, 0, 0, 0, randomblob(16), iif(i % :split, 1, 2), 1790000000000 + i, 1 FROM n
"""
OF_SPLIT = f"FROM batch WHERE state = {schema.SETTLED}"
PARTS = (
    f"INSERT INTO part SELECT first_row, first_row + 999, 999, 'acknowledged' {OF_SPLIT}",
    f"INSERT INTO part SELECT end_row - 1, end_row, 1, 'rejected' {OF_SPLIT}",
    f"INSERT INTO row SELECT end_row - 1, 'rejected', 'no', '' || end_row, NULL, '', NULL, 40000, NULL {OF_SPLIT}",
)
HEAD = (
    "INSERT INTO job VALUES ('identity.table_id', 't'), ('identity.base_url', 'u')",
    "INSERT INTO run VALUES (1, 0, 1, 'complete', '', 1, 'h', 'u', '1', '3', '3', 1000000, 0)",
    f"PRAGMA application_id = {schema.APPLICATION_ID}",
    f"PRAGMA user_version = {schema.SCHEMA_VERSION}",
)


DIGEST = (
    "import sys, time; began = time.perf_counter(); from bulkdelete.ledger import read_ledger; "
    "read_ledger(sys.argv[1]).content_digest(); print(time.perf_counter() - began)"
)


def measure(size: Size) -> Iterator[Measured]:
    """Give the wall and CPU seconds and the peak memory of the whole commands, and the seconds of the digest alone."""
    with tempfile.TemporaryDirectory() as folder:
        path, batches = Path(folder) / "purge.db", size.of(BATCHES)
        _write(path, batches)
        digests = [float(ended([sys.executable, "-c", DIGEST, str(path)]).printed) for _ in range(size.times)]
        runs = _runs(size.times, "verify", str(path), "--json")
        [problems] = {json.loads(one.printed)["problem_count"] for one in runs}
        note = f"problems: {problems}"
        yield from _told({"batches": batches, "what": "verify"}, runs, note)
        yield Measured({"batches": batches, "what": "digest alone"}, "wall", "s", digests)
        for options in ([], ["--events"]):
            case: Case = {"batches": batches, "what": " ".join(["status", *options])}
            yield from _told(case, _runs(size.times, "status", str(path), *options))
        yield Measured({"batches": batches, "what": "ledger"}, "size", "MiB", [path.stat().st_size / 2**20])


def _runs(times: int, *words: str) -> list[Ended]:
    return [ended([sys.executable, "-m", "bulkdelete", *words]) for _ in range(times)]


def _told(case: Case, runs: Sequence[Ended], note: str = "") -> Iterator[Measured]:
    if any(one.exit_code for one in runs):
        raise RuntimeError(f"{case}: the command ended with an error: {runs}")
    yield Measured(case, "wall", "s", [one.wall_seconds for one in runs], note)
    yield Measured(case, "CPU", "s", [one.cpu_seconds for one in runs], note)
    yield Measured(case, "peak memory", "MiB", [one.peak_mib for one in runs], note)


def _write(path: Path, batches: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(schema.TABLES)
        connection.execute(INSERT, {"batches": batches, "split": SPLIT})
        for statement in (*PARTS, *HEAD):
            connection.execute(statement)
        connection.commit()
