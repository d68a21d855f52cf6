"""API keys, and the tables that each may use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from bulkdelete.emulator.answers import NO_PERMISSION, UNAUTHORIZED, Refused

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable


class Keys:
    """The keys in *database*; a revoked key stays revoked over a restart."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._tables: dict[str, frozenset[str] | None] = {}
        self._read()

    def add(self, key: str, tables: Iterable[str] | None = None) -> None:
        """Accept *key* for *tables*; ``None`` is every table."""
        self._database.execute("REPLACE INTO keys VALUES (?, ?, 0)", (key, _as_text(tables)))
        self._read()

    def add_unless_known(self, key: str) -> None:
        """Accept *key* for every table, unless it was added or revoked before."""
        self._database.execute("INSERT OR IGNORE INTO keys VALUES (?, NULL, 0)", (key,))
        self._read()

    def revoke(self, key: str) -> None:
        """Accept *key* no more; a key that was never added is revoked all the same."""
        self._database.execute("REPLACE INTO keys VALUES (?, NULL, 1)", (key,))
        self._read()

    def known(self, key: str) -> bool:
        """Whether *key* is accepted."""
        return key in self._tables

    def require(self, key: str) -> None:
        """Raise :class:`Refused` with 40127 unless *key* is accepted."""
        if not self.known(key):
            raise Refused(UNAUTHORIZED)

    def require_table(self, key: str, table_id: str) -> None:
        """Raise :class:`Refused` with 403131 unless *key*, an accepted one, may use *table_id*."""
        tables = self._tables[key]
        if tables is not None and table_id not in tables:
            raise Refused(NO_PERMISSION)

    def _read(self) -> None:
        rows = self._database.execute("SELECT key, tables FROM keys WHERE NOT revoked")
        self._tables = {key: None if tables is None else frozenset(orjson.loads(tables)) for key, tables in rows}


def _as_text(tables: Iterable[str] | None) -> str | None:
    return None if tables is None else orjson.dumps(sorted(tables)).decode()
