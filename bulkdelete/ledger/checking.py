"""Whether a ledger holds together: all that can be seen of that without its source.

Nothing is taken for granted: the file may be damaged, or written to by somebody else. What cannot be read is a problem
like any other, and the rest is checked all the same.
"""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Final

from bulkdelete.ledger import runs, sealing, texts, totals
from bulkdelete.ledger.facts import SOURCE_ROWS
from bulkdelete.ledger.findings import MOST_SHOWN, Findings
from bulkdelete.ledger.walking import Walk
from bulkdelete.records import Ended

if TYPE_CHECKING:
    from collections.abc import Callable

_IDENTITY: Final = ("identity.table_id", "identity.base_url")
_CLOCK_SET_BACK_MS: Final = 24 * 60 * 60 * 1000
"""A clock may be set back while a job runs; by more than a day it is worth a look."""
_EVENTS: Final = "SELECT id, run, detail FROM event ORDER BY id"
_INDEX: Final = "open_batch"
_NAMES: Final = "SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
_UNREADABLE: Final = (sqlite3.Error, ValueError, TypeError, AttributeError)
_ENDINGS: Final = frozenset(Ended)


def check(connection: sqlite3.Connection) -> Findings:
    """Return what the ledger holds and what of it does not fit; the caller sees to it that nobody writes meanwhile."""
    checking = _Checking(connection)
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        ("the file", checking.look_at_file),
        ("the tables", checking.look_at_tables),
        ("the facts of the job", checking.look_at_facts),
        ("the runs", checking.look_at_runs),
        ("the events", checking.look_at_events),
        ("the batches", checking.look_at_batches),
        ("the whole content", checking.take_digest),
    )
    for name, step in steps:
        try:
            step()
        except _UNREADABLE as error:
            checking.say(f"{name} cannot be read to the end: {error}")
    return checking.found


class _Checking:
    """One check of one ledger, step by step."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._tables: list[str] = []
        self.found = Findings()
        self.say = self.found.problems.add

    def look_at_file(self) -> None:
        for (line,) in self._connection.execute(f"PRAGMA integrity_check({MOST_SHOWN})"):
            if line != "ok":
                self.say(f"SQLite finds the file damaged: {line}")

    def look_at_tables(self) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        self._tables = sealing.tables_of(version)
        for kind, name in self._connection.execute(_NAMES):
            if name not in {*self._tables, _INDEX}:
                self.say(f"the file holds the {kind} {name}, which no ledger has")
        for table in self._tables:
            columns = self._connection.execute("SELECT name FROM pragma_table_info(?) ORDER BY cid", (table,))
            there, known = ", ".join(name for (name,) in columns), sealing.COLUMNS[table]
            if there != known:
                self.say(f"the table {table} should have the columns {known}; it has {there or 'none'}")

    def look_at_facts(self) -> None:
        for key, value in self._connection.execute("SELECT key, value FROM job ORDER BY key"):
            try:
                self.found.facts[key] = texts.given(value)
            except (ValueError, TypeError):
                self.say(f"the fact {key} cannot be read")
        missing = [key for key in _IDENTITY if key not in self.found.facts]
        if missing:
            self.say(f"the ledger does not say which job it is of: {' and '.join(missing)} missing")

    def look_at_runs(self) -> None:
        self.found.runs = runs.read(self._connection)
        known = {run.id for run in self.found.runs}
        for number in range(1, max(known, default=0) + 1):
            if number not in known:
                self.say(f"run {number} is missing")
        if not known:
            self.say("no run is on record: the first was cut off before it began, or its rows were taken away")
        for run in self.found.runs:
            fault = _fault_of(run)
            if fault:
                self.say(f"run {run.id}: {fault}")

    def look_at_events(self) -> None:
        if "event" not in self._tables:
            return
        known = {run.id for run in self.found.runs}
        for event, run, detail in self._connection.execute(_EVENTS):
            if run not in known:
                self.say(f"event {event} belongs to run {run}, which is not on record")
            if not _is_object(detail):
                self.say(f"event {event}: its detail is no JSON object")

    def look_at_batches(self) -> None:
        walk = Walk(self._connection, self.found.problems)
        walked = walk.go()
        self._look_at_end(walk.end_row)
        self.found.totals = counted = totals.count(self._connection)
        for name, one in counted._asdict().items():
            other = getattr(walked, name)
            if one != other:
                self.say(f"{name}: {one:,} by the counts of batches and parts, and {other:,} gone through row by row")
        rows, _, *fates = counted
        if rows != sum(fates):
            self.say(f"the fates add up to {sum(fates):,} rows, and the ranges hold {rows:,}")

    def _look_at_end(self, end_row: int) -> None:
        rows = self.found.facts.get(SOURCE_ROWS)
        if rows is not None and rows != str(end_row):
            self.say(f"the source was read to its end, {SOURCE_ROWS} {rows}, and the ranges end before row {end_row}")

    def take_digest(self) -> None:
        self.found.digest = sealing.content_digest(self._connection)


def _is_object(detail: str) -> bool:
    try:
        return isinstance(json.loads(detail), dict)
    except ValueError:
        return False


def _fault_of(run: runs.RunRow) -> str:
    """Return what cannot be about *run*, and nothing where it can."""
    ends = {run.ended_ms, run.ended, run.requests, run.retries}
    if ends == {None}:
        return ""
    if run.ended_ms is None or run.requests is None or run.retries is None or run.ended is None:
        return "it has half an end, and a run writes all of it or nothing"
    if run.ended not in _ENDINGS:
        return f"{run.ended!r:.80} is no way to end"
    if run.requests < 0 or run.retries < 0:
        return f"{run.requests} requests and {run.retries} retries cannot be"
    if run.ended_ms < run.started_ms - _CLOCK_SET_BACK_MS:
        return "it ended more than a day before it began"
    return ""
