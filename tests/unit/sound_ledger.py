"""A sound ledger with a batch in every state, made by the ledger's own writer, and the source that it is of."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from bulkdelete.digest import digest
from bulkdelete.ledger import open_ledger
from bulkdelete.records import Ended, Fate
from bulkdelete.sources import open_source
from tests.unit.test_ledger import batch_of, outcome

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bulkdelete.records import Batch

IDS = [str(541_278_230_707_963_208 + number) for number in range(23)]
KINDS = ("rrrr", "rihdrr", "rrrr", "rrrr", "rrr", "ii")


async def make(folder: Path) -> str:
    """Make ``ids.csv`` and ``a.db`` in *folder*, and return the ledger's digest.

    Rows 0 to 3 are acknowledged; 4 to 9 settled, of them 5 invalid, 6 held, 7 duplicate and 9 rejected; 10 to 13
    unresolved, of them 10 and 11 settled; 14 to 17 pending; 18 to 20 open; 21 and 22 invalid. The first run was killed.
    """
    (folder / "ids.csv").write_text("record_id\n" + "\n".join(IDS) + "\n")
    source = open_source(folder / "ids.csv")
    identity = {"table_id": "673af861ed69656ac0895b07", "base_url": "http://127.0.0.1:8080"}
    identity |= {f"source {key}": value for key, value in source.identity.items()}
    identity["source content"] = await source.fingerprint()
    whole, settled, unresolved, pending, still_open, invalid = batches = [*_batches()]
    ledger = await open_ledger(folder / "a.db", identity, version="1")
    await ledger.intend(whole)
    await ledger.close(None)
    ledger = await open_ledger(folder / "a.db", identity, version="1")
    await ledger.note("confirmation", by="option")
    await ledger.remember("source_path", str(folder / "ids.csv"))
    for batch in batches:
        await ledger.intend(replace(batch, stored=batch is whole))
    await ledger.record(outcome(whole, Fate.ACKNOWLEDGED))
    await ledger.record(outcome(settled, Fate.ACKNOWLEDGED, range(2)))
    await ledger.record(outcome(settled, Fate.REJECTED, range(2, 3)))
    await ledger.record(outcome(unresolved, Fate.ACKNOWLEDGED, range(2)))
    await ledger.record(outcome(unresolved, Fate.UNRESOLVED, range(2, 4), code=50000, message="internal \u00e9rror"))
    await ledger.record(outcome(pending, Fate.PENDING, attempts=0))
    await ledger.remember("source_rows", str(len(IDS)))
    assert still_open.end_row == invalid.first_row
    return await ledger.close(Ended.SIGNAL, "SIGINT received", 5, 2)


def _batches() -> Iterable[Batch]:
    first_row = 0
    for kinds in KINDS:
        batch = batch_of(first_row, kinds)
        aside = tuple(replace(row_fate, record=IDS[row_fate.row]) for row_fate in batch.set_aside)
        records = [IDS[row] for row in batch.rows]
        yield replace(batch, digest=digest(IDS[first_row : batch.end_row]), records=records, set_aside=aside)
        first_row = batch.end_row


def damage(path: Path, sql: str) -> None:
    """Change a ledger behind its back."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(sql)
