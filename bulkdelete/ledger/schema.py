"""The ledger's tables and version: ``PRAGMA application_id`` is 0x62756C6B, ``PRAGMA user_version`` is 2.

====== ==========================================================================================================
table  one row is
====== ==========================================================================================================
job    a fact of the job: ``identity.*`` what makes it the same job, ``source_rows`` once the source was read whole
run    a run of the command: when, who, where, which versions, why it ended (no end: it was killed)
batch  a range of rows ``[first_row, end_row)``: its counts, its digest, its state, and the last answer if it failed
part   a part of a batch that was split and has its final fate
row    a row that is not acknowledged, with the reason: invalid, held, duplicate or rejected
event  what an operator decided and what a run began with, in the order of its happening; ``detail`` is JSON
====== ==========================================================================================================

States of a batch: 0 open (intent on disk, no result yet), 1 acknowledged (by one answer), 2 settled (its parts cover
its records, or it has none), 3 unresolved, 4 pending. The ranges begin at row 0 and have no gaps; ``records``,
``invalid``, ``held`` and ``duplicate`` add up to their rows. ``attempts`` are HTTP calls over all runs; ``ambiguous``
is 1 once a request that got no final answer may have been applied; times are Unix milliseconds, ``changed_ms`` that of
the state. Acknowledged ids are not kept: 45 to 55 bytes stand for a batch of 1000.

Where ``filter_column`` is not NULL, ``record`` is the filter's value as JSON. Text that SQLite cannot hold, with
lone surrogates or NULs in it, is a BLOB of UTF-8 (``surrogatepass``).
"""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = 0x62756C6B  # "bulk"
SCHEMA_VERSION: Final = 2

OPEN, ACKNOWLEDGED, SETTLED, UNRESOLVED, PENDING = range(5)

_EVENT: Final = """
CREATE TABLE event (
    id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, run INTEGER NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;
"""
TABLES: Final = f"""
CREATE TABLE job (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE run (
    id INTEGER PRIMARY KEY, started_ms INTEGER NOT NULL, ended_ms INTEGER, ended TEXT, reason TEXT,
    pid INTEGER NOT NULL, host TEXT NOT NULL, user TEXT NOT NULL,
    version TEXT NOT NULL, python TEXT NOT NULL, sqlite TEXT NOT NULL, requests INTEGER, retries INTEGER
) STRICT;
CREATE TABLE batch (
    first_row INTEGER PRIMARY KEY, end_row INTEGER NOT NULL, records INTEGER NOT NULL,
    invalid INTEGER NOT NULL, held INTEGER NOT NULL, duplicate INTEGER NOT NULL,
    digest BLOB NOT NULL, state INTEGER NOT NULL, changed_ms INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    ambiguous INTEGER NOT NULL DEFAULT 0, code INTEGER, http_status INTEGER, request_id ANY, message ANY
) STRICT;
CREATE INDEX open_batch ON batch (first_row) WHERE state IN (0, 3, 4);
CREATE TABLE part (
    first_row INTEGER PRIMARY KEY, end_row INTEGER NOT NULL, records INTEGER NOT NULL, fate TEXT NOT NULL
) STRICT;
CREATE TABLE row (
    row INTEGER PRIMARY KEY, fate TEXT NOT NULL, reason ANY NOT NULL,
    record ANY NOT NULL, filter_column ANY, file ANY NOT NULL, line INTEGER, code INTEGER,
    request_id ANY
) STRICT;
{_EVENT}
"""
UPGRADES: Final = {1: _EVENT}
"""What makes a ledger of an older version one of the next."""
