"""The durable record of every batch: intents before effects, results before they count.

:func:`open_ledger` opens it for the one process that writes; :func:`read_ledger` for everybody else, and
:func:`without_a_trace` for whoever has many to look at.
"""

from __future__ import annotations

from bulkdelete.ledger.durable import DurableLedger, open_ledger
from bulkdelete.ledger.events import Event
from bulkdelete.ledger.findings import Findings, Problems
from bulkdelete.ledger.reading import LedgerReader, read_ledger
from bulkdelete.ledger.resting import without_a_trace
from bulkdelete.ledger.runs import RunRow, sqlite_version, user_name
from bulkdelete.ledger.texts import same_record
from bulkdelete.ledger.totals import Totals, is_complete
from bulkdelete.ledger.unrecorded import UnrecordedLedger
from bulkdelete.ledger.walking import LONGEST_RANGE

Ledger = DurableLedger | UnrecordedLedger

__all__ = [
    "LONGEST_RANGE",
    "DurableLedger",
    "Event",
    "Findings",
    "Ledger",
    "LedgerReader",
    "Problems",
    "RunRow",
    "Totals",
    "UnrecordedLedger",
    "is_complete",
    "open_ledger",
    "read_ledger",
    "same_record",
    "sqlite_version",
    "user_name",
    "without_a_trace",
]
