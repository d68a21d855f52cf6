"""How long do the digest and every check of a ledger of a million batches take, and what memory do they need?

The ledger is written through SQL: a million acknowledged batches, every hundredth of them split, with a rejected row.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks.measuring import machine
from bulkdelete.ledger import schema

SPLIT = 100
BATCHES = """
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


def main(batches: int = 1_000_000) -> None:
    """Print the seconds and the peak memory of the whole command, and the seconds of the digest alone."""
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "purge.db"
        _write(path, batches)
        digest = _timed("from bulkdelete.ledger import read_ledger; read_ledger(sys.argv[1]).content_digest()", path)
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "bulkdelete", "verify", str(path), "--json"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None  # noqa: S101 - it was opened as a pipe
        found = json.loads(process.stdout.read())
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = found["exit_code"]
        seconds = time.perf_counter() - began
        print(
            f"{found['batches']:,} batches, {path.stat().st_size / 2**20:.0f} MiB, problems: {found['problem_count']}"
        )
        print(f"verify: {seconds:.1f} s, {usage.ru_maxrss / 1024:.0f} MiB; the digest alone: {digest:.1f} s")


def _timed(statement: str, path: Path) -> float:
    program = f"import sys, time; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def _write(path: Path, batches: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(schema.TABLES)
        connection.execute(BATCHES, {"batches": batches, "split": SPLIT})
        for statement in (*PARTS, *HEAD):
            connection.execute(statement)
        connection.commit()
