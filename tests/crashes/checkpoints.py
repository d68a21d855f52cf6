"""Launches bulkdelete with a ledger that is checkpointed whenever its log holds so many PAGES: PAGES WORDS..."""

from __future__ import annotations

import sqlite3
import sys
from typing import Any

pages, *words = sys.argv[1:]
connect = sqlite3.connect


class Checkpointed(sqlite3.Connection):
    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql.startswith("PRAGMA wal_autocheckpoint="):
            sql = f"PRAGMA wal_autocheckpoint={int(pages)}"
        return super().execute(sql, *values)


sqlite3.connect = lambda *args, **keywords: connect(*args, factory=Checkpointed, **keywords)
sys.argv = ["bulkdelete", *words]

from bulkdelete.cli import main  # noqa: E402 - the ledger's connections are changed first

main()
