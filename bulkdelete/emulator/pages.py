"""Pages of a table's records, read from SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from bulkdelete.emulator.store import Table

_SELECT: Final = "SELECT record_id, value, created_at, updated_at FROM records WHERE number = ?"
_WITH_KEYWORD: Final = "EXISTS (SELECT 1 FROM json_each(records.value) WHERE instr(json_each.value, ?))"


class Record(NamedTuple):
    """One record as it is stored: ``value`` is JSON or missing, the times are Unix milliseconds."""

    record_id: str
    value: str | None
    created_at: int
    updated_at: int

    def as_json(self) -> dict[str, Any]:
        """Return the record as the API gives it."""
        value = orjson.Fragment(self.value or "{}")
        return {"id": self.record_id, "value": value, "created_at": self.created_at, "updated_at": self.updated_at}


class Pages:
    """Reads *database*, ordered by the text of the record ids."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def read(self, table: Table, skipped: int, most: int) -> Sequence[Record]:
        """Return at most *most* records after the first *skipped*."""
        rows = self._database.execute(
            f"{_SELECT} ORDER BY record_id LIMIT ? OFFSET ?", (table.number, most, min(skipped, table.records))
        )
        return [Record(*row) for row in rows]

    def search(self, table: Table, keyword: str, skipped: int, most: int) -> tuple[Sequence[Record], int]:
        """Return those of the records that hold *keyword* in some column's text, and how many do in all."""
        rows = self._database.execute(
            f"{_SELECT} AND {_WITH_KEYWORD} ORDER BY record_id", (table.number, keyword)
        ).fetchall()
        return [Record(*row) for row in rows[skipped : skipped + most]], len(rows)

    def one(self, table: Table, record_id: str, keyword: str) -> Sequence[Record]:
        """Return the record in a list; an empty list where it does not hold *keyword*, which may be empty."""
        rows = self._database.execute(
            f"{_SELECT} AND record_id = ? AND (? = '' OR {_WITH_KEYWORD})", (table.number, record_id, keyword, keyword)
        )
        return [Record(*row) for row in rows]
