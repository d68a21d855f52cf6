"""Delete millions of records through a batch API: exactly the ones you meant, whatever dies on the way.

    async with BulkDeleter(base_url=..., api_key=...) as deleter:
        report = await deleter.delete(table_id, ids, ledger="purge.db")

The reference is in the docstrings of the names below, and of those in ``bulkdelete.settings``, ``events``, ``metrics``,
``otel``, ``emulator`` and ``testing``; ``python -m pydoc bulkdelete.BulkDeleter`` shows one of them. Each has an
example, which runs as it stands in ``python -m asyncio``, in an empty directory, after this:

>>> from contextlib import AsyncExitStack
>>> from bulkdelete import *
>>> from bulkdelete.emulator import Emulator
>>> stack = AsyncExitStack()
>>> api = await stack.enter_async_context(Emulator())  # the API itself, on a port of this machine
>>> TABLE_ID = "673af861ed69656ac0895b07"
>>> ids = ["541278230707963208", "541278230707963209", "541278230707963210"]
>>> api.load(TABLE_ID, ids)
>>> deleter = await stack.enter_async_context(BulkDeleter(base_url=api.base_url, api_key=api.api_key))

What it opened is closed by ``await stack.aclose()``.

The names are imported when they are first used, so that ``import bulkdelete`` stays light.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING

from bulkdelete.version import VERSION as __version__  # noqa: N811 - the name Python expects

if TYPE_CHECKING:
    from bulkdelete.accounting import Snapshot
    from bulkdelete.api import BulkDeleter
    from bulkdelete.errors import (
        BulkDeleteError,
        CredentialsError,
        FatalAnswer,
        HoldsRefused,
        LedgerError,
        LedgerLocked,
        LedgerMismatch,
        LedgerStorageError,
        RecordsFailed,
        SettingsError,
        SourceChanged,
        SourceError,
        SourceRefused,
    )
    from bulkdelete.folder import LedgerFolder
    from bulkdelete.job import Job
    from bulkdelete.kept import KeptLedger, LedgerState
    from bulkdelete.records import Ended, Fate, Filter, Outcome, RowFate
    from bulkdelete.reports import Report
    from bulkdelete.settings import Settings
    from bulkdelete.sources import open_source
    from bulkdelete.streaming import Outcomes

logging.getLogger("bulkdelete").addHandler(logging.NullHandler())

_HOMES = {
    "accounting": ("Snapshot",),
    "api": ("BulkDeleter",),
    "errors": (
        "BulkDeleteError",
        "CredentialsError",
        "FatalAnswer",
        "HoldsRefused",
        "LedgerError",
        "LedgerLocked",
        "LedgerMismatch",
        "LedgerStorageError",
        "RecordsFailed",
        "SettingsError",
        "SourceChanged",
        "SourceError",
        "SourceRefused",
    ),
    "folder": ("LedgerFolder",),
    "job": ("Job",),
    "kept": ("KeptLedger", "LedgerState"),
    "records": ("Ended", "Fate", "Filter", "Outcome", "RowFate"),
    "reports": ("Report",),
    "settings": ("Settings",),
    "sources": ("open_source",),
    "streaming": ("Outcomes",),
}

__all__ = [
    "BulkDeleteError",
    "BulkDeleter",
    "CredentialsError",
    "Ended",
    "FatalAnswer",
    "Fate",
    "Filter",
    "HoldsRefused",
    "Job",
    "KeptLedger",
    "LedgerError",
    "LedgerFolder",
    "LedgerLocked",
    "LedgerMismatch",
    "LedgerState",
    "LedgerStorageError",
    "Outcome",
    "Outcomes",
    "RecordsFailed",
    "Report",
    "RowFate",
    "Settings",
    "SettingsError",
    "Snapshot",
    "SourceChanged",
    "SourceError",
    "SourceRefused",
    "__version__",
    "open_source",
]


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"bulkdelete.{module}"), name)
    raise AttributeError(f"module 'bulkdelete' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
