"""What must hold after every stop: the ledger against the emulator's own database and all that it was ever asked."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bulkdelete.ledger import read_ledger
from tests.acceptance.command import TABLE_ID, ids

if TYPE_CHECKING:
    from pathlib import Path

    from bulkdelete.emulator import Emulator

ROWS, BATCH_SIZE, CONCURRENCY = 400, 20, 4
INVALID, HELD, POISONED, DUPLICATE = {7: "a b", 151: "c d"}, (33, 150, 399), (71, 222), {90: 85}
_SPANS = "SELECT first_row, end_row FROM {} WHERE {}"


def source_rows() -> list[str]:
    rows = ids(ROWS)
    for row, record in INVALID.items():
        rows[row] = record
    for row, earlier in DUPLICATE.items():
        rows[row] = rows[earlier]
    return rows


SOURCE = source_rows()
SURVIVORS = ids(50, first=700_000_000_000_000_000)
NEVER_SENT = {SOURCE[row] for row in (*INVALID, *HELD)}
REJECTED = {SOURCE[row] for row in POISONED}
STAY = sorted({*SURVIVORS, *NEVER_SENT, *REJECTED})
FATES = dict.fromkeys(INVALID, "invalid") | dict.fromkeys(HELD, "held") | dict.fromkeys(POISONED, "rejected")
FATES |= dict.fromkeys(DUPLICATE, "duplicate")


@dataclass
class Counts:
    """What was looked for, and how often it was found; each is counted before it is asserted."""

    ledgers: int = 0
    unsound: int = 0
    acknowledged: int = 0
    untrue: int = 0
    """Acknowledged, and never applied."""
    forgotten: int = 0
    """Acknowledged in an earlier look, and not in a later one."""
    pending: int = 0
    asked_for: int = 0
    """Pending, which is certainly not sent, and yet sent."""
    ended_rows: int = 0
    lost: int = 0
    """At the end of a job neither acknowledged nor kept."""

    def __str__(self) -> str:
        sound = f"{self.unsound} of them damaged" if self.unsound else "all ok"
        return (
            f"{self.untrue} of {self.acknowledged:,} rows acknowledged and not applied, {self.forgotten} forgotten "
            f"again; {self.lost} of {self.ended_rows:,} rows of ended jobs lost; {self.asked_for} of "
            f"{self.pending:,} pending rows sent; integrity_check of {self.ledgers} ledgers: {sound}"
        )


@dataclass
class Seen:
    """What a look found: acknowledged and pending ids, the fates of the other rows, the ids of all stored ranges."""

    acknowledged: set[str] = field(default_factory=set)
    fates: dict[int, str] = field(default_factory=dict)
    intended: set[str] = field(default_factory=set)
    pending: set[str] = field(default_factory=set)


def look(ledger: Path, counts: Counts) -> Seen:
    """Read a copy of the ledger, so that the looking mends nothing; assert that the copy is sound."""
    if not ledger.exists():
        return Seen()
    copy = ledger.parent / "looked at" / ledger.name
    shutil.rmtree(copy.parent, ignore_errors=True)
    copy.parent.mkdir()
    for file in (ledger, ledger.with_name(f"{ledger.name}-wal")):
        if file.exists():
            shutil.copy(file, copy.parent)
    with read_ledger(copy) as reader:
        found = reader.check()
    if not found.runs:  # killed before the run was on record: nothing can have been sent
        assert found.totals is not None
        assert not found.totals.rows
        return Seen()
    assert not found.problems.count, found.problems.shown
    with closing(sqlite3.connect(copy)) as connection:
        integrity = connection.execute("PRAGMA integrity_check").fetchall()
        counts.ledgers += 1
        counts.unsound += integrity != [("ok",)]
        assert integrity == [("ok",)]
        fates = dict(connection.execute("SELECT row, fate FROM row"))
        (end_row,) = connection.execute("SELECT coalesce(max(end_row), 0) FROM batch").fetchone()
        spans = connection.execute(_SPANS.format("batch", "state = 1")).fetchall()
        spans += connection.execute(_SPANS.format("part", "fate = 'acknowledged'")).fetchall()
        pending = connection.execute(_SPANS.format("batch", "state = 4")).fetchall()
    acknowledged, left = (
        {SOURCE[row] for span in some for row in range(*span) if row not in fates} for some in (spans, pending)
    )
    return Seen(acknowledged, fates, set(SOURCE[:end_row]), left - acknowledged)


def check(seen: Seen, emulator: Emulator, counts: Counts) -> None:
    """Assert that no result is false, and that what was sent was meant and had its intent."""
    remaining = set(emulator.remaining(TABLE_ID))
    untrue = seen.acknowledged & remaining
    counts.acknowledged += len(seen.acknowledged)
    counts.untrue += len(untrue)
    assert not untrue, f"acknowledged, and not applied: {sorted(untrue)[:5]}"
    assert remaining >= set(STAY), f"gone, and never meant: {sorted(set(STAY) - remaining)[:5]}"
    asked = {entry["record_id"] for request in emulator.log for entry in request.entries}
    assert not asked & NEVER_SENT, f"sent, and held or invalid: {sorted(asked & NEVER_SENT)[:5]}"
    assert asked <= seen.intended, f"sent without an intent: {sorted(asked - seen.intended)[:5]}"
    sent = seen.pending & asked
    counts.pending += len(seen.pending)
    counts.asked_for += len(sent)
    assert not sent, f"pending, and sent: {sorted(sent)[:5]}"
    for row, fate in seen.fates.items():
        assert FATES.get(row) == fate, f"row {row} is {fate}, and not {FATES.get(row, 'acknowledged')}"


def check_later(seen: Seen, before: Seen, counts: Counts) -> None:
    """Assert that what was acknowledged *before* still is."""
    forgotten = before.acknowledged - seen.acknowledged
    counts.forgotten += len(forgotten)
    assert not forgotten, f"acknowledged before, and not any more: {sorted(forgotten)[:5]}"


def check_end(seen: Seen, emulator: Emulator, counts: Counts) -> None:
    """Assert that the job ended as one that nothing interrupts."""
    check(seen, emulator, counts)
    lost = set(SOURCE) - NEVER_SENT - REJECTED - seen.acknowledged
    counts.ended_rows += ROWS
    counts.lost += len(lost)
    assert not lost, f"neither acknowledged nor kept: {sorted(lost)[:5]}"
    assert seen.fates == FATES
    assert sorted(emulator.remaining(TABLE_ID)) == STAY
