"""The table ``run``: who ran the job, when, with what, and how that ended."""

from __future__ import annotations

import os
import platform
import pwd
import sqlite3
import time
from dataclasses import dataclass
from typing import Final

from bulkdelete.errors import LedgerError
from bulkdelete.ledger import texts
from bulkdelete.records import Ended

_BEGIN: Final = "INSERT INTO run (started_ms, pid, host, user, version, python, sqlite) VALUES (?, ?, ?, ?, ?, ?, ?)"
_END: Final = "UPDATE run SET ended_ms = ?, ended = ?, reason = ?, requests = ?, retries = ? WHERE id = ?"
_ALL: Final = (
    "SELECT id, started_ms, ended_ms, ended, reason, pid, host, user, version, requests, retries FROM run "
    "ORDER BY id DESC"
)
_LAST: Final = "SELECT ended FROM run ORDER BY id DESC LIMIT 1"
_BROKEN_OFF: Final = frozenset({None, Ended.CANCELLED.value, Ended.FAULT.value})
"""How a run ended that may have left a request in flight."""
_MAY_HAVE_BEEN_SENT: Final = (
    "UPDATE batch SET ambiguous = 1 WHERE state IN (0, 3, 4) AND (state = 0 OR (state = 3 AND ?))"
)


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run of a job; times are Unix milliseconds, and ``None`` where the run did not end by itself."""

    id: int
    started_ms: int
    ended_ms: int | None
    ended: str | None
    reason: str | None
    pid: int
    host: str
    user: str
    version: str
    requests: int | None
    retries: int | None


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended, and what it cost."""

    run: int
    ended: Ended
    reason: str
    requests: int
    retries: int


def last_has_no_end(connection: sqlite3.Connection) -> bool:
    """Return whether the last run was killed, or could not write its end."""
    last = connection.execute(_LAST).fetchone()
    return last is not None and last[0] is None


def begin(connection: sqlite3.Connection, version: str) -> int:
    """Write that a run begins, and that what the last one left without a result may have been sent; return its id.

    The unresolved ranges of a run that was killed or cancelled count too: it may have been sending a further part.
    """
    last = connection.execute(_LAST).fetchone()
    connection.execute(_MAY_HAVE_BEEN_SENT, (last is not None and last[0] in _BROKEN_OFF,))
    machine = (os.getpid(), texts.clean(platform.node()), texts.clean(user_name()))
    versions = (version, platform.python_version(), sqlite_version())
    run = connection.execute(_BEGIN, (now_ms(), *machine, *versions)).lastrowid
    assert run is not None  # noqa: S101 - an INSERT has a row id
    return run


def end(end_of_run: RunEnd, connection: sqlite3.Connection) -> None:
    """Write how a run ended."""
    run = end_of_run
    values = (now_ms(), run.ended.value, texts.clean(run.reason), run.requests, run.retries, run.run)
    if connection.execute(_END, values).rowcount != 1:
        raise LedgerError(f"the ledger does not know run {run.run}, which is about to end: a fault of bulkdelete")


def read(connection: sqlite3.Connection) -> list[RunRow]:
    """Return all runs, the last one first."""
    return [RunRow(*columns) for columns in connection.execute(_ALL)]


def now_ms() -> int:
    """Return the time now, in Unix milliseconds."""
    return int(time.time() * 1000)


def sqlite_version() -> str:
    """Return the version of the SQLite that writes ledgers."""
    return sqlite3.sqlite_version


def user_name() -> str:
    """Return who runs this process."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container's user id without a name
        return str(os.geteuid())
