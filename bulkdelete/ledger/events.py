"""The table ``event``: who decided what, and what a run began with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.ledger.runs import now_ms

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

_ADD: Final = "INSERT INTO event (at_ms, run, kind, detail) VALUES (?, ?, ?, ?)"
_ALL: Final = "SELECT at_ms, run, kind, detail FROM event ORDER BY id"
_ARE_KEPT: Final = "SELECT count(*) FROM sqlite_schema WHERE name = 'event'"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run, at a Unix time in milliseconds."""

    at_ms: int
    run: int
    kind: str
    detail: dict[str, Any]


def add(run: int, kind: str, detail: Mapping[str, Any], connection: sqlite3.Connection) -> None:
    """Write that something happened now; *detail* holds plain values."""
    connection.execute(_ADD, (now_ms(), run, kind, json.dumps(detail, sort_keys=True)))


def read(connection: sqlite3.Connection) -> list[Event]:
    """Return all events, the first one first; none of a ledger from before they were kept."""
    if connection.execute(_ARE_KEPT).fetchone() == (0,):
        return []
    return [Event(at_ms, run, kind, json.loads(detail)) for at_ms, run, kind, detail in connection.execute(_ALL)]
