"""The tables and their records, on SQLite."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any, Final

import orjson

from bulkdelete.emulator.answers import TABLE_NOT_FOUND, Refused
from bulkdelete.emulator.database import transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from bulkdelete.records import Filter

DEFAULT_UNIQUE_COLUMNS: Final = ("email",)
_BLOCK_RECORDS: Final = 10_000


@dataclass(slots=True)
class Table:
    """A table with so many ``records``; ``valued`` says that some of them may have values that filters can find."""

    number: int
    table_id: str
    unique_columns: frozenset[str]
    records: int = 0
    valued: bool = False
    poisoned: set[str] = field(default_factory=set)


class Store:
    """The tables in *database*. What it does is done when the call returns, all of it or nothing.

    *clock* gives the Unix time in seconds, for the times of records.
    """

    def __init__(self, database: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        counted = dict(database.execute("SELECT number, count(*) FROM records GROUP BY number"))
        rows = database.execute("SELECT number, table_id, unique_columns, valued FROM tables").fetchall()
        self._tables = {
            table_id: Table(number, table_id, frozenset(orjson.loads(columns)), counted.get(number, 0), bool(valued))
            for number, table_id, columns, valued in rows
        }
        for table in self._tables.values():
            poisoned = database.execute("SELECT record_id FROM poisoned WHERE number = ?", (table.number,))
            table.poisoned = {record_id for (record_id,) in poisoned}

    def table(self, table_id: str) -> Table:
        """Return the table. Raises :class:`Refused` with 403106 where there is none."""
        try:
            return self._tables[table_id]
        except KeyError:
            raise Refused(TABLE_NOT_FOUND) from None

    def create_table(self, table_id: str, unique_columns: Iterable[str]) -> None:
        """Make a table; one that is there already must have the same *unique_columns*, else ``ValueError``."""
        columns = frozenset(unique_columns)
        table = self._tables.get(table_id)
        if table is None:
            text = orjson.dumps(sorted(columns)).decode()
            added = self._database.execute(
                "INSERT INTO tables (table_id, unique_columns) VALUES (?, ?)", (table_id, text)
            )
            self._tables[table_id] = Table(added.lastrowid or 0, table_id, columns)
        elif table.unique_columns != columns:
            raise ValueError(
                f"table {table_id} is there already, with the unique columns {sorted(table.unique_columns)}, not "
                f"{sorted(columns)}; create it before it is loaded"
            )

    def load(self, table_id: str, ids: Iterable[str], values: Iterable[Mapping[str, Any]] | None = None) -> None:
        """Put records into a table, made where it is missing; *values* go with the *ids* one to one.

        A record that is there already keeps its value, or gets the new one where *values* are given.

        Raises:
            ValueError: *values* are more or fewer than *ids*, or two records share a unique value; nothing is loaded.

        """
        table = self._table_to_fill(table_id)
        try:
            with transaction(self._database):
                if values is None:
                    added = self._add(table, ids, self._now_milliseconds())
                else:
                    added = self._load_values(table, zip(ids, values, strict=True))
        except sqlite3.IntegrityError:
            raise ValueError(
                f"two records of table {table_id} would share a value of a unique column "
                f"({', '.join(sorted(table.unique_columns))}); nothing was loaded"
            ) from None
        table.records += added
        table.valued = table.valued or values is not None

    def poison(self, table_id: str, ids: Iterable[str]) -> None:
        """Make a request that holds any of *ids* invalid as a whole."""
        table = self._table_to_fill(table_id)
        poisoned = set(ids)
        with transaction(self._database):
            self._database.executemany(
                "INSERT OR IGNORE INTO poisoned VALUES (?, ?)", zip(repeat(table.number), poisoned)
            )
        table.poisoned |= poisoned

    def count(self, table_id: str) -> int:
        """Return how many records are in a table. Raises ``LookupError`` where there is none."""
        counted = self._database.execute("SELECT count(*) FROM records WHERE number = ?", (self._number(table_id),))
        return int(counted.fetchone()[0])

    def remaining(self, table_id: str) -> Iterator[str]:
        """Give the ids in a table in the order of their text. Raises ``LookupError`` where there is none."""
        return self._ids_from(self._number(table_id))

    def delete(self, table: Table, ids: Sequence[str]) -> None:
        """Delete *ids* in one transaction; those that are not there are passed over."""
        keys = list(zip(repeat(table.number), ids))
        with transaction(self._database):
            deleted = self._database.executemany("DELETE FROM records WHERE number = ? AND record_id = ?", keys)
            if table.valued:
                self._database.executemany("DELETE FROM unique_values WHERE number = ? AND record_id = ?", keys)
        table.records -= max(deleted.rowcount, 0)

    def holds(self, table: Table, record_id: str) -> bool:
        """Whether *record_id* is in *table*."""
        found = self._database.execute(
            "SELECT 1 FROM records WHERE number = ? AND record_id = ?", (table.number, record_id)
        )
        return found.fetchone() is not None

    def find(self, table: Table, wanted: Filter) -> str | None:
        """Return the id of the record that *wanted* names, ``None`` where there is none."""
        found = self._database.execute(
            "SELECT record_id FROM unique_values WHERE number = ? AND name = ? AND value = ?",
            (table.number, wanted.column, _as_text(wanted.value)),
        ).fetchone()
        return None if found is None else str(found[0])

    def _now_milliseconds(self) -> int:
        return int(self._clock() * 1000)

    def _add(self, table: Table, ids: Iterable[str], now: int) -> int:
        """Add what is not there yet, and return how many that were."""
        rows = zip(repeat(table.number), ids, repeat(None), repeat(now), repeat(now))
        added = self._database.executemany("INSERT OR IGNORE INTO records VALUES (?, ?, ?, ?, ?)", rows)
        return max(added.rowcount, 0)

    def _load_values(self, table: Table, records: Iterator[tuple[str, Mapping[str, Any]]]) -> int:
        added = 0
        now = self._now_milliseconds()
        self._database.execute("UPDATE tables SET valued = 1 WHERE number = ?", (table.number,))
        while block := list(islice(records, _BLOCK_RECORDS)):
            added += self._add(table, (record_id for record_id, _ in block), now)
            self._database.executemany(
                "DELETE FROM unique_values WHERE number = ? AND record_id = ?",
                ((table.number, record_id) for record_id, _ in block),
            )
            self._database.executemany(
                "UPDATE records SET value = ?, updated_at = ? WHERE number = ? AND record_id = ?",
                ((_as_text(value), now, table.number, record_id) for record_id, value in block),
            )
            self._database.executemany("INSERT INTO unique_values VALUES (?, ?, ?, ?)", _unique_values(table, block))
        return added

    def _ids_from(self, number: int) -> Iterator[str]:
        """Read a block at a time, so that deletes may go on between blocks."""
        last = ""
        while True:
            block = self._database.execute(
                "SELECT record_id FROM records WHERE number = ? AND record_id > ? ORDER BY record_id LIMIT ?",
                (number, last, _BLOCK_RECORDS),
            ).fetchall()
            if not block:
                return
            for (record_id,) in block:
                yield record_id
            last = block[-1][0]

    def _table_to_fill(self, table_id: str) -> Table:
        if table_id not in self._tables:
            self.create_table(table_id, DEFAULT_UNIQUE_COLUMNS)
        return self._tables[table_id]

    def _number(self, table_id: str) -> int:
        if table_id not in self._tables:
            raise LookupError(f"the emulator has no table {table_id}; it has {', '.join(self._tables) or 'none'}")
        return self._tables[table_id].number


def _unique_values(table: Table, block: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[tuple[int, str, str, str]]:
    for record_id, value in block:
        for name in table.unique_columns & value.keys():
            if value[name] is not None:
                yield table.number, name, _as_text(value[name]), record_id


def _as_text(value: object) -> str:
    """Return JSON, which keeps ``"1"``, ``1`` and ``true`` apart where SQLite would not."""
    return orjson.dumps(value).decode()
