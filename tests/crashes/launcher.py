"""Launches bulkdelete, and kills it at a named step of the ledger's write path: STEP before|after HIT WORDS...

Run by its path, as it needs nothing of the tests. The steps are functions of the ledger, and what its connections are
told to do; each is wrapped here, so that the product knows nothing of it.
"""

from __future__ import annotations

import functools
import os
import signal
import sqlite3
import sys
import time
from typing import Any

from bulkdelete.ledger import durable, events, opening, runs, sealing, writer, writes
from bulkdelete.ledger.lock import LedgerLock

FUNCTIONS = {
    "lock": (LedgerLock, "__init__"),
    "make": (opening, "_make"),
    "sync folder": (opening, "_sync_folder"),
    "prepare": (opening, "_prepare"),
    "check identity": (opening, "check_identity"),
    "begin run": (runs, "begin"),
    "begin": (durable, "_begin"),
    "remember": (writes, "remember"),
    "note": (events, "add"),
    "intend": (writes, "add_batch"),
    "intend again": (writes, "reopen_batch"),
    "record": (writes, "add_outcome"),
    "record part": (writes, "_add_part"),
    "group": (writer.Writer, "_commit"),
    "tell": (writer, "_tell"),
    "digest": (sealing, "content_digest"),
    "end run": (runs, "end"),
    "release": (LedgerLock, "release"),
}
STATEMENTS = {
    "BEGIN IMMEDIATE": "BEGIN",
    "COMMIT": "COMMIT",
    "PRAGMA journal_mode=WAL": "WAL",
    "PRAGMA wal_checkpoint(TRUNCATE)": "checkpoint",
}
COMMITS = {
    "intend": "COMMIT of an intent",
    "intend again": "COMMIT of an intent",
    "record": "COMMIT of a record",
}
"""What a COMMIT is called besides, by the steps that were taken since its BEGIN: the first one is of no batch."""
STEPS = (*FUNCTIONS, *STATEMENTS.values(), *dict.fromkeys(COMMITS.values()), "close")
HEAD_START_SECONDS = 0.03
"""So long may what must wait for a step go ahead of it, if it does not wait."""
ONLY_IN_A_NEW_LEDGER = frozenset({"make", "sync folder"})
ONCE_IN_A_RUN = ONLY_IN_A_NEW_LEDGER.union(
    ("lock", "prepare", "check identity", "begin run", "begin", "digest", "end run", "release", "WAL", "checkpoint")
)


class Strike:
    """Kills this process before or after the *hit*-th time that *step* is taken."""

    def __init__(self, step: str, when: str, hit: int) -> None:
        self._step, self._when, self._left = step, when, hit
        self._group: set[str] = set()

    def passes(self, step: str, when: str) -> None:
        if (step, when) == (self._step, self._when):
            self._left -= 1
            if not self._left:
                time.sleep(HEAD_START_SECONDS)
                os.kill(os.getpid(), signal.SIGKILL)

    def wrap(self, step: str, function: Any) -> Any:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.passes(step, "before")
            done = function(*args, **kwargs)
            self.passes(step, "after")
            if step in COMMITS:
                self._group.add(COMMITS[step])
            return done

        return wrapped

    def steps_of(self, sql: str) -> tuple[str, ...]:
        step = STATEMENTS.get(sql)
        if step == "BEGIN":
            self._group.clear()
        if step == "COMMIT":
            return (step, *self._group)
        return (step,) if step else ()

    def connections(self) -> type[sqlite3.Connection]:
        class Struck(sqlite3.Connection):
            def execute(inner, sql: str, *values: Any) -> sqlite3.Cursor:  # noqa: N805 - self is the strike
                execute = super().execute
                for step in self.steps_of(sql):
                    execute = self.wrap(step, execute)
                return execute(sql, *values)

            def close(inner) -> None:  # noqa: N805 - the same
                self.wrap("close", super().close)()

        return Struck


def strike(step: str, when: str, hit: int) -> None:
    struck = Strike(step, when, hit)
    for name, (owner, attribute) in FUNCTIONS.items():
        setattr(owner, attribute, struck.wrap(name, getattr(owner, attribute)))
    connect, factory = sqlite3.connect, struck.connections()
    sqlite3.connect = lambda *args, **keywords: connect(*args, factory=factory, **keywords)


def main() -> None:
    from bulkdelete.cli import main as bulkdelete  # noqa: PLC0415 - the steps are wrapped first

    step, when, hit, *words = sys.argv[1:]
    strike(step, when, int(hit))
    sys.argv = ["bulkdelete", *words]
    bulkdelete()


if __name__ == "__main__":
    main()
