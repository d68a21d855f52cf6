"""The digest over a ledger's whole content: whoever keeps it can tell whether the ledger was changed since.

It covers every value of every row and nothing else: not how SQLite lays them out, so that VACUUM changes nothing, and
nothing that depends on the version of SQLite or Python.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

COLUMNS: Final[Mapping[str, str]] = {
    "job": "key, value",
    "run": "id, started_ms, ended_ms, ended, reason, pid, host, user, version, python, sqlite, requests, retries",
    "batch": (
        "first_row, end_row, records, invalid, held, duplicate, digest, state, changed_ms, attempts, ambiguous, code, "
        "http_status, request_id, message"
    ),
    "part": "first_row, end_row, records, fate",
    "row": "row, fate, reason, record, filter_column, file, line, code, request_id",
    "event": "id, at_ms, run, kind, detail",
}
"""Every table with its columns; the first one is its key."""
SINCE: Final[Mapping[str, int]] = {"event": 2}
"""The schema version from which on there is a table, where not from the first."""

_ROWS_AT_ONCE: Final = 256


def tables_of(version: int) -> list[str]:
    """Return the tables that a ledger of schema *version* has."""
    return [table for table in COLUMNS if version >= SINCE.get(table, 1)]


def content_digest(connection: sqlite3.Connection) -> str:
    """Return ``sha256:<hex>`` of everything that the ledger holds; the caller sees to it that nobody writes meanwhile.

    A row is hashed as Python's ``ascii`` writes the tuple of its values, which no table of Unicode properties decides.
    """
    hashed = hashlib.sha256()
    (application_id,), (version,) = (
        connection.execute(f"PRAGMA {pragma}").fetchone() for pragma in ("application_id", "user_version")
    )
    hashed.update(b"%d %d\n" % (application_id, version))
    text_factory, connection.text_factory = connection.text_factory, _decoded
    try:
        for table in tables_of(version):
            hashed.update(b"%s\n" % table.encode())
            key = COLUMNS[table].partition(",")[0]
            rows = connection.execute(f"SELECT {COLUMNS[table]} FROM {table} ORDER BY {key}")  # noqa: S608 - constants
            while some := rows.fetchmany(_ROWS_AT_ONCE):
                hashed.update("\n".join([*map(ascii, some), ""]).encode())
    finally:
        connection.text_factory = text_factory
    return f"sha256:{hashed.hexdigest()}"


def _decoded(text: bytes) -> str:
    """Return text as SQLite gives it, also where damage left no UTF-8 of it; different bytes never become one text."""
    return text.decode("utf-8", "surrogateescape")
