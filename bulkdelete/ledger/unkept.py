"""What runs spent of the quotas of a later one, where a ledger of version 1 keeps nothing of it but its runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from bulkdelete.ledger import runs
from bulkdelete.quotas import SECONDS
from bulkdelete.quotas.snapshots import Kept, write
from bulkdelete.quotas.windows import BEYOND_EVERY_LIMIT

if TYPE_CHECKING:
    import sqlite3

_SENT: Final = (
    "SELECT max(ended_ms) / 1000.0, sum(requests) FROM run WHERE requests > 0 AND ended_ms > ? "
    "GROUP BY ended_ms / 120000 ORDER BY 1"
)
_WAS_KILLED: Final = (
    "SELECT EXISTS (SELECT 1 FROM run AS killed WHERE ended IS NULL "
    "AND NOT EXISTS (SELECT 1 FROM run WHERE id > killed.id AND started_ms <= ?))"
)


def spent(connection: sqlite3.Connection) -> str:
    """Return what a run without quotas would have kept: what was sent counts as of the end of its run.

    Nobody knows what one sent that was killed, unless a later one began before any window that may count now.
    """
    since = runs.now_ms() - SECONDS["day"] * 1000
    sent = [(float(ended), int(requests)) for ended, requests in connection.execute(_SENT, (since,))]
    (was_killed,) = connection.execute(_WAS_KILLED, (since,)).fetchone()
    return json.dumps(write(Kept(BEYOND_EVERY_LIMIT, not was_killed, {"day": sent}, [])))
